"""Time of `score` for one video file, start of the program included, for this code and others side by side.

    python benchmarks/score.py [--size 64] [--frames 1500] [--other FOLDER ...]

A generated video in H.264 is scored without a calibration, by a model of random weights. Each `--other` is a
folder with other code, such as an earlier version of this one. All take turns, so that what else the machine
does falls on all of them alike; medians are printed, as ratios to the first of the others.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from pipeline.runs.checkpoint import Checkpoint
from pipeline.runs.spec import ModelSpec

ROOT = Path(__file__).resolve().parents[1]
RATE = 25


def make_checkpoint(path: Path, size: int) -> Path:
    """A model of random weights for square frames, as if it was trained on video of the usual rate."""
    torch.manual_seed(0)
    spec = ModelSpec(method="pred", window=5, items=10, height=size, width=size)
    tensors = spec.build().state_dict()
    origin = {"data": {"rate": float(RATE)}}
    made = Checkpoint(name=str(path), spec=spec, tensors=tensors, step=1, epoch=1, origin=origin)
    path.write_bytes(made.to_bytes())
    return path


def score(code: Path, video: Path, checkpoint: Path, options: list[str]) -> tuple[float, str]:
    """Seconds of a run, and what it says of where the time went."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-P", str(code / "cli.py"), "score", str(video)]
        command += ["--checkpoint", str(checkpoint), "--out", f"{out}/scored", "--device", "cpu", *options]
        environment = {**os.environ, "PYTHONPATH": str(code)}
        started = time.perf_counter()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        seconds = time.perf_counter() - started
        record = json.loads((Path(out) / "scored" / video.stem / "score.json").read_text())
        return seconds, str(record["result"]["took"])


def main() -> None:
    from material import scene, write_video

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64, help="height and width of what the model sees")
    parser.add_argument("--frames", type=int, default=1500)
    parser.add_argument("--picture", default="640x360", help="width and height of the video")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--other", type=Path, nargs="*", default=[])
    options, rest = parser.parse_known_args()
    width, height = map(int, options.picture.split("x"))
    ways = {str(code): code.resolve() for code in (*options.other, ROOT)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    told = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        frames = scene(options.frames, size=(height, width))
        video = write_video(folder / "video.mp4", frames, rate=RATE)
        del frames
        checkpoint = make_checkpoint(folder / "model.safetensors", options.size)
        for _ in range(options.rounds):
            for name, code in ways.items():
                took, told[name] = score(code, video, checkpoint, rest)
                seconds[name].append(took)
    baseline = median(seconds[next(iter(ways))])
    print(f"{options.frames} frames of {options.picture} at {options.size}x{options.size}, {' '.join(rest)}")
    for name, times in seconds.items():
        each = ", ".join(f"{one:.1f}" for one in times)
        print(
            f"{median(times):7.1f} s ({each})  {baseline / median(times):5.2f}x  {name}\n        {told[name]}"
        )


if __name__ == "__main__":
    main()
