"""Speed of preprocess against decoding and resizing alone, and what each codec costs on disk and in reading.

    python benchmarks/preprocess.py [FOLDER OF VIDEOS] [--size 256] [--frames 600]

Without a folder, four H.264 videos of 640x360 are generated. The bare loop (decord and cv2.resize, nothing
kept) and one worker are pinned to the same core; two workers get two cores. All in one run.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
CODECS = ("raw", "deflate", "jpeg")


def generate(folder: Path, frames: int) -> None:
    from tests.helpers.videos import scene, write_video

    for number in range(4):
        write_video(folder / f"{number}.mp4", scene(frames, size=(360, 640), seed=number))


def bare(folder: Path, size: int) -> tuple[float, int]:
    """Frames per second of decoding and resizing alone, in this process, and frames."""
    import cv2
    import decord

    cv2.setNumThreads(1)
    started = time.perf_counter()
    count = 0
    for path in sorted(folder.iterdir()):
        reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
        for _ in range(len(reader)):
            cv2.resize(reader.next().asnumpy(), (size, size))
            count += 1
    return count / (time.perf_counter() - started), count


def whole(folder: Path, shards: Path, size: int, codec: str, workers: int) -> tuple[float, int]:
    """Frames per second of the stage, and frames."""
    from pipeline.preprocess.config import PreprocessConfig
    from pipeline.preprocess.run import preprocess

    shutil.rmtree(shards, ignore_errors=True)
    config = PreprocessConfig(
        source=str(folder), shards=str(shards), size=(size, size), codec=codec, workers=workers
    )
    summary = preprocess(config)
    return summary.frames / summary.seconds, summary.frames


@dataclass(frozen=True)
class Speed:
    """Frames per second by the clock, start of the workers included, and CPU milliseconds per frame."""

    rate: float
    cpu: float


def pinned(cores: set[int], *call: object) -> Speed:
    """Run `bare` or `whole` in processes of their own on some cores."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, __file__, "--run", *map(str, call)],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate, frames = map(float, done.stdout.split())
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Speed(rate, 1000 * busy / frames)


def reading(shards: Path) -> tuple[float, float]:
    """MB per 1,000 frames, and windows per second of reading and decoding every segment in one thread."""
    from shards.manifest import load_manifest
    from shards.reader import SegmentReader
    from shards.storage import Storage

    manifest = load_manifest(Storage(shards))
    frames = sum(video.frames for video in manifest.videos)
    stored = sum(shard.bytes for video in manifest.videos for shard in video.shards)
    segments = manifest.segments("training", manifest.window)
    reader = SegmentReader(Storage(shards), manifest)
    started = time.perf_counter()
    for located in segments:
        reader.read(located)
    seconds = time.perf_counter() - started
    return stored / frames / 1e3, sum(located.windows for located in segments) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as temporary:
        folder, shards = options.folder or Path(temporary) / "videos", Path(temporary) / "shards"
        if options.folder is None:
            generate(folder, options.frames)

        def best(wanted: set[int], *call: object) -> Speed:
            runs = [pinned(wanted, *call) for _ in range(options.repeats)]
            return Speed(max(run.rate for run in runs), min(run.cpu for run in runs))

        alone = best({cores[0]}, "bare", folder, options.size)
        print(f"decode and resize alone, one core: {alone.rate:.0f} frames/s, {alone.cpu:.2f} ms CPU/frame")
        print("codec    frames/s  of alone  CPU/frame  of alone  2 workers  MB/1000 frames  windows/s read")
        for codec in CODECS:
            one = best({cores[0]}, "whole", folder, shards, options.size, codec, 1)
            two = best(set(cores[:2]), "whole", folder, shards, options.size, codec, 2)
            size, windows = reading(shards)
            print(
                f"{codec:<8} {one.rate:8.0f} {one.rate / alone.rate:8.2f}x {one.cpu:7.2f} ms "
                f"{one.cpu / alone.cpu:8.2f}x {two.rate / one.rate:9.2f}x {size:15.1f} {windows:15.0f}"
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        what, path, *rest = sys.argv[2:]
        if what == "bare":
            print(*bare(Path(path), int(rest[0])))
        else:
            print(*whole(Path(path), Path(rest[0]), int(rest[1]), rest[2], int(rest[3])))
    else:
        main()
