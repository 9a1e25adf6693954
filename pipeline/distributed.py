"""Every call of torch.distributed. All of it also works in a single process without a process group.

Started by torchrun, which sets RANK, WORLD_SIZE and LOCAL_RANK.
"""

import contextlib
import gc
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pipeline.errors import PeerError

TIMEOUT = timedelta(minutes=10)
"""How long a process waits for the others before it gives up: longer than a checkpoint takes to write."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """This process among those that work together.

    Attributes:
        rank, world: its number, and how many there are.
        device: the one it computes on.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process prints and writes for all."""
        return self.rank == 0


@contextlib.contextmanager
def processes(device: str = "auto") -> Iterator[Process]:
    """Join the other processes, if torchrun started several, and part from them at the end.

    Args:
        device: `cpu`, `cuda`, or `auto` for CUDA where there is one.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    kind = device if device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda":
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(chosen)
    else:
        chosen = torch.device(kind)
    if world > 1:
        # Connecting lazily keeps gloo from making connections nobody uses: with them, some ranks abort
        # when the interpreter ends, after all work is done.
        os.environ.setdefault("TORCH_GLOO_LAZY_INIT", "1")
        # On CUDA, too, there is gloo for what lives on the host: flags that must not wait for the device.
        dist.init_process_group("cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        yield Process(rank=rank, world=world, device=chosen)
        barrier(Process(rank=rank, world=world, device=chosen))
    finally:
        if world > 1:
            gc.collect()  # DDP's reducer holds the group; it has to go first
            dist.destroy_process_group()


def parallel(model: nn.Module, process: Process) -> nn.Module:
    """The model with gradients averaged over all processes, or itself where there is one process."""
    if process.world == 1:
        return model
    devices = [process.device] if process.device.type == "cuda" else None
    with warnings.catch_warnings():
        # Its new name, forward_sync_buffers, is unknown to the oldest PyTorch that is supported.
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        return DistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)


def accumulating(network: nn.Module, *, on: bool) -> AbstractContextManager[None]:
    """While `on`, gradients of a `parallel` network add up in each process and are not averaged yet."""
    if on and isinstance(network, DistributedDataParallel):
        return cast(AbstractContextManager[None], network.no_sync())
    return contextlib.nullcontext()


class JointBatch:
    """Joins tensors of the batch over all processes; a `mnad.memory.Reducer`."""

    def max(self, tensor: Tensor) -> None:
        """Elementwise maximum over all processes, in place."""
        dist.all_reduce(tensor, dist.ReduceOp.MAX)

    def sum(self, tensor: Tensor) -> None:
        """Elementwise sum over all processes, in place."""
        dist.all_reduce(tensor, dist.ReduceOp.SUM)


def joint_batch(process: Process) -> JointBatch | None:
    """A reducer over all processes, or None where there is one process."""
    return JointBatch() if process.world > 1 else None


def mean_over(tensor: Tensor, process: Process) -> Tensor:
    """The mean of `tensor` over all processes."""
    if process.world > 1:
        dist.all_reduce(tensor, dist.ReduceOp.SUM)
        tensor /= process.world
    return tensor


def any_of(flags: Sequence[bool], process: Process) -> list[bool]:
    """For each flag, whether it is set in any process; waits for the processes, never for a device."""
    if process.world == 1:
        return list(flags)
    joint = torch.tensor(flags, dtype=torch.uint8)
    dist.all_reduce(joint, dist.ReduceOp.MAX)
    return [bool(flag) for flag in joint.tolist()]


def from_first(value: int, process: Process) -> int:
    """The first process's `value`, in all."""
    if process.world == 1:
        return value
    joint = torch.tensor([value], dtype=torch.int64)
    dist.broadcast(joint, src=0)
    return int(joint.item())


@contextlib.contextmanager
def together(process: Process) -> Iterator[None]:
    """A block that succeeds in all processes or fails in all, so that none waits for one that has failed.

    Raises:
        PeerError: the block failed, but in another process.
    """
    try:
        yield
    except Exception:
        any_of([True], process)
        raise
    (failed,) = any_of([False], process)
    if failed:
        raise PeerError


def barrier(process: Process) -> None:
    """Wait until all processes are here."""
    if process.world > 1:
        dist.barrier()
