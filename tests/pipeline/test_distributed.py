"""Working together over gloo: joint flags, failures that reach everybody, meeting again after a restart."""

import contextlib
import os
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import torch

from pipeline.errors import ConfigError, LostContactError, PeerError, TrainingError
from pipeline.processes import distributed
from pipeline.processes.distributed import InStep, Process, processes
from tests.helpers.ranks import run_ranks

ALONE = Process(rank=0, world=1, device=torch.device("cpu"))


def test_one_process_needs_no_group() -> None:
    with processes("cpu") as process:
        assert process == ALONE
        assert distributed.any_of([True, False], process) == [True, False]
        assert distributed.from_first(7, process) == 7
        assert distributed.mean_over(torch.tensor([3.0]), process).tolist() == [3.0]
        assert distributed.joint_batch(process) is None
        rounds = InStep(iter("ab"), lambda: (False, True), process)
        for item in "ab":
            assert rounds.take() == (item, [False, True])
            rounds.prepare()
        distributed.barrier(process)


@pytest.mark.parametrize(("gpus", "started", "rank"), [(0, 1, 0), (2, 3, 0), (2, 3, 2)])
def test_fewer_gpus_than_processes_are_refused_by_each(
    monkeypatch: pytest.MonkeyPatch, gpus: int, started: int, rank: int
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(started))
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    with (
        pytest.raises(ConfigError, match=f"found {gpus} GPUs .* expected {started}, one for each process"),
        processes("cuda"),
    ):
        pass


def exchange() -> dict[str, object]:
    with processes("cpu") as process:
        peak, total = torch.tensor([1.0, 2.0]) * (1 - 2 * process.rank), torch.ones(2) + process.rank
        reducer = distributed.joint_batch(process)
        assert reducer is not None
        reducer.max(peak)
        reducer.sum(total)
        return {
            "flags": distributed.any_of([process.rank == 1, False, True], process),
            "first": distributed.from_first(10 + process.rank, process),
            "mean": distributed.mean_over(torch.tensor([float(process.rank)]), process).tolist(),
            "max": peak.tolist(),
            "sum": total.tolist(),
        }


@pytest.mark.ddp
def test_processes_exchange_values() -> None:
    expected = {
        "flags": [True, False, True],
        "first": 10,
        "mean": [0.5],
        "max": [1.0, 2.0],
        "sum": [3.0, 3.0],
    }
    assert run_ranks(2, exchange) == [expected, expected]


def fail_in_the_second() -> str:
    with processes("cpu") as process:
        try:
            with distributed.together(process):
                if process.rank == 1:
                    raise TrainingError("its own reason")
        except (PeerError, TrainingError) as error:
            return f"{type(error).__name__}: {error}"
    return "nothing"


@pytest.mark.ddp
def test_a_failure_in_one_process_reaches_all() -> None:
    assert run_ranks(2, fail_in_the_second) == [
        "PeerError: stopped because another process failed; its own message says why",
        "TrainingError: its own reason",
    ]


@contextlib.contextmanager
def impatient(seconds: float) -> Iterator[Process]:
    """Processes that have met, and from then on wait for one another for a few seconds alone."""
    with processes("cpu") as process:
        distributed.TIMEOUT = timedelta(seconds=seconds)
        torch.distributed.distributed_c10d._set_pg_timeout(distributed.TIMEOUT, torch.distributed.group.WORLD)
        yield process


def work_for_long(workers: tuple[int, ...], fails: bool) -> str:
    """In some of the processes, for longer than an exchange may take."""
    with impatient(6) as process:
        try:
            with distributed.together(process):
                if process.rank in workers:
                    time.sleep(9)
                    if fails:
                        raise TrainingError("its own reason")
        except (PeerError, TrainingError) as error:
            return type(error).__name__
        return str(distributed.from_first(process.rank, process))


@pytest.mark.ddp
@pytest.mark.parametrize(
    ("workers", "fails", "expected"),
    [((0,), False, ["0", "0", "0"]), ((1, 2), True, ["PeerError", "TrainingError", "PeerError"])],
)
def test_processes_wait_for_one_that_works_for_long(
    workers: tuple[int, ...], fails: bool, expected: list[str]
) -> None:
    assert run_ranks(3, work_for_long, workers, fails) == expected


def die_at_work(work_seconds: float) -> str:
    """The first process goes without a word; how long the second one has then waited in vain."""
    try:
        with processes("cpu") as process:
            distributed.barrier(process)  # a connection that was never made cannot be seen to close
            distributed.TIMEOUT = timedelta(seconds=1)  # of signs of life alone: an exchange has minutes
            with distributed.together(process):
                if process.is_first:
                    time.sleep(work_seconds)
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        return "gone"
    except LostContactError as error:
        return str(error)
    return "nothing"


@pytest.mark.ddp
@pytest.mark.parametrize("work_seconds", [0, 1])
def test_a_process_that_dies_at_work_is_noticed(work_seconds: float) -> None:
    first, second = run_ranks(2, die_at_work, work_seconds)
    assert first == "gone"
    assert second.startswith("lost contact with another process")


