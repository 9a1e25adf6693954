"""Every call of torch.distributed. All of it also works in a single process without a process group.

Started by torchrun, which sets RANK, WORLD_SIZE and LOCAL_RANK.
"""

import contextlib
import gc
import hashlib
import os
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, NoReturn, TypeVar, cast

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import GradBucket
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from pipeline.config import Device
from pipeline.errors import ConfigError, LostContactError, PeerError, ShardError, UserError
from pipeline.processes.allocator import keep_freed_memory
from pipeline.processes.launcher import Place, place

Item = TypeVar("Item")

TIMEOUT = timedelta(minutes=10)
"""How long a process waits for a sign of life of the others before it gives up."""
_SIGNS = 4
"""Signs of life that a process gives in TIMEOUT while it is at work in `together`, for however long."""
_PARTING_SECONDS = 1.0
"""For an exchange that is under way when an interrupt ends the work: the group must not go under it. It takes
a millisecond while others answer; others that are gone are not waited for."""


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
def processes(device: Device = "auto") -> Iterator[Process]:
    """Join the other processes, if torchrun started several, and part from them at the end.

    Args:
        device: where to compute.

    Raises:
        ConfigError: there are fewer GPUs than processes on this machine, or what the launcher says cannot be.
        LostContactError: another process is gone.
    """
    own = place()
    rank, world = own.rank, own.world
    kind = device if device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda":
        chosen = _own_gpu(own)
        torch.cuda.set_device(chosen)
    else:
        chosen = torch.device(kind)
        # MKL chooses its tanh at the first call. In 3 of 22 starts two threads that came first together got
        # results that differ in the last digits, and training was no longer the same bit for bit; of 40
        # starts after a call in one thread, in none.
        torch.tanh(torch.zeros(64))
        keep_freed_memory()
    if world > 1:
        # Connecting lazily keeps gloo from making connections nobody uses: with them, some ranks abort
        # when the interpreter ends, after all work is done.
        os.environ.setdefault("TORCH_GLOO_LAZY_INIT", "1")
        # On CUDA, too, there is gloo for what lives on the host: flags that must not wait for the device.
        backend = "cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo"
        dist.init_process_group(backend, store=_meet(), rank=rank, world_size=world, timeout=TIMEOUT)
    process = Process(rank=rank, world=world, device=chosen)
    try:
        yield process
        barrier(process)
    except RuntimeError as error:
        if world > 1 and _is_lost_contact(error):
            reason = str(error).splitlines()[0]
            raise LostContactError(f"lost contact with another process: {reason}") from error
        raise
    finally:
        if world > 1:
            gc.collect()  # a network in a reference cycle would outlive the group that it holds
            dist.destroy_process_group()


def _own_gpu(own: Place) -> torch.device:
    """This process's GPU: each process of the machine has one of its own."""
    found, expected = torch.cuda.device_count(), max(own.local_world, own.local_rank + 1)
    if found < expected:
        raise ConfigError(
            f"--device cuda: found {found} GPUs that PyTorch {torch.__version__} can use, expected "
            f"{expected}, one for each process on this machine; start fewer processes, install a "
            "PyTorch for your GPU, or take --device cpu"
        )
    return torch.device("cuda", own.local_rank)


def _meet() -> PrefixStore:
    """A store that only the processes of this attempt share.

    torchrun keeps one store for all attempts of a run. There the processes of an attempt after a failure
    find where those of the attempt before listened, and wait in vain. So the first process makes up a name
    for this attempt, and tells it to every process that shows itself; a name goes to a key that the asking
    process has made up itself, where nothing old can lie.
    """
    store, rank, world = next(rendezvous("env://", timeout=TIMEOUT))
    me = uuid.uuid4().hex
    if rank > 0:
        store.set(f"asking/{rank}", me)
        name = store.get(me).decode()  # waits for it
        store.set(f"{name}/{rank}", "heard")
        return PrefixStore(name, store)
    missing = set(range(1, world))
    deadline = time.monotonic() + TIMEOUT.total_seconds()
    while missing:
        if time.monotonic() > deadline:
            raise LostContactError(f"waited {TIMEOUT} in vain for processes {sorted(missing)}")
        for other in sorted(missing):
            if store.check([f"asking/{other}"]):
                store.set(store.get(f"asking/{other}").decode(), me)
            if store.check([f"{me}/{other}"]):
                missing.remove(other)
        time.sleep(0.01)
    return PrefixStore(me, store)


