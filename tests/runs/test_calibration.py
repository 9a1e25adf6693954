"""The record of a calibration: what is read is what was written, for what it belongs to, or one line."""

import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnad.evidence import CausalMean
from mnad.rates import Threshold
from pipeline.errors import CalibrationError
from pipeline.runs.calibration import (
    QUANTILES,
    RECORD,
    Belongings,
    CalibrationRecord,
    Labelled,
    delta_of,
    evidence,
    load_calibration,
    record_from_json,
)
from shards.jsonfile import parse_json
from shards.storage import Storage
from tests.helpers.calibrations import BELONGS, made_of, noise
from tests.helpers.mutation import mutated_bytes, mutated_json

OUTCOMES: Counter[str] = Counter()
"""What came of the mutated inputs; printed by `pytest -s`."""


@functools.cache
def record() -> CalibrationRecord:
    return made_of([noise(1), noise(2)])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("run")
    print(*sorted(OUTCOMES.items()), sep="\n")


def test_what_was_written_is_read(home: Path) -> None:
    storage = Storage(str(home))
    record().save(storage)
    assert load_calibration(storage) == record()
    assert [path.name for path in home.iterdir()] == [RECORD]


def test_the_file_has_the_promise_and_phi_in_it() -> None:
    fields = parse_json(record().to_json(), "it")
    assert fields["promise"].startswith("If the camera goes on seeing what it saw in the 59.9 minutes of")
    assert fields["phi"] == record().calibration.phi
    refused = dataclasses.replace(record(), alarms_per_hour=0.1)
    assert parse_json(refused.to_json(), "it")["promise"] is None
    optimistic = dataclasses.replace(record(), optimistic=True)
    assert parse_json(optimistic.to_json(), "it")["promise"].startswith("Optimistic, ")


def test_other_rates_are_answered_from_the_file_as_at_first(home: Path) -> None:
    loaded = record_from_json(parse_json(record().to_json(), "it"))
    for rate in (0.5, 3, 6, 12, 60):
        for confidence in (None, 0.9, 0.99):
            delta = delta_of(confidence)
            assert loaded.calibration.threshold(rate, delta) == record().calibration.threshold(rate, delta)


def test_evidence_of_recordings_is_that_of_single_frames() -> None:
    trace = noise(3, seconds=60)
    (found,) = evidence(record().standard, [trace])
    mean = CausalMean()
    for frame, values in enumerate(trace.values):
        if frame in trace.restarts:
            mean.restart()
        smooth, settled = mean.push(float(trace.seconds[frame]), values)
        expected = float(record().standard.evidence(smooth)[0]) if settled else -np.inf
        assert found.evidence[frame] == expected


def test_events_called_normal_stay_over_a_file_and_more_hours(tmp_path: Path) -> None:
    said = [
        Labelled(event=f"{n:016x}", camera="yard", evidence=evidence) for n, evidence in ((1, 4.5), (2, 6))
    ]
    with_events = record().with_labelled(said)
    assert with_events.calibration.labelled == (6, 4.5)
    assert with_events.standard_digest == record().standard_digest
    with_events.save(Storage(str(tmp_path)))
    assert load_calibration(Storage(str(tmp_path))) == with_events
    assert with_events.added([noise(3)]).labelled == with_events.labelled
    assert with_events.with_labelled([]) == record()
    assert made_of([noise(5)]).standard_digest != record().standard_digest


def test_a_calibration_from_before_events_could_be_called_normal_has_none() -> None:
    fields = parse_json(record().to_json(), "it")
    del fields["labelled"], fields["calibration"]["labelled"]
    assert record_from_json(fields) == record()


def test_peaks_of_events_that_are_not_listed_are_refused() -> None:
    fields = parse_json(record().to_json(), "it")
    fields["calibration"]["labelled"] = [4.5]
    with pytest.raises(ValueError, match=r"calibration\.labelled that cannot be"):
        record_from_json(fields)


def test_added_hours_count_and_the_standard_stays() -> None:
    more = record().added([noise(3), noise(4)])
    both = made_of([noise(seed) for seed in (1, 2, 3, 4)])
    assert more.calibration.hours == pytest.approx(both.calibration.hours)
    assert (more.mean, more.deviation) == (record().mean, record().deviation)
    assert len(more.calibration.blocks) >= 2 * len(record().calibration.blocks)
    seen = np.concatenate(
        [each.settled for each in evidence(record().standard, [noise(seed) for seed in (1, 2, 3, 4)])]
    )
    joint = np.quantile(seen, np.linspace(0, 1, QUANTILES))
    assert more.quantiles[0] == pytest.approx(joint[0])
    assert more.quantiles[-1] == pytest.approx(joint[-1])
    np.testing.assert_allclose(more.quantiles[1:-1], joint[1:-1], atol=0.06)
    answer = more.calibration.threshold(1.2)
    assert isinstance(answer, Threshold)
    assert not isinstance(record().calibration.threshold(1.2), Threshold)