def fail_in_all(alike: bool, defect: bool) -> str:
    with processes("cpu") as process:
        kind = RuntimeError if defect else ConfigError
        try:
            with distributed.together(process):
                raise kind("a reason" if alike else f"the reason of {process.rank}")
        except PeerError as error:
            return f"exit code {error.exit_code}"
        except (RuntimeError, ConfigError) as error:
            return str(error)


@pytest.mark.ddp
def test_of_processes_that_fail_alike_the_first_speaks() -> None:
    assert run_ranks(3, fail_in_all, True, False) == ["a reason", "exit code 2", "exit code 2"]


@pytest.mark.ddp
def test_processes_that_fail_differently_all_speak() -> None:
    assert run_ranks(2, fail_in_all, False, False) == ["the reason of 0", "the reason of 1"]
    assert run_ranks(2, fail_in_all, True, True) == ["a reason", "a reason"], "a defect's traceback is lost"


def ask_in_the_third_round() -> list[int]:
    """The rounds at which each process learns that the second one has asked, though nobody waits for it."""
    with processes("cpu") as process:
        current = -1
        rounds = InStep(iter(range(6)), lambda: [process.rank == 1 and current == 2], process)
        learnt = []
        for current in range(6):
            item, (asked,) = rounds.take()
            assert item == current
            learnt += [current] * asked
            rounds.prepare()
            if process.rank == 0:
                time.sleep(0.05)  # work that takes longer than that of the others
        return learnt


@pytest.mark.ddp
def test_what_one_process_asks_for_reaches_all_in_the_same_round() -> None:
    assert run_ranks(3, ask_in_the_third_round) == [[3], [3], [3]]


def fail_to_get_the_third() -> tuple[int, str]:
    """How many rounds each process works through before it learns that the second one has failed."""

    def items(rank: int) -> Iterator[int]:
        yield from range(2)
        if rank == 1:
            raise TrainingError("its own reason")
        yield from range(2, 5)

    with processes("cpu") as process:
        rounds = InStep(items(process.rank), list, process)
        reducer = distributed.joint_batch(process)
        assert reducer is not None
        done = 0
        try:
            for _ in range(5):
                rounds.take()
                rounds.prepare()
                reducer.sum(torch.ones(1))  # as a step does, with the others
                done += 1
        except (PeerError, TrainingError) as error:
            return done, f"{type(error).__name__}: {error}"
    return done, "nothing"


@pytest.mark.ddp
def test_no_process_works_on_what_another_failed_to_get() -> None:
    stopped = "PeerError: stopped because another process failed; its own message says why"
    assert run_ranks(3, fail_to_get_the_third) == [
        (2, stopped),
        (2, "TrainingError: its own reason"),
        (2, stopped),
    ]


def go_on_without_waiting() -> bool:
    """Whether the first process prepares a round, and works, before the second one has come to it."""
    with processes("cpu") as process:
        store = torch.distributed.distributed_c10d._get_default_store()
        if process.rank == 1:
            store.get("the first one has worked")
        rounds = InStep(iter("ab"), list, process)
        if process.rank == 0:
            store.set("the first one has worked", "")
        return rounds.take()[0] == "a"


@pytest.mark.ddp
def test_preparing_waits_for_nobody() -> None:
    assert run_ranks(2, go_on_without_waiting) == [True, True]


def die_before_meeting() -> None:
    if os.environ["RANK"] == "1":
        os._exit(3)
    with processes("cpu"):
        pass


@pytest.mark.ddp
def test_a_process_that_dies_is_the_reason_and_not_the_one_that_waits_for_it() -> None:
    with pytest.raises(AssertionError, match="rank 1 died without a word"):
        run_ranks(2, die_before_meeting)


def lose_the_second() -> str:
    try:
        with processes("cpu") as process:
            distributed.barrier(process)
            if process.rank == 1:
                raise InterruptedError  # parts from the group without a word to the others
            distributed.any_of([False], process)
    except InterruptedError:
        return "gone"
    except LostContactError as error:
        return str(error)
    return "nothing"


@pytest.mark.ddp
def test_a_process_that_is_gone_is_noticed() -> None:
    first, second = run_ranks(2, lose_the_second)
    assert second == "gone"
    assert first.startswith("lost contact with another process")


def meet_beside_old_names(port: int) -> list[float]:
    """Two attempts in one store, as under torchrun, which keeps it when it starts processes again."""
    os.environ["MASTER_PORT"] = str(port)
    sums = []
    for _ in range(2):
        with processes("cpu") as process:
            value = torch.tensor([1.0 + process.rank])
            reducer = distributed.joint_batch(process)
            assert reducer is not None
            reducer.sum(value)
            sums += value.tolist()
    return sums


@pytest.mark.ddp
def test_processes_meet_again_in_a_store_with_traces_of_an_attempt_before() -> None:
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, timeout=timedelta(seconds=60))
    store.set("asking/1", "left by a process that is dead")
    assert run_ranks(2, meet_beside_old_names, store.port) == [[3.0, 3.0], [3.0, 3.0]]