def _is_lost_contact(error: RuntimeError) -> bool:
    """Whether another process has gone; gloo says so in words alone."""
    return isinstance(error, dist.DistBackendError | dist.DistNetworkError) or "gloo/transport" in str(error)


def parallel(model: nn.Module, process: Process, *, sync_bn: bool = False) -> nn.Module:
    """The model with gradients averaged over all processes, or itself where there is one process.

    Args:
        model: on the process's device.
        process: this one.
        sync_bn: also change its BatchNorm layers to use the statistics of all processes' batches.
    """
    if process.world == 1:
        return model
    if sync_bn:
        nn.SyncBatchNorm.convert_sync_batchnorm(model)
    on_cuda = process.device.type == "cuda"
    with warnings.catch_warnings():
        # Its new name, forward_sync_buffers, is unknown to the oldest PyTorch that is supported.
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        network = DistributedDataParallel(
            model, device_ids=[process.device] if on_cuda else None, broadcast_buffers=False
        )
    if not on_cuda:
        network.register_comm_hook(process.world, _average_each)
    return network


def _average_each(world: int, bucket: GradBucket) -> torch.futures.Future[Tensor]:
    """Average the gradients of a bucket over all processes, one by one.

    The order in which gloo adds depends on a value's place in the tensor, and DDP sorts gradients into other
    buckets after its first step. Summed one by one, training that goes on from a checkpoint is bit-identical
    to training that was never interrupted.
    """
    for gradient in bucket.gradients():
        dist.all_reduce(gradient, dist.ReduceOp.SUM)
    done: torch.futures.Future[Tensor] = torch.futures.Future()
    done.set_result(bucket.buffer().div_(world))
    return done


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
    return list(flags) if process.world == 1 else _Flags(flags).joint()


class _Flags:
    """Flags on their way through several processes, on the host; each process sends as many."""

    def __init__(self, own: Sequence[bool]) -> None:
        self._flags = np.array(own, np.uint8)
        assert dist.group.WORLD is not None
        # The group's own method: dist.all_reduce, which calls it, takes twice as long.
        self._exchange = dist.group.WORLD.allreduce(torch.from_numpy(self._flags), dist.ReduceOp.MAX)

    def joint(self) -> list[bool]:
        """For each flag, whether it is set in any process; waits until all have sent theirs."""
        self._exchange.wait()
        return [bool(flag) for flag in self._flags]


def copy_first(tensor: Tensor, process: Process) -> None:
    """Overwrite `tensor` by the first process's."""
    if process.world > 1:
        dist.broadcast(tensor, src=0)


def from_first(value: int, process: Process) -> int:
    """The first process's `value`, in all."""
    joint = torch.tensor([value], dtype=torch.int64)
    copy_first(joint, process)
    return int(joint.item())


@contextlib.contextmanager
def together(process: Process) -> Iterator[None]:
    """A block that succeeds in all processes or fails in all, so that none waits for one that has failed.

    In the block each process may work for as long as it takes, or not at all, as where the first one works
    alone: the others wait for it without a limit while it lives, and notice at once if its connection closes.
    The block itself exchanges nothing with other processes, so another `together` has no place in it.

    Where several processes fail with the same error of the user's, it is raised in the first of them alone.

    Args:
        process: this one.

    Raises:
        PeerError: the block failed, but in another process, or in an earlier one with the same error.
    """
    own: Exception | None = None
    with _signs_of_life(process) as end:
        try:
            yield
        except Exception as error:
            own = error
        end()
    working = process.world > 1
    failed = own is not None
    while working:  # until all have come to the end of the block, and told how theirs went
        working, failed = any_of([False, own is not None], process)
    if failed:
        _raise_in_the_first(own, process)


