"""Speed and memory of preprocess by decoder, from the start of the command to its end.

    python benchmarks/decoders.py [FOLDER OF VIDEOS ...] [--size 256] [--repeats 3]

Without a folder, H.264 videos are generated, of four sizes and with a key frame every two seconds. One
worker, pinned to the core that it shares with its parent; the decoders take turns, medians are printed.
Memory is the most that any one process held. decord is checked against PyAV at both ends of each file, which
is part of what it costs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
DECODERS = ("pyav", "decord")
KINDS = {
    "360x240": ((240, 360), 10, 200),
    "640x360": ((360, 640), 4, 1000),
    "1280x720": ((720, 1280), 4, 300),
    "1920x1080": ((1080, 1920), 2, 300),
}
"""Height and width, videos, frames of each."""
_RUN = """
import resource, sys
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
source, shards, size, decoder = sys.argv[1:]
summary = preprocess(
    PreprocessConfig(source=source, shards=shards, size=(int(size), int(size)), decoder=decoder, workers=1)
)
kilobytes = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(summary.frames / summary.seconds, kilobytes / 1024)
"""


@dataclass(frozen=True)
class Cost:
    """Frames per second, and the most memory of a process, MB."""

    rate: float
    memory: float


def measure(folder: Path, size: int, decoder: str) -> Cost:
    """Preprocess a folder once in a process of its own, on one core."""
    core = min(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as shards:
        done = subprocess.run(
            [sys.executable, "-c", _RUN, str(folder), shards, str(size), decoder],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    rate, memory = map(float, done.stdout.split())
    return Cost(rate, memory)


def compare(name: str, folder: Path, size: int, repeats: int) -> None:
    """Print a line for the videos of one folder."""
    costs: dict[str, list[Cost]] = {decoder: [] for decoder in DECODERS}
    for _ in range(repeats):
        for decoder in DECODERS:
            costs[decoder].append(measure(folder, size, decoder))
    rate = {decoder: median(cost.rate for cost in of) for decoder, of in costs.items()}
    memory = {decoder: max(cost.memory for cost in of) for decoder, of in costs.items()}
    print(
        f"{name:<12} {rate['pyav']:10.0f} {rate['decord']:10.0f} {rate['pyav'] / rate['decord']:8.2f}x"
        f" {memory['pyav']:9.0f} {memory['decord']:9.0f}",
        flush=True,
    )


def main() -> None:
    from preprocess import generate

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print("videos       pyav, f/s decord, f/s    ratio  pyav, MB decord, MB")
    for folder in options.folders:
        compare(folder.name, folder.resolve(), options.size, options.repeats)
    for name, kind in {} if options.folders else KINDS.items():
        with tempfile.TemporaryDirectory() as temporary:
            generate(Path(temporary), kind, copies=1, options={"g": "50"})
            compare(name, Path(temporary), options.size, options.repeats)


if __name__ == "__main__":
    main()
