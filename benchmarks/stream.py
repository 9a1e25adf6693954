"""How fast training windows come out of shards, beside the plain way, a stock pipeline and the limit.

    python benchmarks/stream.py [--rounds 3] [--videos 16] [--only raw,mmap]

Every contender gives shuffled batches of 16 windows (5x256x256x3, uint8 unless it cannot) from files in the
page cache, each in a process of its own, in turn, several rounds; medians and their ratios are printed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import cv2
import numpy as np

SIZE, WINDOW, BATCH = 256, 5, 16
CAMERA = (240, 360)
FRAMES = 164
"""Of each video: five whole segments."""
STREAMED = 16
"""Segments in the pool: fewer than half of the set, so that every epoch reads all of it."""


def make_frames(video: int) -> np.ndarray:
    """Colour frames uint8 (FRAMES, 240, 360, 3): texture, shading and moving blobs; about as hard as Ped2."""
    rng = np.random.default_rng(video)
    height, width = CAMERA
    ground = cv2.resize(
        rng.integers(60, 180, (30, 45, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC
    )
    frames: np.ndarray = np.repeat(ground[None], FRAMES, axis=0)
    for _ in range(8):
        x, y, step = rng.integers(0, width - 20), rng.integers(0, height - 40), rng.integers(-3, 4)
        figure = rng.integers(0, 255, (40, 20, 3), np.uint8)
        for index, frame in enumerate(frames):
            left = int((x + step * index) % (width - 20))
            frame[y : y + 40, left : left + 20] = figure
    noise = rng.integers(-1, 2, frames.shape, np.int8)
    return np.asarray(np.clip(frames.astype(np.int16) + noise, 0, 255), np.uint8)


def prepare(folder: Path, videos: int) -> None:
    """Write what each contender reads."""
    import webdataset

    from material import make_set
    from shards.codecs import Codec

    stored = []
    for video in range(videos):
        (folder / "jpeg" / f"{video:02d}").mkdir(parents=True)
        frames = make_frames(video)
        for index, frame in enumerate(frames):
            cv2.imwrite(str(folder / "jpeg" / f"{video:02d}" / f"{index:03d}.jpg"), frame)
        stored.append(np.stack([cv2.resize(frame, (SIZE, SIZE)) for frame in frames]))
    for codec in (Codec(), Codec(name="deflate"), Codec(name="jpeg", quality=95)):
        make_set(folder / f"shards-{codec.name}", {"training": stored}, codec=codec)
    gray = [np.repeat(frames[..., :1], 3, axis=3) for frames in stored]
    make_set(folder / "shards-gray", {"training": gray})
    np.concatenate(stored).tofile(folder / "frames.u8")
    (folder / "windows").mkdir()
    for video, frames in enumerate(stored[:8]):
        with webdataset.TarWriter(str(folder / "windows" / f"{video:02d}.tar")) as tar:
            for start in range(FRAMES - WINDOW + 1):
                tar.write({"__key__": f"{video:02d}-{start:03d}", "npy": frames[start : start + WINDOW]})


def streamed(name: str, pool: int = STREAMED) -> Callable[[Path], Iterator[int]]:
    """Epochs of this project's stream, with a pool that does not hold the set unless `pool` is larger."""

    def run(folder: Path) -> Iterator[int]:
        import torch

        from shards.manifest import load_manifest
        from shards.plan import epoch_plan
        from shards.storage import Storage
        from shards.stream import TrainingStream

        yield 0
        storage = Storage(folder / f"shards-{name}")
        manifest = load_manifest(storage)
        stream = TrainingStream(storage, manifest, "training", window=WINDOW, device=torch.device("cpu"))
        for epoch in range(3):
            plan = epoch_plan(stream.windows, seed=0, epoch=epoch, rank=0, world=1, batch=BATCH, pool=pool)
            yield sum(len(batch) for batch in stream.stored_batches(plan))

    return run


