"""Speed of preprocess against decoding and resizing alone, and what each codec costs on disk and in reading.

    python benchmarks/preprocess.py [FOLDER OF VIDEOS ...] [--size 256] [--copies 5] [--codec raw]

Without a folder, H.264 videos like those of Ped2, of Avenue and of a camera of today are generated, each
under as many names as `--copies` says. The bare loops (PyAV, or decord, and cv2.resize; nothing kept) and one
worker are pinned to the same core; two workers get two cores. Everything counts, starting the processes
included, which takes 0.7 s of CPU time: more copies show the pace of a large set. They take turns; medians
are printed.
The bare loops have the workers' settings of malloc: without them PyAV's takes 0 to 50 % longer, as its heap
happens to lie.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import cast

import numpy as np

from shards.choices import CodecName

ROOT = Path(__file__).resolve().parents[1]
CODECS = ("raw", "deflate", "jpeg")
KINDS = {
    "360x240": ((240, 360), 20, 200),
    "640x360": ((360, 640), 4, 1000),
    "1920x1080": ((1080, 1920), 4, 300),
}
"""Height and width, videos, frames of each."""


def generate(
    folder: Path,
    kind: tuple[tuple[int, int], int, int],
    copies: int,
    options: dict[str, str] | None = None,
) -> None:
    """Write the videos of one kind, walkers over texture with a camera's noise, each under several names."""
    from material import scene, write_video

    size, videos, frames = kind
    random = np.random.default_rng(0)
    noise = random.integers(-2, 3, (8, *size, 3), np.int8)

    def noisy(number: int) -> Iterator[np.ndarray]:
        for index, frame in enumerate(scene(frames, size=size, seed=number)):
            yield np.clip(frame.astype(np.int16) + noise[index % len(noise)], 0, 255).astype(np.uint8)

    for number in range(videos):
        first = folder / f"{number}-0.mp4"
        write_video(first, noisy(number), options={"preset": "veryfast", **(options or {})})
        for copy in range(1, copies):
            os.link(first, folder / f"{number}-{copy}.mp4")


def bare_pyav(folder: Path, size: int) -> tuple[float, int]:
    """Frames per second of decoding and resizing alone, in this process, and frames."""
    import av
    import cv2
    from av.video.reformatter import VideoReformatter

    cv2.setNumThreads(1)
    reformatter = VideoReformatter()
    started = time.perf_counter()
    count = 0
    for path in sorted(folder.iterdir()):
        with av.open(str(path)) as container:
            container.streams.video[0].thread_count = 1
            for frame in container.decode(video=0):
                picture = reformatter.reformat(frame, format="bgr24", threads=1).to_ndarray()
                cv2.resize(picture, (size, size))
                count += 1
    return count / (time.perf_counter() - started), count


def bare_decord(folder: Path, size: int) -> tuple[float, int]:
    """The same with decord, which gives RGB."""
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


BARE = {"PyAV": bare_pyav, "decord": bare_decord}


def whole(folder: Path, shards: Path, size: int, codec: str, workers: int) -> tuple[float, int]:
    """Frames per second of the stage, and frames."""
    from pipeline.preprocess.config import PreprocessConfig
    from pipeline.preprocess.run import preprocess

    config = PreprocessConfig(
        source=str(folder),
        shards=str(shards),
        size=(size, size),
        codec=cast(CodecName, codec),
        workers=workers,
    )
    summary = preprocess(config)
    return summary.frames / summary.seconds, summary.frames


@dataclass(frozen=True)
class Speed:
    """Frames per second by the clock, start of the workers included, and CPU milliseconds per frame."""

    rate: float
    cpu: float


def pinned(cores: set[int], *call: object) -> Speed:
    """Run a bare loop or `whole` in processes of their own on some cores."""
    from pipeline.processes.workers import KEEP_MEMORY

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, __file__, "--run", *map(str, call)],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **KEEP_MEMORY},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate, frames = map(float, done.stdout.split())
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Speed(rate, 1000 * busy / frames)


def reading(shards: Path) -> tuple[float, float]:
    """MB per 1,000 frames, and windows per second of reading and decoding every segment in one thread.

    Read twice: the first time fills the page cache.
    """
    from shards.manifest import load_manifest
    from shards.reader import SegmentReader
    from shards.storage import Storage

    manifest = load_manifest(Storage(shards))
    frames = int(manifest.videos.frames.sum())
    stored = sum(int(part.shard_bytes.sum()) for part in manifest.videos.parts)
    segments = manifest.segments("training", manifest.window)
    reader = SegmentReader(Storage(shards), manifest)
    seconds = 0.0
    for _ in range(2):
        started = time.perf_counter()
        for located in segments:
            reader.read(located)
        seconds = time.perf_counter() - started
    return stored / frames / 1e3, sum(located.windows for located in segments) / seconds


def compare(folder: Path, size: int, repeats: int, codecs: Sequence[str]) -> None:
    """Measure and print a table for the videos of one folder."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as shards:
        calls: dict[str, tuple[set[int], tuple[object, ...]]] = {
            name: ({cores[0]}, (name, folder, size)) for name in BARE
        }
        for codec in codecs:
            for workers in (1, 2):
                call: tuple[object, ...] = ("whole", folder, f"{shards}/{codec}", size, codec, workers)
                calls[f"{codec} {workers}"] = (set(cores[:workers]), call)
        runs: dict[str, list[Speed]] = {name: [] for name in calls}
        for _ in range(repeats):
            for name, (wanted, call) in calls.items():
                # What an earlier run left is no work of this one.
                shutil.rmtree(f"{shards}/{name.split()[0]}", ignore_errors=True)
                runs[name].append(pinned(wanted, *call))
        rate = {name: median(run.rate for run in of) for name, of in runs.items()}
        cpu = {name: median(run.cpu for run in of) for name, of in runs.items()}
        for name in BARE:
            print(f"{name} and resize alone: {rate[name]:.0f} frames/s, {cpu[name]:.2f} ms of CPU per frame")
        print(f"{'':18} {'x PyAV alone':^14} {'x decord alone':^14}")
        print("codec    frames/s    time    CPU      time    CPU   2 workers  MB/1000 frames  windows/s read")
        for codec in codecs:
            one, two = f"{codec} 1", f"{codec} 2"
            stored, windows = reading(Path(shards) / codec)
            ratios = "  ".join(
                f"{rate[name] / rate[one]:6.2f}x {cpu[one] / cpu[name]:5.2f}x" for name in BARE
            )
            print(
                f"{codec:<8} {rate[one]:8.0f} {ratios} {rate[two] / rate[one]:10.2f}x {stored:15.1f}"
                f" {windows:15.0f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--codec", action="append", choices=CODECS, help="one of them; may be repeated")
    options = parser.parse_args()
    codecs = options.codec or CODECS
    for folder in options.folders:
        print(f"\n== {folder}")
        compare(folder, options.size, options.repeats, codecs)
    for kind in () if options.folders else KINDS:
        with tempfile.TemporaryDirectory() as temporary:
            generate(Path(temporary), KINDS[kind], options.copies)
            _, videos, frames = KINDS[kind]
            print(f"\n== {videos * options.copies} videos of {frames} frames of {kind}")
            compare(Path(temporary), options.size, options.repeats, codecs)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        what, path, *rest = sys.argv[2:]
        if what in BARE:
            print(*BARE[what](Path(path), int(rest[0])))
        else:
            print(*whole(Path(path), Path(rest[0]), int(rest[1]), rest[2], int(rest[3])))
    else:
        main()
