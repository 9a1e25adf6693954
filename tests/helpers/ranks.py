"""Several processes that work together over gloo on this machine, as torchrun would start them."""

import io
import multiprocessing
import os
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from torch.distributed import TCPStore

TIMEOUT = 300.0
"""Seconds without any process's answer, after which they hang."""


def rank_environment(rank: int, world: int, port: int) -> dict[str, str]:
    """What torchrun tells a process that meets the others in a store at `port`, which is there already.

    One thread each, since tests share few cores.
    """
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "OMP_NUM_THREADS": "1",
    }


def run_ranks(world: int, work: Callable[..., Any], *args: Any) -> list[Any]:
    """Call `work(*args)`, a function of an importable module, in `world` processes; what each returned.

    Fails if one of them raises, hangs, or does not exit cleanly.
    """
    context = multiprocessing.get_context("spawn")
    # As torchrun does, the store lives here, on a port that was never free: a process that comes to a port
    # chosen before anyone listens may find another group there, join it, and leave its own one waiting.
    store = TCPStore("127.0.0.1", 0, is_master=True, timeout=timedelta(seconds=TIMEOUT))
    started = []
    for rank in range(world):
        receiver, sender = context.Pipe(duplex=False)
        environment = rank_environment(rank, world, store.port)
        process = context.Process(target=_rank, args=(environment, sender, work, args))
        process.start()
        sender.close()
        started.append((process, receiver))
    try:
        results: dict[int, Any] = {}
        waiting = {receiver: rank for rank, (_, receiver) in enumerate(started)}
        while waiting:
            # Of all at once: a process that has failed is the reason why another says nothing.
            ready = wait(waiting, TIMEOUT)
            assert ready, f"ranks {sorted(waiting.values())} say nothing for {TIMEOUT} s"
            for receiver in [one for one in waiting if one in ready]:
                rank = waiting.pop(receiver)
                results[rank] = _answer(receiver, rank)
        for rank, (process, _) in enumerate(started):
            process.join(TIMEOUT)
            assert process.exitcode == 0, f"rank {rank} exits with {process.exitcode}"
        return [results[rank] for rank in range(world)]
    finally:
        for process, _ in started:
            process.kill()
            process.join()


def _answer(receiver: Connection, rank: int) -> Any:
    """What a process has returned."""
    try:
        kind, data = receiver.recv()
    except EOFError:
        raise AssertionError(f"rank {rank} died without a word") from None
    assert kind == "result", f"rank {rank} raised\n{data}"
    return torch.load(io.BytesIO(data), weights_only=False)


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
