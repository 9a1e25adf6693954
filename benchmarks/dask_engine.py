"""Videos per second of one worker, of the pool or of dask, on videos so short that what is around them shows.

    python benchmarks/dask_engine.py [--videos 256] [--frames 10] [--rounds 3]

The videos are of 64x64. Either engine has one worker process, started before, and does the set once without
counting. They take turns; medians are printed, and how much of the pool's pace the cluster has.
"""

import argparse
import importlib
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from statistics import median
from typing import Any

from material import scene, write_video
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.dask_engine import run_dask
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.pool import Outcome, Task, crew, run_pool
from pipeline.preprocess.sources.source import list_tree
from pipeline.preprocess.tasks import task_of

STALL_SECONDS = 60.0
Engine = Callable[[list[Task]], Generator[Outcome, None, None]]


def tasks_of(source: Path, shards: Path) -> list[Task]:
    """A job for each video of a folder."""
    config = PreprocessConfig(source=str(source), shards=str(shards), size=(64, 64))
    tree = list_tree(config.source)
    return [task_of(config, tree.source, v, "decode") for v in recognise(tree, "auto", "training").videos]


def pace(engine: Engine, source: Path, shards: Path) -> float:
    """Videos per second; the shards are removed."""
    tasks = tasks_of(source, shards)
    started = time.perf_counter()
    failed = [each.error for each in engine(tasks) if each.error is not None]
    took = time.perf_counter() - started
    assert not failed, failed
    shutil.rmtree(shards)
    return len(tasks) / took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--videos", type=int, default=256)
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        source, shards = Path(scratch) / "source", Path(scratch) / "shards"
        source.mkdir()
        for number in range(given.videos):
            write_video(source / f"{number:04d}.mp4", scene(given.frames, size=(64, 64), seed=number))
        dask: Any = importlib.import_module("distributed")
        one = {"n_workers": 1, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
        with dask.LocalCluster(**one) as cluster, crew(1, STALL_SECONDS) as members:
            engines: dict[str, Engine] = {
                "pool": lambda tasks: run_pool(tasks, members, lambda *_: None),
                "dask": lambda tasks: run_dask(
                    tasks, cluster.scheduler_address, STALL_SECONDS, lambda *_: None
                ),
            }
            for engine in engines.values():
                pace(engine, source, shards)
            found: dict[str, list[float]] = {name: [] for name in engines}
            for _ in range(given.rounds):
                for name, engine in engines.items():
                    found[name].append(pace(engine, source, shards))
    for name, paces in found.items():
        print(f"{name}: {median(paces):.2f} videos/s ({', '.join(f'{value:.2f}' for value in paces)})")
    print(f"dask: {median(found['dask']) / median(found['pool']):.2f} of the pool's pace per worker")


if __name__ == "__main__":
    main()
