"""The handle of a worker process: what it waits for has an end, whatever the worker does."""

import os
import resource
from collections.abc import Iterator

import pytest

from pipeline.processes import workers
from pipeline.processes.workers import LostWorkerError, WorkerProcess

MODULE = "tests.helpers.oddworker"
LARGE = 1 << 16
"""Bytes that a pipe holds."""
MANY = 1024
"""Descriptors, from which on `select` takes none."""


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """A process that has so many files open that the next have high numbers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * MANY:
        pytest.skip(f"this machine gives a process {hard} descriptors, expected {2 * MANY}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * MANY, hard))
    held = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while held[-1] < MANY:
            held.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def assert_answers(stall_seconds: float) -> None:
    worker = WorkerProcess(MODULE, stall_seconds=stall_seconds)
    worker.tell("answer")
    try:
        assert worker.answer() == {"done": True}
    finally:
        worker.kill()


def assert_given_up(task: str, words: str, stall_seconds: float) -> None:
    worker = WorkerProcess(MODULE, stall_seconds=stall_seconds)
    worker.tell(task)
    with pytest.raises(LostWorkerError, match=words):
        worker.answer()
    assert worker.pid is None


@pytest.mark.usefixtures("many_descriptors")
def test_a_worker_answers_a_process_of_many_descriptors() -> None:
    assert_answers(stall_seconds=60)


@pytest.mark.usefixtures("many_descriptors")
def test_a_silent_worker_of_a_process_of_many_descriptors_is_given_up() -> None:
    assert_given_up("be silent", r"^hung for 0\.5 s$", stall_seconds=0.5)


def test_a_worker_that_closes_its_output_and_lives_on_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "ENDING_SECONDS", 0.1)
    assert_given_up("close", r"^closed its output and did not end$", stall_seconds=60)


def test_a_worker_is_waited_for_as_long_as_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_MOST_MILLISECONDS", 1)  # what the kernel can wait is no limit of ours
    assert_answers(stall_seconds=1e12)


def test_a_worker_that_does_not_read_what_it_is_told_is_given_up() -> None:
    worker = WorkerProcess(MODULE, stall_seconds=0.5)
    worker.tell("be silent")
    worker.tell(10 * LARGE * "x")
    with pytest.raises(LostWorkerError, match=r"^hung for 0\.5 s$"):
        worker.answer()
    assert worker.pid is None


def test_a_worker_is_told_more_than_a_pipe_holds() -> None:
    worker = WorkerProcess(MODULE, stall_seconds=60)
    worker.tell("answer" + 10 * LARGE * " ")
    try:
        assert worker.answer() == {"done": True}
    finally:
        worker.kill()
