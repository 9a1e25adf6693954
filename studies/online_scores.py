"""Which score of a frame finds what is abnormal without knowing the rest of its video.

    python studies/online_scores.py SHARDS RUN [RUN ...]

Each RUN was trained with --hold-out, so that normal video is left which it has not seen. For every score the
script prints the AUC over all test frames in percent, as mean and standard deviation over the runs: as it is,
and after a min-max per video (which looks ahead); each of the frame alone, and under the causal mean over
0.3 s. The evidence takes mean and deviation from the video that was kept aside, never from test video.

Then it counts, for each run, the labelled intervals that reach the level above which 1 % of the kept-aside
time lies, how late they reach it, and the share of normal test frames above it. Memory frozen, float32.
"""

import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import probing
from mnad.evidence import Standard, alarming, causal_mean
from mnad.local_error import SCALES, TABLE_SCALES, LocalError
from pipeline.runs.checkpoint import Checkpoint, load_checkpoint
from pipeline.runs.trainedon import held_out_of, rate_of
from pipeline.scoring.choices import ALPHA, THRESHOLD
from pipeline.scoring.instrument import frame_size
from pipeline.scoring.metrics import micro_auc
from pipeline.scoring.runtime import Network, network_of
from pipeline.scoring.scorer import Scorer
from shards.choices import Split
from shards.manifest import load_manifest
from shards.storage import Storage
from shards.windows import VideoBatch

WORST = 0.01
"""The share of a frame's pixels, those with the largest errors, whose mean is the score `worst 1 %`."""
SMALL = 3
"""Boxes of the second evidence: the smallest ones."""
LEVEL = 0.99
"""Quantile of the kept-aside evidence that is to be reached."""


@dataclass(frozen=True)
class Scored:
    """One video: seconds (F,), signals (F, S) by name, labels (F,) or None."""

    seconds: np.ndarray
    signals: dict[str, np.ndarray]
    labels: np.ndarray | None


@dataclass(frozen=True)
class Caught:
    """What reaches the level: intervals found, of how many, seconds of delay, share of normal frames."""

    found: int
    intervals: int
    delays: list[float]
    false: float


def boxes(size: tuple[int, int]) -> tuple[LocalError, list[int]]:
    """What looks at all sizes of boxes, that of the table's column among them; which are the evidence's."""
    everywhere = torch.ones(size, dtype=torch.bool)
    local = LocalError.looking_at(everywhere, scales=(*SCALES, *TABLE_SCALES))
    own = LocalError.looking_at(everywhere).boxes
    return local, [index for index, k in enumerate(local.boxes) if k in own]


def worst(error: Tensor) -> Tensor:
    """Mean error in dB of the worst pixels of frames (B, C, H, W); (B,)."""
    pixels = error.mean(dim=1).flatten(1)
    return 10 * pixels.topk(round(WORST * pixels.shape[1]), dim=1).values.mean(dim=1).log10()


def scored(
    checkpoint: Checkpoint,
    shards: str,
    split: Split,
    keep: Callable[[str], bool],
    network: Network | None = None,
) -> list[Scored]:
    """The videos of a split that are to be kept, by PyTorch in float32 or by another network."""
    manifest = load_manifest(Storage(shards))
    videos, rate = manifest.split(split), rate_of(checkpoint.origin)
    if rate is None:
        raise SystemExit(f"{checkpoint.name}: the frame rate of its video is not known")
    local, _ = boxes((manifest.geometry.height, manifest.geometry.width))
    if network is None:
        network = network_of(checkpoint, frame_size(checkpoint), torch.device("cpu"), "torch", "fp32")
    scorer = Scorer(
        model=network.model,
        memory="frozen",
        threshold=THRESHOLD[checkpoint.spec.method],
        bf16=network.autocasts,
    )
    kept: dict[int, list[tuple[np.ndarray, dict[str, np.ndarray]]]] = {}
    for batch in scorer.scored(_wanted(probing.batches(shards, split, checkpoint.spec.window), videos, keep)):
        error = batch.seen.error
        table = {
            "PSNR": -batch.scores.psnr[:, None],
            "point score": batch.scores.point_score[:, None],
            "distance": batch.scores.feature_distance[:, None],
            "worst 1 %": worst(error).double().numpy()[:, None],
            "boxes": local(error).numpy(),
        }
        kept.setdefault(batch.video, []).append((batch.frames, table))
    result = []
    for index, parts in kept.items():
        frames = np.concatenate([frames for frames, _ in parts])
        signals = {name: np.concatenate([table[name] for _, table in parts]) for name in parts[0][1]}
        labels = videos[index].labels
        result.append(
            Scored(frames / rate, signals, None if labels is None else np.array(labels)[frames].astype(bool))
        )
    return result


def _wanted(
    batches: Iterable[VideoBatch], videos: Iterable[object], keep: Callable[[str], bool]
) -> Iterator[VideoBatch]:
    names = [getattr(video, "name", "") for video in videos]
    return (batch for batch in batches if keep(names[batch.video]))


def smoothed(video: Scored, name: str) -> np.ndarray:
    """A signal (F, S) under the causal mean."""
    return causal_mean(video.seconds, video.signals[name])[0]