def mapped(folder: Path) -> Iterator[int]:
    """Random windows of a memory-mapped array into one reused batch: the limit."""
    frames = np.memmap(folder / "frames.u8", np.uint8, "r").reshape(-1, SIZE, SIZE, 3)
    first = np.arange(len(frames)).reshape(-1, FRAMES)[:, : FRAMES - WINDOW + 1].ravel()
    batch = np.empty((BATCH, WINDOW, SIZE, SIZE, 3), np.uint8)
    yield 0
    for epoch in range(3):
        order = np.random.default_rng(epoch).permutation(first)
        for step in range(len(order) // BATCH):
            for row, start in enumerate(order[step * BATCH : (step + 1) * BATCH].tolist()):
                batch[row] = frames[start : start + WINDOW]
        yield len(order) // BATCH * BATCH


def plain(workers: int) -> Callable[[Path], Iterator[int]]:
    """Five JPEGs decoded, resized and normalised per window in a torch DataLoader."""

    def run(folder: Path) -> Iterator[int]:
        import torch
        from torch.utils.data import DataLoader, Dataset, Subset

        torch.set_num_threads(1)
        yield 0
        files = [sorted(video.iterdir()) for video in sorted((folder / "jpeg").iterdir())]
        windows = _JpegWindows(files)
        chosen = torch.randperm(len(windows))[: 40 * BATCH].tolist()
        loader = DataLoader(
            Subset(cast("Dataset[np.ndarray]", windows), chosen), BATCH, shuffle=True, num_workers=workers
        )
        for _ in range(2):
            yield sum(len(batch) for batch in loader)

    return run


class _JpegWindows:
    def __init__(self, videos: list[list[Path]]) -> None:
        self._windows = [v[i : i + WINDOW] for v in videos for i in range(len(v) - WINDOW + 1)]

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> np.ndarray:
        frames = []
        for path in self._windows[index]:
            stored = cv2.imread(str(path))
            assert stored is not None
            frame = cv2.resize(stored, (SIZE, SIZE)).astype(np.float32) / 127.5 - 1
            frames.append(frame.transpose(2, 0, 1))
        return np.concatenate(frames)


def stock(folder: Path) -> Iterator[int]:
    """A stock webdataset pipeline over tars of one record per window, uint8."""
    import webdataset

    yield 0
    urls = sorted(str(path) for path in (folder / "windows").iterdir())
    for epoch in range(2):
        dataset = webdataset.WebDataset(urls, shardshuffle=len(urls), seed=epoch).shuffle(200)
        batches = dataset.decode().to_tuple("npy").batched(BATCH, partial=False)
        yield sum(len(batch[0]) for batch in batches)


CONTENDERS: dict[str, tuple[str, Callable[[Path], Iterator[int]]]] = {
    "plain": ("(a) five JPEGs per window, float32, DataLoader, 0 workers", plain(0)),
    "plain2": ("(a) the same with 2 workers", plain(2)),
    "stock": ("(b) stock webdataset, one record per window", stock),
    "mmap": ("(c) memory-mapped array, random windows", mapped),
    "raw": ("shards, raw", streamed("raw")),
    "jpeg": ("shards, jpeg q95", streamed("jpeg")),
    "deflate": ("shards, deflate", streamed("deflate")),
    "gray": ("shards, raw, gray material", streamed("gray")),
    "held": ("shards, jpeg q95, held whole by the pool", streamed("jpeg", 128)),
}


def measure(name: str, folder: Path) -> None:
    """Print windows per second of the first and of the best later epoch, and the peak of memory."""
    rates = []
    epochs = CONTENDERS[name][1](folder)
    next(epochs)  # imports
    while True:
        started = time.perf_counter()
        windows = next(epochs, None)
        if windows is None:
            break
        rates.append(windows / (time.perf_counter() - started))
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"first": rates[0], "later": max(rates[1:]), "peak": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--videos", type=int, default=16, help="at least 8")
    parser.add_argument("--only", help="comma-separated contenders")
    parser.add_argument("--one", nargs=2, metavar=("CONTENDER", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options.one[0], Path(options.one[1]))
        return
    names = options.only.split(",") if options.only else list(CONTENDERS)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), options.videos)
        for _ in range(options.rounds):
            for name in names:
                command = [sys.executable, __file__, "--one", name, folder]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                results[name].append(json.loads(done.stdout.splitlines()[-1]))
    median = {n: statistics.median(r["later"] for r in runs) for n, runs in results.items()}
    slow = max((median[name] for name in ("plain", "plain2") if name in median), default=float("nan"))
    print(f"{'':60} windows/s  first epoch   x (a)   x (b)   x (c)  peak MB")
    for name, runs in results.items():
        first = statistics.median(run["first"] for run in runs)
        peak = max(run["peak"] for run in runs)
        ratios = [
            median[name] / over for over in (slow, *(median.get(n, float("nan")) for n in ("stock", "mmap")))
        ]
        print(
            f"{CONTENDERS[name][0]:60} {median[name]:9.0f} {first:12.0f} {ratios[0]:7.1f} {ratios[1]:7.1f} "
            f"{ratios[2]:7.2f} {peak:8.0f}"
        )


if __name__ == "__main__":
    main()
