"""Which processes may go on with a run, and which of its virtual ranks each of them serves."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import CheckpointError
from pipeline.processes.distributed import Process
from pipeline.runs.checkpoint import Checkpoint
from pipeline.runs.spec import ModelSpec
from pipeline.train.config import TrainConfig, train_config
from pipeline.train.serving import process_plan, served, serving_notes, virtual_ranks

SPEC = ModelSpec(method="recon", window=1, items=4, height=16, width=16)


def config(**options: Any) -> TrainConfig:
    return train_config(shards="", run="", **options)


def process(rank: int, world: int) -> Process:
    return Process(rank=rank, world=world, device=torch.device("cpu"))


def checkpoint(**origin: Any) -> Checkpoint:
    return Checkpoint(name="x", spec=SPEC, tensors={}, step=3, epoch=1, origin=origin)


@given(ranks=st.integers(1, 64), world=st.integers(1, 64))
def test_each_virtual_rank_is_served_once_and_no_process_serves_many_more(ranks: int, world: int) -> None:
    parts = [served(process(rank, world), ranks) for rank in range(world)]
    assert [rank for part in parts for rank in part] == list(range(ranks))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert world > ranks or min(sizes) >= 1


def test_a_run_starts_with_a_virtual_rank_for_each_batch_of_a_step() -> None:
    assert virtual_ranks(config(accumulate=3), process(1, 4), None) == 12


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_any_number_of_processes_up_to_the_virtual_ranks_goes_on(world: int) -> None:
    assert virtual_ranks(config(), process(0, world), checkpoint(virtual_ranks=4)) == 4


def test_more_processes_than_virtual_ranks_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"^x: found 5 processes, expected 1 to 4"):
        virtual_ranks(config(), process(0, 5), checkpoint(virtual_ranks=4))


def test_synchronised_batch_norm_goes_on_with_as_many_processes_as_before() -> None:
    before = checkpoint(virtual_ranks=8)
    assert virtual_ranks(config(sync_bn=True, accumulate=2), process(0, 4), before) == 8
    with pytest.raises(CheckpointError, match=r"^x: found 2 processes, expected 4 as at the start"):
        virtual_ranks(config(sync_bn=True, accumulate=2), process(0, 2), before)


def test_a_run_of_before_has_its_processes_as_virtual_ranks() -> None:
    assert virtual_ranks(config(), process(0, 1), checkpoint(processes=2, options={"accumulate": 1})) == 2


@pytest.mark.parametrize("origin", [{}, {"processes": 2, "options": {"accumulate": 2}}, {"processes": "2"}])
def test_a_run_of_before_whose_batches_had_another_order_is_refused(origin: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"^x: found no record of its virtual ranks"):
        virtual_ranks(config(), process(0, 1), checkpoint(**origin))


def test_processes_that_are_not_as_many_as_at_the_start_are_told() -> None:
    assert serving_notes(config(accumulate=3), process(0, 4), 12) == []
    (note,) = serving_notes(config(), process(0, 3), 4)
    assert note.startswith("processes: 3, at the start 4; each serves up to 2 of the run's 4 virtual ranks")


@pytest.mark.parametrize("accumulate", [1, 4])
def test_a_process_holds_as_many_segments_however_many_batches_it_accumulates(accumulate: int) -> None:
    plan = process_plan(config(accumulate=accumulate), process(0, 1), accumulate, [32] * 120, 0)
    assert plan.holds_all
    assert not process_plan(config(accumulate=accumulate), process(0, 1), accumulate, [32] * 150, 0).holds_all