@contextlib.contextmanager
def _signs_of_life(process: Process) -> Iterator[Callable[[], None]]:
    """A block in which this process tells the others, now and then, that it is still at work.

    It answers the same question that those ask who are done, in a thread, so that no exchange waits longer
    than a part of TIMEOUT.

    Yields:
        To be called at the end of the block's work; it raises what went wrong in the thread.
    """
    if process.world == 1:
        yield lambda: None
        return
    pause = TIMEOUT.total_seconds() / _SIGNS
    is_done = threading.Event()
    errors: list[RuntimeError] = []

    def tell() -> None:
        try:
            while not is_done.wait(pause):
                any_of([True, False], process)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=tell, name="signs of life", daemon=True)
    thread.start()

    def end() -> None:
        is_done.set()
        thread.join()
        if errors:
            raise errors[0]

    try:
        yield end
    finally:
        is_done.set()  # where an interrupt ends the block, too
        thread.join(_PARTING_SECONDS)


class InStep(Generic[Item]):
    """Items that all processes take at the same time, as `together` but without waiting for one another.

    An item is fetched, and the others are told of it, while the work on the item before is still to be done.
    When that is done the answers of all are usually there: a ring through 4 processes takes 0.4 ms, in which
    a GPU would have nothing to do. So no process starts to work on an item that another one failed to get.
    One process alone has nobody to tell, and fetches an item when it is taken.

    Args:
        items: as many in each process.
        asks: what this process asks for, whenever it is called; as many flags in each process.
        process: this one.
    """

    def __init__(self, items: Iterator[Item], asks: Callable[[], Sequence[bool]], process: Process) -> None:
        self._items = items
        self._asks = asks
        self._process = process
        self.prepare()

    def prepare(self) -> None:
        """Fetch the next item, if there is one, and tell the others; to be called before work on the last."""
        if self._process.world == 1:
            return
        self._next: list[Item] = []
        self._error: Exception | None = None
        try:
            self._next.append(next(self._items))
        except StopIteration:
            return
        except Exception as error:
            self._error = error
        self._told = _Flags([self._error is not None, *self._asks()])

    def take(self) -> tuple[Item, list[bool]]:
        """The item that was prepared, and for each flag whether any process asked for it by then.

        Raises:
            PeerError: another process has none, or an earlier one has none for the same reason.
        """
        if self._process.world == 1:
            return next(self._items), list(self._asks())
        failed, *asked = self._told.joint()
        if failed:
            _raise_in_the_first(self._error, self._process)
        return self._next.pop(), asked


@contextlib.contextmanager
def held_by_first(held: AbstractContextManager[object], process: Process) -> Iterator[None]:
    """A block within which the first process holds what is for one process, such as a lock.

    Raises:
        PeerError: the first process could not enter `held`, and says why.
    """
    with contextlib.ExitStack() as stack:
        with together(process):
            if process.is_first:
                stack.enter_context(held)
        yield


def _raise_in_the_first(own: Exception | None, process: Process) -> NoReturn:
    """Raise this process's own error, if it has one, unless an earlier process has the same."""
    mine = _failure(own, process)
    failures = _of_all(mine, process)
    speaker = failures.index(mine if own is not None else next(other for other in failures if other[0]))
    if own is not None and speaker == process.rank:
        raise own
    raise PeerError(
        "stopped because another process failed; its own message says why", exit_code=failures[speaker][0]
    ) from own


def _failure(error: Exception | None, process: Process) -> bytes:
    """Exit code and digest of an error; the same where processes fail with the same error of the user's."""
    if isinstance(error, UserError | ShardError):
        code = error.exit_code if isinstance(error, UserError) else 1
        text = f"{type(error).__name__}: {error}"
    else:  # a programming error keeps its traceback in every process
        code, text = int(error is not None), f"process {process.rank}"
    return bytes([code]) + hashlib.sha256(text.encode()).digest()


def _of_all(value: bytes, process: Process) -> list[bytes]:
    """The `value` of each process, all of one length."""
    if process.world == 1:
        return [value]
    own = torch.tensor(list(value), dtype=torch.uint8)
    values = [torch.empty_like(own) for _ in range(process.world)]
    dist.all_gather(values, own)
    return [bytes(each.tolist()) for each in values]


def barrier(process: Process) -> None:
    """Wait until all processes are here; never for a device."""
    any_of([False], process)