def extremes(scores: np.ndarray) -> np.ndarray:
    """Min-max over one video."""
    scaled: np.ndarray = (scores - scores.min()) / (np.ptp(scores) or 1)
    return scaled


def area(scores: list[np.ndarray], videos: list[Scored]) -> float:
    """AUC in percent over the frames of all videos."""
    labels = [video.labels for video in videos]
    known = [each for each in labels if each is not None]
    auc = micro_auc(np.concatenate(scores), np.concatenate(known)) if len(known) == len(labels) else None
    if auc is None:
        raise SystemExit("the test videos have no labels of both kinds; a study needs them")
    return 100 * auc


def rows(
    videos: list[Scored], normal: list[Scored], sizes: tuple[int, ...], own: list[int], alpha: float
) -> dict[str, list[float]]:
    """AUC as it is, under the causal mean, and both after a min-max per video, for each score."""
    found: dict[str, list[float]] = {}

    def add(name: str, plain: list[np.ndarray], causal: list[np.ndarray]) -> None:
        ways = (plain, causal, [extremes(each) for each in plain], [extremes(each) for each in causal])
        found[name] = [area(way, videos) for way in ways]

    for name in ("PSNR", "distance", "worst 1 %"):
        add(name, [v.signals[name][:, 0] for v in videos], [smoothed(v, name)[:, 0] for v in videos])
    means = [smoothed(video, "boxes") for video in videos]
    for box, size in enumerate(sizes):
        add(f"{size}x{size} box", [v.signals["boxes"][:, box] for v in videos], [m[:, box] for m in means])
    for name, used in (("evidence", own), (f"evidence, {SMALL} small", own[:SMALL])):
        plain = Standard.fit(np.concatenate([video.signals["boxes"][:, used] for video in normal]))
        causal = Standard.fit(np.concatenate([smoothed(video, "boxes")[:, used] for video in normal]))
        add(
            name,
            [plain.evidence(video.signals["boxes"][:, used])[0] for video in videos],
            [causal.evidence(mean[:, used])[0] for mean in means],
        )
    published = [
        alpha * extremes(v.signals["PSNR"][:, 0]) + (1 - alpha) * extremes(v.signals["distance"][:, 0])
        for v in videos
    ]
    found["published score"] = [float("nan"), float("nan"), area(published, videos), float("nan")]
    return found


def caught(videos: list[Scored], normal: list[Scored], used: list[int]) -> Caught:
    """What reaches the level of the kept-aside video."""
    parts = [causal_mean(video.seconds, video.signals["boxes"][:, used]) for video in normal]
    standard = Standard.fit(np.concatenate([mean[settled] for mean, settled in parts]))
    level = np.quantile(np.concatenate([standard.evidence(m)[0][settled] for m, settled in parts]), LEVEL)
    found = intervals = above = usual = 0
    delays = []
    for video in videos:
        means, settled = causal_mean(video.seconds, video.signals["boxes"][:, used])
        high = alarming(standard.evidence(means)[0], settled) >= level
        labels = np.zeros(0, bool) if video.labels is None else video.labels
        above, usual = above + int((high & ~labels).sum()), usual + int((~labels).sum())
        edges = np.flatnonzero(np.diff(np.concatenate([[False], labels, [False]]).astype(int)))
        for start, end in edges.reshape(-1, 2):
            intervals += 1
            within = np.flatnonzero(high[start:end])
            if len(within):
                found += 1
                delays.append(float(video.seconds[start + within[0]] - video.seconds[start]))
    return Caught(found, intervals, delays, above / usual)


def main() -> None:
    given = probing.options(__doc__)
    all_rows: list[dict[str, list[float]]] = []
    for run in given.runs:
        checkpoint = load_checkpoint(run)
        held = {part.video for part in held_out_of(checkpoint.origin)}
        if not held:
            raise SystemExit(f"{run}: nothing was kept aside; train with --hold-out")
        local, own = boxes(frame_size(checkpoint))
        videos = scored(checkpoint, given.shards, "testing", lambda name: True)
        normal = scored(checkpoint, given.shards, "training", held.__contains__)
        all_rows.append(rows(videos, normal, local.boxes, own, ALPHA[checkpoint.spec.method]))
        hit = caught(videos, normal, own)
        print(
            f"{run}: {hit.found} of {hit.intervals} intervals found, median delay "
            f"{statistics.median(hit.delays):.1f} s; {100 * hit.false:.1f} % of normal test frames above; "
            f"evidence {all_rows[-1]['evidence'][1]:.2f}",
            flush=True,
        )
    print("| score | as it is | causal mean | min-max | causal mean, min-max |\n|---|---|---|---|---|")
    for name in all_rows[0]:
        cells = [spread([each[name][way] for each in all_rows]) for way in range(4)]
        print(f"| {name} | " + " | ".join(cells) + " |")


def spread(values: list[float]) -> str:
    """Mean and standard deviation over the runs."""
    if any(np.isnan(values)):
        return ""
    mean = statistics.mean(values)
    return f"{mean:.1f} ± {statistics.stdev(values):.1f}" if len(values) > 1 else f"{mean:.1f}"


if __name__ == "__main__":
    main()
