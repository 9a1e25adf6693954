"""Several processes that work together over gloo on this machine, as torchrun would start them."""

import io
import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

from tests.helpers.servers import free_port

TIMEOUT = 120.0
"""Seconds that one process may take."""


def rank_environment(rank: int, world: int, port: int) -> dict[str, str]:
    """What torchrun tells a process; one thread each, since tests share few cores."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }


def run_ranks(world: int, work: Callable[..., Any], *args: Any) -> list[Any]:
    """Call `work(*args)`, a function of an importable module, in `world` processes; what each returned.

    Fails if one of them raises, hangs, or does not exit cleanly.
    """
    context = multiprocessing.get_context("spawn")
    port = free_port()
    started = []
    for rank in range(world):
        receiver, sender = context.Pipe(duplex=False)
        environment = rank_environment(rank, world, port)
        process = context.Process(target=_rank, args=(environment, sender, work, args))
        process.start()
        sender.close()
        started.append((process, receiver))
    try:
        results = []
        for rank, (_, receiver) in enumerate(started):
            assert receiver.poll(TIMEOUT), f"rank {rank} says nothing for {TIMEOUT} s"
            kind, data = receiver.recv()
            assert kind == "result", f"rank {rank} raised\n{data}"
            results.append(torch.load(io.BytesIO(data), weights_only=False))
        for rank, (process, _) in enumerate(started):
            process.join(TIMEOUT)
            assert process.exitcode == 0, f"rank {rank} exits with {process.exitcode}"
        return results
    finally:
        for process, _ in started:
            process.kill()
            process.join()


def _rank(
    environment: dict[str, str], sender: Connection, work: Callable[..., Any], args: tuple[Any, ...]
) -> None:
    os.environ.update(environment)
    torch.set_num_threads(1)
    try:
        buffer = io.BytesIO()
        torch.save(work(*args), buffer)
        sender.send(("result", buffer.getvalue()))
    except BaseException:
        sender.send(("error", traceback.format_exc()))
        raise