def test_hours_in_which_nothing_settled_add_nothing() -> None:
    assert record().added([noise(3, seconds=0.5)]) == record()


OTHER: dict[str, Any] = {
    "checkpoint": "f" * 64,
    "score": "psnr",
    "alpha": 0.6,
    "tau": 0.5,
    "mask": "e" * 64,
    "height": 32,
    "width": 32,
    "rate": 25.0,
    "runtime": "openvino",
    "precision": "bf16",
    "memory": "video",
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Belongings)])
def test_it_is_refused_by_name_for_all_that_it_does_not_belong_to(name: str) -> None:
    record().refuse_other(BELONGS, "run/calibration.json")
    with pytest.raises(CalibrationError) as caught:
        record().refuse_other(dataclasses.replace(BELONGS, **{name: OTHER[name]}), "run/calibration.json")
    message = str(caught.value)
    assert message.startswith("run/calibration.json: found a calibration of ")
    assert "\n" not in message
    named = {"rate": "frames/s", "tau": "smoothing"}.get(name, name)
    assert named in message
    for value in (getattr(BELONGS, name), OTHER[name]):
        shown = {None: "no mask" if name == "mask" else "None"}.get(value, f"{value}")
        assert shown[:12].removesuffix(".0") in message


def test_a_run_without_one_says_which_command_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"calibration\.json: not found.*run calibrate RUN first$"):
        load_calibration(Storage(str(tmp_path)))


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (["format"], "mnad-evaluation", "expected mnad-calibration version 1"),
        (["version"], 2, "expected mnad-calibration version 1"),
        (["mean"], [1.0], "mean that cannot be"),
        (["deviation", 0], 0.0, "deviation that cannot be"),
        (["boxes", 0], 4, "boxes that cannot be"),
        (["calibration", "peaks"], [1.0, 2.0], "calibration.peaks that cannot be"),
        (["calibration", "hours"], 0.0, "calibration.hours that cannot be"),
        (["calibration", "blocks", 0], -1, "calibration.blocks that cannot be"),
        (["quantiles"], [], "quantiles that cannot be"),
        (["belongs", "alpha"], 0.5, "belongs.alpha that cannot be"),
        (["belongs", "memory"], "carry", "found belongs.memory 'carry', expected frozen or video"),
        (["confidence"], 1.0, "confidence that cannot be"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, place: list[Any], value: Any, words: str) -> None:
    fields = json.loads(record().to_json())
    inner = fields
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / RECORD).write_text(json.dumps(fields))
    with pytest.raises(CalibrationError) as caught:
        load_calibration(Storage(str(tmp_path)))
    assert words in str(caught.value)
    assert str(caught.value).endswith("run calibrate again")
    assert "\n" not in str(caught.value)


def small() -> CalibrationRecord:
    """A record of which each value is as likely to be mutated as the others."""
    made = record()
    short = dataclasses.replace(made.calibration, peaks=(3.0, 2.0), blocks=(0, 1))
    return dataclasses.replace(made, calibration=short)


def use(home: Path) -> None:
    """Read a calibration and do with it all that is done with one."""
    try:
        found = load_calibration(Storage(str(home)))
    except CalibrationError as error:
        assert "\n" not in str(error)
        OUTCOMES["refused"] += 1
        return
    OUTCOMES["read"] += 1
    for rate in (0.1, 1.0, 1000.0):
        found.calibration.threshold(rate, delta_of(found.confidence))
    hours, _ = found.calibration.rarity(np.array([-5.0, 0.0, 50.0]))
    assert np.isfinite(hours).all()
    found.standard.evidence(np.array(found.mean))
    assert load_from(found.added([noise(5, seconds=30)])).calibration.hours > 0


def load_from(found: CalibrationRecord) -> CalibrationRecord:
    return record_from_json(parse_json(found.to_json(), "it"))


@settings(max_examples=300)
@given(data=st.data())
def test_json_that_was_tampered_with_is_one_line_or_of_use(home: Path, data: st.DataObject) -> None:
    fields = json.loads(small().to_json())
    quantiles = json.dumps(fields.pop("quantiles")).encode()
    text = data.draw(mutated_json(fields))
    if text.startswith(b'{"'):
        text = b'{"quantiles": ' + quantiles + b", " + text[1:]
    (home / RECORD).write_bytes(text)
    use(home)


@settings(max_examples=200)
@given(data=st.data())
def test_bytes_that_were_damaged_are_one_line_or_of_use(home: Path, data: st.DataObject) -> None:
    (home / RECORD).write_bytes(data.draw(mutated_bytes(small().to_json())))
    use(home)
