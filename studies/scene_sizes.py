"""Which score of a frame finds what is abnormal, where people are small, middling and large in the picture.

    python studies/scene_sizes.py [--heights 0.05 0.15 0.4] [--size 48] [--seed 0] [--work FOLDER]

For each height a camera is drawn, and a small model is trained on normal video of it. Then other hours with
planted events are scored, memory frozen. The script prints for each score the AUC over all their frames in
percent, as it is and under the causal mean over 0.3 s: of PSNR, of the local error in each size of box, and
of the evidence, the largest of the boxes' distances from normal in standard deviations, which takes its means
and deviations from normal video that was neither trained on nor is tested.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mnad.evidence import Standard, causal_mean
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.scoring.instrument import Instrument, instrument
from pipeline.scoring.metrics import micro_auc
from pipeline.video.footage import found
from pipeline.video.pyav_frames import Findings

ROOT = Path(__file__).resolve().parents[1]
RATE = 2


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A scored video: seconds (F,), -PSNR (F, 1), local errors (F, S)."""

    name: str
    seconds: np.ndarray
    psnr: np.ndarray
    local: np.ndarray


Areas = dict[str, tuple[float, float]]
"""AUC in percent by the name of the score, as it is and under the causal mean."""


def watched(tool: Instrument, folder: Path) -> Iterator[Watched]:
    """The videos of a folder."""
    for footage in found([str(folder)]):
        with footage.local() as path:
            moments = list(tool.moments(footage.frames(path, Findings())))
        yield Watched(
            name=path.stem,
            seconds=np.array([moment.seconds for moment in moments]),
            psnr=np.array([[-moment.psnr] for moment in moments]),
            local=np.stack([moment.local for moment in moments]),
        )


def labels_of(video: Watched, folder: Path) -> np.ndarray:
    """Whether each frame is abnormal, (F,) bool."""
    labels = np.zeros(len(video.seconds), bool)
    with (folder / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["video"] == video.name:
                start, end = float(row["start_seconds"]), float(row["end_seconds"])
                labels |= (video.seconds > start - 0.5 / RATE) & (video.seconds < end - 0.5 / RATE)
    return labels


def areas(tool: Instrument, normal: Path, planted: Path) -> Areas:
    """Of all scores, on the videos of `planted`."""
    still, tested = list(watched(tool, normal)), list(watched(tool, planted))
    labels = np.concatenate([labels_of(video, planted) for video in tested])
    table: dict[str, list[float]] = {}
    for smoothing in (False, True):

        def signals(video: Watched, values: np.ndarray, smoothing: bool = smoothing) -> np.ndarray:
            return causal_mean(video.seconds, values)[0] if smoothing else values

        local = np.concatenate([signals(video, video.local) for video in tested])
        standard = Standard.fit(np.concatenate([signals(video, video.local) for video in still]))
        scores = {"PSNR": np.concatenate([signals(video, video.psnr) for video in tested])[:, 0]}
        scores |= {f"{k}x{k} box": local[:, i] for i, k in enumerate(tool.gaze.boxes.boxes)}
        scores["evidence"] = standard.evidence(local)[0]
        for name, values in scores.items():
            table.setdefault(name, []).append(100 * (micro_auc(values, labels) or np.nan))
    return {name: (plain, causal) for name, (plain, causal) in table.items()}


def study(height: float, folder: Path, options: argparse.Namespace) -> Areas:
    """Draw a camera, train and score."""
    looks = ("--person-height", height, "--rate", RATE, "--size", options.drawn, "--seed", options.seed)
    training, normal, planted = (folder / name for name in ("training", "normal", "planted"))
    hours = options.hours
    command("synthesize", training, "--hours", f"0:{hours}", *looks)
    command("synthesize", normal, "--hours", f"{hours}:{2 * hours}", *looks)
    more = ("--events-per-hour", options.events_per_hour)
    command("synthesize", planted, "--hours", f"{2 * hours}:{3 * hours}", *looks, *more)
    command("preprocess", training, folder / "shards", "--size", options.size, "--workers", 1)
    how = ("--epochs", options.epochs, "--batch-size", options.batch_size, "--hold-out", 0)
    command("train", folder / "shards", folder / "run", *how, "--precision", options.precision)
    tool = instrument(
        load_checkpoint(str(folder / "run")),
        torch.device("cpu"),
        memory="frozen",
        precision=options.precision,
        batch_size=32,
    )
    return areas(tool, normal, planted)


def command(*arguments: object) -> None:
    """Run one of the project's commands."""
    subprocess.run([sys.executable, ROOT / "cli.py", *map(str, arguments)], check=True, stdout=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--heights", type=float, nargs="+", default=[0.05, 0.15, 0.4])
    parser.add_argument("--hours", type=float, default=0.25, help="of each part: training, normal, planted")
    parser.add_argument("--events-per-hour", type=float, default=40)
    parser.add_argument("--drawn", default="96x128", help="size of the video")
    parser.add_argument("--size", type=int, default=48, help="of the frames that the model sees")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="a folder that stays, with all that is made")
    options = parser.parse_args()
    columns: dict[float, Areas] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for height in options.heights:
            folder = (options.work or Path(temporary)) / f"height-{height:g}"
            columns[height] = study(height, folder, options)
            print(f"# {height:g}: {columns[height]}", flush=True)
    print("people of     " + "".join(f"{height:>16.0%}" for height in columns))
    for name in next(iter(columns.values())):
        cells = "".join("{:>9.1f}{:>7.1f}".format(*column[name]) for column in columns.values())
        print(f"{name:<14}{cells}")


if __name__ == "__main__":
    main()
