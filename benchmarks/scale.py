"""What a set costs that grows: time and memory for simulated sets of more and more videos, and the growth.

    python benchmarks/scale.py [--videos 1000,10000,100000] [--clips 1000000]

A video has 1,000 frames, so 32 segments. Nothing of its frames exists: what is measured is the work on
manifests, plans and tables, in CPU seconds, which a busy machine changes little. Each measurement is made in
a process of its own; `~ V^x` is the exponent that fits the last two columns. The first line says in how many
shards clips of ten frames of 256x256 lie.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from material import scene, write_video
from pipeline.preprocess.config import PreprocessConfig
from shards.manifest import load_manifest, write_manifest
from shards.storage import Storage
from simulated import SIZE, simulated
from vitals import own_memory, reset_peak

Measured = dict[str, float]
RANKS = (8, 1024)


def opening(folder: Path) -> Measured:
    """Open a set, as every rank does."""
    before = own_memory("VmRSS")
    reset_peak()
    started = time.process_time()
    load_manifest(Storage(folder / "set"))
    return {
        "open: CPU s": time.process_time() - started,
        "open: MB kept": own_memory("VmRSS") - before,
        "open: MB kept, not of files": own_memory("RssAnon"),
        "open: MB peak": own_memory("VmHWM") - before,
    }


def training(folder: Path) -> Measured:
    """Open a set, plan its first epoch, and cut the first batch from segments that cost nothing to read."""
    import torch

    from shards.plan import epoch_plan
    from shards.reader import SegmentReader
    from shards.stream import TrainingStream

    storage, found = Storage(folder / "set"), {}
    SegmentReader.read_into = lambda self, located, frames: None  # type: ignore[method-assign]
    for ranks in RANKS:
        started = time.process_time()
        stream = TrainingStream(
            storage, load_manifest(storage), "training", window=5, device=torch.device("cpu")
        )
        at = time.process_time()
        plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=ranks, batch=4)
        found[f"plan of {ranks} ranks: CPU s"] = time.process_time() - at
        next(iter(stream.stored_batches(plan)))
        found[f"first batch of {ranks} ranks: CPU s"] = time.process_time() - started
    return found


def appending(folder: Path) -> Measured:
    """Bring one new video of 40 frames into the set with `preprocess`, which looks at all others."""
    from pipeline.preprocess.run import preprocess

    write_video(folder / "source" / "video_new.mp4", scene(40, size=(64, 64)))
    busy, started = _busy(), time.perf_counter()
    assert preprocess(_config(folder)).done == 1
    return {"append: CPU s": _busy() - busy, "append: s": time.perf_counter() - started}


MEASURES: dict[str, Callable[[Path], Measured]] = {
    "appending": appending,
    "opening": opening,
    "training": training,
}
"""In this order, so that what is opened has grown."""


def prepare(folder: Path, videos: int) -> None:
    """A source of files that are never read, and the set that `preprocess` would have made of them."""
    from pipeline.preprocess.datasets.layouts import recognise
    from pipeline.preprocess.jobs import stamp
    from pipeline.preprocess.sources.source import list_tree
    from pipeline.preprocess.state import recorded_config, stamps_name
    from pipeline.runs.ownership import CONFIG
    from shards.tables import encoded, stamps_batch

    names = [f"video_{number:07d}" for number in range(videos)]
    for made in ("source", "set"):
        (folder / made).mkdir()
    for name in names:
        (folder / "source" / f"{name}.mp4").write_bytes(b"-")
    manifest = simulated(names)
    (tables,) = manifest.videos.parts
    for name, size in zip(tables.shard_names(), tables.shard_bytes.tolist(), strict=True):
        with (folder / "set" / name).open("wb") as file:
            file.truncate(size)
    storage, config = Storage(folder / "set"), _config(folder)
    write_manifest(storage, manifest)
    layout = recognise(list_tree(config.source), config.dataset, config.split)
    stamps = {video.name: stamp(config.source, video) for video in layout.videos}
    storage.write(stamps_name(tables), memoryview(encoded(stamps_batch([stamps[name] for name in names]))))
    storage.write(CONFIG, recorded_config(config))


def _config(folder: Path) -> PreprocessConfig:
    return PreprocessConfig(
        source=str(folder / "source"), shards=str(folder / "set"), size=(SIZE, SIZE), labels="none", workers=1
    )


def _busy() -> float:
    """CPU seconds of this process and of the workers that it has ended."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def measured(videos: int) -> Measured:
    """All figures of a set of so many videos."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        prepare(folder, videos)
        tables = [*(folder / "set").glob("*.arrows"), folder / "set" / "manifest.json"]
        found: Measured = {
            f"{path.name.partition('-')[0]}: MB": path.stat().st_size / 1e6 for path in sorted(tables)
        }
        for name in MEASURES:
            command = [sys.executable, __file__, "--measure", name, "--folder", made]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found |= json.loads(done.stdout)
    return found


def clips(count: int) -> str:
    """In how many shards so many clips of ten frames of 256x256 lie, and what it takes to find that out."""
    started = time.process_time()
    names = [f"clip_{number:08d}" for number in range(count)]
    (tables,) = simulated(names, length=10, side=256).videos.parts
    seconds, largest = time.process_time() - started, int(tables.shard_bytes.max()) / 1e6
    return (
        f"{count:,} clips: {tables.shards.num_rows:,} shards of up to {largest:.0f} MB; {seconds:.0f} CPU s"
    )


def growth(videos: list[int], values: list[float]) -> str:
    """The exponent x of V^x that fits the last two figures."""
    if len(videos) < 2 or min(values[-2:]) <= 0:
        return ""
    return f"{math.log(values[-1] / values[-2]) / math.log(videos[-1] / videos[-2]):.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", default="1000,10000,100000")
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--measure", choices=MEASURES)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(MEASURES[options.measure](options.folder)))
        return
    print(clips(options.clips), flush=True)
    videos = [int(count) for count in options.videos.split(",")]
    rows = [measured(count) for count in videos]
    print(f"{'videos':<34}" + "".join(f"{count:>12,}" for count in videos) + "     ~ V^x")
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(
            f"{name:<34}" + "".join(f"{value:>12.3f}" for value in values) + f"{growth(videos, values):>10}"
        )


if __name__ == "__main__":
    main()
