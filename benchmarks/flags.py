"""Host time of a step's flags (failed, asked to stop, checkpoint due) in several processes over gloo.

    python benchmarks/flags.py [--processes 2 3 4] [--steps 300] [--step-ms 5]

A step is a sleep, in which a device would compute, and a sum over the processes, as of gradients. Blocks of
steps of both ways take turns: `waiting` asks all processes and waits for the answer before each step, `ahead`
is what training does. Printed are percentiles over all steps of all processes of the time for flags.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch.distributed import TCPStore

from pipeline.processes import distributed
from pipeline.processes.distributed import InStep, Process, processes

FLAGS = (False, False)
BLOCK = 50
"""Steps of one way in a row."""


def work(process: Process, seconds: float) -> None:
    """A step without its flags."""
    time.sleep(seconds)
    distributed.mean_over(torch.zeros(1), process)


def wait_each_step(process: Process, seconds: float) -> list[float]:
    """Ask before each step; microseconds on flags per step."""
    spent = []
    for _ in range(BLOCK):
        started = time.perf_counter()
        distributed.any_of([False, *FLAGS], process)
        spent.append(time.perf_counter() - started)
        work(process, seconds)
    return [1e6 * each for each in spent]


def ask_ahead(process: Process, seconds: float) -> list[float]:
    """Ask one step ahead; microseconds on flags per step."""
    rounds = InStep(itertools.repeat(None), lambda: FLAGS, process)
    spent = []
    for _ in range(BLOCK):
        started = time.perf_counter()
        rounds.take()
        rounds.prepare()
        spent.append(time.perf_counter() - started)
        work(process, seconds)
    rounds.take()
    return [1e6 * each for each in spent]


WAYS: dict[str, Callable[[Process, float], list[float]]] = {"waiting": wait_each_step, "ahead": ask_ahead}


def one_rank(environment: dict[str, str], steps: int, seconds: float, told: Connection) -> None:
    """A process of the group: sends the times of each way, without those of its first block."""
    os.environ.update(environment)
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    with processes("cpu") as process:
        for block in range(1 + -(-steps // BLOCK)):
            for name, way in WAYS.items():
                found = way(process, seconds)
                times[name] += found if block else []
    told.send(times)


def measure(world: int, steps: int, seconds: float) -> dict[str, list[float]]:
    """Microseconds of all steps of all processes, by way."""
    context = multiprocessing.get_context("spawn")
    store = TCPStore("127.0.0.1", 0, is_master=True, timeout=timedelta(minutes=2))
    common = {
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "OMP_NUM_THREADS": "1",
    }
    started = []
    for rank in range(world):
        told, theirs = context.Pipe(duplex=False)
        environment = {**common, "RANK": str(rank)}
        process = context.Process(target=one_rank, args=(environment, steps, seconds, theirs), daemon=True)
        process.start()
        theirs.close()
        started.append((process, told))
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for process, told in started:
        for name, times in told.recv().items():
            found[name] += times
        process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--step-ms", type=float, default=5.0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    result: dict[int, dict[str, dict[str, float]]] = {}
    print(f"{'microseconds per step':24}{'p50':>10}{'p90':>10}")
    for world in arguments.processes:
        rows = result[world] = {}
        for name, times in measure(world, arguments.steps, arguments.step_ms / 1000).items():
            tenths = statistics.quantiles(times, n=10)
            rows[name] = {"p50": statistics.median(times), "p90": tenths[-1]}
            print(f"{f'{world} processes, {name}':24}{rows[name]['p50']:10.0f}{rows[name]['p90']:10.0f}")
    print("goal: ahead at 4 processes, p50 at most 150")
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
