"""Damage in a run: what inspect, train and sweep read of it is read, passed over or one line."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ReportError
from pipeline.inspect.overview import overview
from pipeline.runs.evaluation import RECORD as EVALUATED
from pipeline.runs.evaluation import load_record
from pipeline.runs.layout import METRICS, model_name
from pipeline.sweep import run as module
from pipeline.sweep.config import SweepConfig
from pipeline.terminal.tables import print_table
from pipeline.train.metrics import metrics_log
from pipeline.train.validate import validate
from shards.storage import Storage
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.evaluations import RECORD
from tests.helpers.mutation import mutated_bytes, mutated_json
from tests.helpers.shards import make_set, smooth_frames

EVALUATION: dict[str, Any] = json.loads(RECORD.to_json())
LINES = [
    {"kind": "step", "step": 1, "total": 0.1, "pixel": 0.2, "samples_per_second": 3.0},
    {"kind": "epoch", "step": 3, "total": 0.1, "compact": None},
]
OUTCOMES: Counter[str] = Counter()
"""What came of the mutated inputs, by file; printed by `pytest -s`."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("run")
    make_checkpoint(folder / model_name(3))
    (folder / "evaluation").mkdir()
    yield folder
    print(*sorted(OUTCOMES.items()), sep="\n")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_inspect_shows_what_is_whole_in_a_run(run: Path, data: st.DataObject) -> None:
    lines = [json.dumps(line).encode() for line in LINES]
    lines[data.draw(st.integers(0, 1))] = data.draw(mutated_json(LINES[0]) | mutated_bytes(lines[0]))
    (run / METRICS).write_bytes(b"\n".join(lines))
    evaluation = json.dumps(EVALUATION).encode()
    (run / "evaluation" / EVALUATED).write_bytes(
        data.draw(mutated_json(EVALUATION) | mutated_bytes(evaluation))
    )
    tables = overview(Storage(run))
    for title, columns, rows in tables:
        print_table(title, columns, rows)
    OUTCOMES[f"metrics.jsonl: {len(tables[2][2])} of 2 lines shown"] += 1
    OUTCOMES[f"evaluation: {'shown' if tables[3][2] else 'passed over'}"] += 1


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_training_keeps_the_lines_that_are_whole(run: Path, data: st.DataObject) -> None:
    whole = json.dumps(LINES[0]).encode() + b"\n"
    bad = data.draw(mutated_json(LINES[1]) | mutated_bytes(json.dumps(LINES[1]).encode()))
    (run / METRICS).write_bytes(whole + bad)
    with metrics_log(Storage(run), 3, quiet=False) as log:
        log.write(kind="step", step=4)
    lines = (run / METRICS).read_bytes().splitlines()
    assert lines[0] == whole.rstrip()
    OUTCOMES["metrics.jsonl: resumed"] += 1


@settings(max_examples=300, deadline=None)
@given(bad=mutated_json(EVALUATION) | mutated_bytes(json.dumps(EVALUATION).encode()))
def test_an_evaluation_that_a_command_left_is_one_line_or_its_figures(run: Path, bad: bytes) -> None:
    storage = Storage(run / "evaluation")
    (run / "evaluation" / EVALUATED).write_bytes(bad)
    try:
        record = load_record(storage)
    except ReportError as error:
        assert str(error).startswith(f"{storage}/{EVALUATED}: not that of an evaluation (")
        assert "\n" not in str(error)
        OUTCOMES["load_record: refused"] += 1
    else:
        json.dumps(dataclasses.asdict(record), allow_nan=False)
        OUTCOMES["load_record: read"] += 1


@pytest.mark.parametrize("content", [None, b"[]", b"{"])
def test_a_sweep_evaluates_again_over_what_is_no_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    commands = []
    out = tmp_path / "out" / "seed-0" / "evaluation"
    out.mkdir(parents=True)
    if content is not None:
        (out / EVALUATED).write_bytes(content)

    def run_command(name: str, *arguments: str) -> None:
        commands.append(name)
        if name == "evaluate":
            (out / EVALUATED).write_text(json.dumps(EVALUATION))

    monkeypatch.setattr(module, "run_command", run_command)
    frames = smooth_frames(8, (16, 16))
    make_set(tmp_path / "set", {"training": [frames], "testing": [frames]}, labels=[np.arange(8) >= 6])
    spreads = module.sweep(SweepConfig(shards=str(tmp_path / "set"), out=str(tmp_path / "out"), seeds=(0,)))
    assert commands == ["train", "evaluate"]
    assert str(spreads["AUC"]) == "50.00 %"


def test_validation_names_a_damaged_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "validation" / "step-00000003"
    out.mkdir(parents=True)
    (out / EVALUATED).write_bytes(b"{")
    monkeypatch.setattr("pipeline.train.validate.run_command", lambda *_: None)
    with pytest.raises(
        ReportError, match=r"step-00000003/metrics\.json: not that of an evaluation \(not JSON"
    ):
        validate("x", str(tmp_path), 3, "cpu")
