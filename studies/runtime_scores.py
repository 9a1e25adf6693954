"""What a runtime and a precision change: AUC, online scores, PSNR, decisions and events of trained weights.

    python studies/runtime_scores.py SHARDS RUN [RUN ...]

Each RUN was trained with --hold-out, so that normal video is left which it has not seen; its model in int8
lies in RUN/int8, where `export` has put it. For every runtime and precision the script prints, as means over
the runs: the AUC over all test frames in percent of the published score and of the evidence, which takes mean
and deviation from the video that was kept aside; what 99 % of the PSNRs move less than, and the frames whose
point score lies on the other side of the published threshold, against PyTorch in float32; and the labelled
intervals that reach the level above which 1 % of the kept-aside time lies. Memory frozen.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

import probing
from online_scores import Scored, boxes, caught, rows, scored
from pipeline.errors import UserError
from pipeline.runs.calibration import Runtime
from pipeline.runs.checkpoint import Checkpoint, load_checkpoint
from pipeline.runs.trainedon import held_out_of
from pipeline.scoring.choices import ALPHA, THRESHOLD, Precision
from pipeline.scoring.instrument import frame_size
from pipeline.scoring.runtime import Network, network_of

WAYS: tuple[tuple[Runtime, Precision], ...] = (
    ("torch", "fp32"),
    ("openvino", "int8"),
    ("openvino", "bf16"),
    ("openvino", "fp32"),
    ("onnx", "fp32"),
    ("torch", "bf16"),
)
"""The first is what others are held against."""


@dataclass(frozen=True)
class Row:
    """AUC in percent, dB, frames, and intervals found and there."""

    published: float
    evidence: float
    moved: float
    decisions: int
    found: int
    intervals: int


def joined(videos: list[Scored], name: str) -> np.ndarray:
    """A signal of all videos."""
    return np.concatenate([video.signals[name][:, 0] for video in videos])


def study(checkpoint: Checkpoint, shards: str) -> dict[str, Row]:
    """A row for each way."""
    held = {part.video for part in held_out_of(checkpoint.origin)}
    if not held:
        raise SystemExit(f"{checkpoint.name}: nothing was kept aside; train with --hold-out")
    size, method = frame_size(checkpoint), checkpoint.spec.method
    local, own = boxes(size)
    threshold = THRESHOLD[method]
    reference: list[Scored] | None = None
    found: dict[str, Row] = {}
    for runtime, precision in WAYS:
        try:
            network = network_of(checkpoint, size, torch.device("cpu"), runtime, precision)
        except UserError as error:
            print(f"without {runtime} {precision}: {error}", flush=True)
            continue
        videos = _scored(checkpoint, shards, network, lambda name: True, "testing")
        normal = _scored(checkpoint, shards, network, held.__contains__, "training")
        reference = reference or videos
        moved = np.abs(joined(videos, "PSNR") - joined(reference, "PSNR"))
        decided, expected = (joined(each, "point score") < threshold for each in (videos, reference))
        table = rows(videos, normal, local.boxes, own, ALPHA[method])
        events = caught(videos, normal, own)
        found[f"{runtime} {precision}"] = Row(
            table["published score"][2],
            table["evidence"][1],
            float(np.quantile(moved, 0.99)),
            int((decided != expected).sum()),
            events.found,
            events.intervals,
        )
        print(f"{checkpoint.name}: {runtime} {precision} {found[f'{runtime} {precision}']}", flush=True)
    return found


def _scored(
    checkpoint: Checkpoint, shards: str, network: Network, keep: Callable[[str], bool], split: str
) -> list[Scored]:
    return scored(checkpoint, shards, split, keep, network)  # type: ignore[arg-type]


def main() -> None:
    given = probing.options(__doc__)
    tables = [study(load_checkpoint(run), given.shards) for run in given.runs]
    print(
        "| | AUC, published score | AUC, evidence | PSNR, 99 % within | other decisions | intervals found |"
    )
    print("|---|---|---|---|---|---|")
    for name in tables[0]:
        each = [table[name] for table in tables if name in table]
        print(
            f"| {name} | {statistics.mean(row.published for row in each):.2f} "
            f"| {statistics.mean(row.evidence for row in each):.2f} "
            f"| {statistics.mean(row.moved for row in each):.1e} dB "
            f"| {sum(row.decisions for row in each)} "
            f"| {sum(row.found for row in each)} of {sum(row.intervals for row in each)} |"
        )


if __name__ == "__main__":
    main()
