"""Losses of a run: kept on the device, joined, checked, and written as lines."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from mnad import Losses
from pipeline.errors import TrainingError
from pipeline.processes.distributed import Process
from pipeline.runs.metricslines import metrics_lines
from pipeline.runs.spec import ModelSpec
from pipeline.train.board import board
from pipeline.train.config import train_config
from pipeline.train.metrics import LossHistory, Meter, Records, loss_means, metrics_log
from pipeline.train.saving import Saver
from pipeline.train.setup import Setup
from shards.storage import Storage
from tests.helpers.objectstore import bucket_of_files

ALONE = Process(rank=0, world=1, device=torch.device("cpu"))


def losses(pixel: float, compact: float = 2.0, separate: float = 3.0) -> Losses:
    return Losses(pixel=torch.tensor(pixel), compact=torch.tensor(compact), separate=torch.tensor(separate))


def test_losses_are_kept_in_order_and_an_epoch_goes_on_from_known_ones() -> None:
    history = LossHistory(4, 0, ALONE, torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64))
    history.record(1, losses(5.0))
    assert history.join(2)[:, 0].tolist() == [1.0, 5.0]
    history.record(2, losses(7.0))
    history.record(3, losses(9.0))
    assert history.join(4)[:, 0].tolist() == [1.0, 5.0, 7.0, 9.0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_named_with_its_step(value: float) -> None:
    history = LossHistory(3, 40, ALONE)
    for index, pixel in enumerate([1.0, value, float("nan")]):
        history.record(index, losses(pixel))
    with pytest.raises(TrainingError, match=f"step 42: found losses pixel {value:g}, compact 2, separate 3"):
        history.join(3)


def test_means_are_named_and_weighted() -> None:
    rows = torch.tensor([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]], dtype=torch.float64)
    config = train_config(shards="", run="", loss_compact=10.0, loss_separate=100.0)
    assert loss_means(rows, config) == {"total": 432.0, "pixel": 2.0, "compact": 3.0, "separate": 4.0}


def test_speed_counts_from_the_last_reading() -> None:
    meter = Meter(8)
    with meter.waiting():
        meter.count()
    first = meter.read()
    assert first["samples_per_second"] > 0
    assert 0 < first["data_wait"] <= 1
    assert meter.read() == {"samples_per_second": 0.0, "data_wait": 0.0}


def test_lines_after_the_step_of_the_checkpoint_are_forgotten(tmp_path: Path) -> None:
    run = Storage(tmp_path)
    with metrics_log(run, 0, quiet=False) as log:
        for step in (1, 2, 3):
            log.write(kind="step", step=step)
    with metrics_log(run, 2, quiet=False) as log:
        log.write(kind="step", step=3, again=True)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], "again" in line) for line in lines] == [(1, False), (2, False), (3, True)]


@pytest.mark.parametrize("missing", [0, 1])
def test_a_last_line_whose_end_did_not_reach_the_disk_stays_one(tmp_path: Path, missing: int) -> None:
    lines = b"".join(b'{"kind": "step", "step": %d}\n' % step for step in (1, 2))
    (tmp_path / "metrics.jsonl").write_bytes(lines[: len(lines) - missing])
    with metrics_log(Storage(tmp_path), 2, quiet=False) as log:
        log.write(kind="step", step=3)
    assert steps_of(Storage(tmp_path)) == [1, 2, 3]


@pytest.mark.parametrize("is_local", [True, False])
def test_lines_up_to_a_checkpoint_are_there_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_local: bool
) -> None:
    run = Storage(tmp_path) if is_local else bucket_of_files(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    found = []

    def publish(*given: object) -> None:
        found.append(steps_of(run))

    monkeypatch.setattr("pipeline.train.saving.save_checkpoint", publish)
    with metrics_log(run, 0, quiet=False) as log:
        saver = Saver(setup_of(run), log)
        for step in (1, 2, 3):
            log.write(kind="step", step=step)
            if step % 2:
                saver.save(step)
    assert found == [[1], [1, 2, 3]]


def steps_of(run: Storage) -> list[int]:
    return [record["step"] for _, record in metrics_lines(run)]


def setup_of(run: Storage) -> Setup:
    """As much of a run as its saver looks at."""
    trainer = SimpleNamespace(result=torch.nn.Linear(1, 1), state=dict)
    config = SimpleNamespace(keep=2)
    spec = ModelSpec(method="recon", window=1, items=2, height=16, width=16)
    parts = {"run": run, "process": ALONE, "trainer": trainer, "config": config, "spec": spec}
    return cast(Setup, SimpleNamespace(**parts, start=0, is_restored=False, steps=4, origin={}))


def test_what_a_board_was_given_is_there_before_a_checkpoint(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with board(Storage(tmp_path), 0, on=True) as shown:
        Records(shown).write(kind="step", step=1, total=2.0)
        Records(shown).flush()
        events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
        events.Reload()
        assert [(point.step, point.value) for point in events.Scalars("step/total")] == [(1, 2.0)]


def test_other_processes_write_nothing(tmp_path: Path) -> None:
    with metrics_log(Storage(tmp_path), 0, quiet=True) as log:
        log.write(kind="step", step=1)
    assert not list(tmp_path.iterdir())
