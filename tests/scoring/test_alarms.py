"""A calibration answers what is asked of it, and is refused by name for what it does not belong to."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mnad.rates import Refusal, Threshold
from pipeline.errors import CalibrationError
from pipeline.runs.calibration import Belongings, CalibrationRecord, delta_of
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.scoring.alarms import Watch, alarms_of
from pipeline.scoring.choices import Asked
from pipeline.scoring.instrument import Instrument, instrument
from shards.storage import Storage
from tests.helpers.calibrated import with_rate
from tests.helpers.calibrations import made_of, noise
from tests.helpers.checkpoints import make_checkpoint

SIZE = (16, 24)


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Instrument:
    file = tmp_path_factory.mktemp("run") / "model.safetensors"
    with_rate(make_checkpoint(file, size=SIZE), file, 10.0)
    return instrument(
        load_checkpoint(str(file)), torch.device("cpu"), memory="frozen", precision="fp32", batch_size=1
    )


@pytest.fixture(scope="module")
def record(tool: Instrument) -> CalibrationRecord:
    """Of an hour, for six alarms per hour."""
    made = made_of([noise(1), noise(2)])
    return dataclasses.replace(made, belongs=tool.belongings("local"))


def test_what_is_asked_is_answered_and_what_is_not_is_the_calibrations(
    tool: Instrument, record: CalibrationRecord, tmp_path: Path
) -> None:
    home = Storage(str(tmp_path))
    assert alarms_of(tool, home, Asked()) is None
    record.save(home)
    for asked, rate, confidence in (
        (Asked(), 6.0, 0.9),
        (Asked(alarms_per_hour=12), 12.0, 0.9),
        (Asked(confidence=0.8), 6.0, 0.8),
        (Asked(confidence="mean"), 6.0, None),
        (Asked(score="local"), 6.0, 0.9),
    ):
        found = alarms_of(tool, home, asked)
        assert found is not None
        assert found.answer == record.calibration.threshold(rate, delta_of(confidence))
        assert isinstance(found.threshold, Threshold)
        assert found.promise is not None
        assert found.refusal is None


def test_hours_that_carry_no_promise_are_an_error_only_where_one_is_asked_for(
    tool: Instrument, record: CalibrationRecord, tmp_path: Path
) -> None:
    home = Storage(str(tmp_path))
    dataclasses.replace(record, alarms_per_hour=0.5).save(home)
    found = alarms_of(tool, home, Asked(score="local"))
    assert found is not None
    assert isinstance(found.answer, Refusal)
    assert (found.threshold, found.promise, found.limit_hours, found.baseline.threshold) == (None,) * 4
    assert found.refusal is not None
    for asked in (Asked(alarms_per_hour=0.5), Asked(confidence=0.9)):
        with pytest.raises(CalibrationError, match=r"calibration\.json: 0\.5 alarms/h at 90 % needs"):
            alarms_of(tool, home, asked)


def saved(home: Storage, record: CalibrationRecord, profile: str | None, louder: float) -> None:
    """The calibration of a profile whose signals are higher by so many dB."""
    mean = tuple(value + louder for value in record.mean)
    dataclasses.replace(record, profile=profile, mean=mean).save(home)


def test_a_profile_has_its_own_calibration_or_the_strictest(
    tool: Instrument, record: CalibrationRecord, tmp_path: Path
) -> None:
    home = Storage(str(tmp_path))
    for profile, louder in (("day", 3.0), ("night", 1.0)):
        saved(home, record, profile, louder)
    night = alarms_of(tool, home, Asked(profile="night"))
    assert night is not None
    assert (night.record.profile, night.notes, night.of("night")) == ("night", (), night)
    with pytest.raises(CalibrationError, match=r"of day and night alone.*--profile day, or"):
        alarms_of(tool, home, Asked())
    dusk = alarms_of(tool, home, Asked(profile="dusk"))
    assert dusk is not None
    assert dusk.of("dusk").record.profile == "day"
    assert dusk.notes == (
        "no calibration of profile dusk: its frames are held against the strictest, that of day",
    )
    saved(home, record, None, 5.0)
    dusk = alarms_of(tool, home, Asked(profile="dusk"))
    assert dusk is not None
    assert dusk.notes[0].endswith("that of all video")
    assert alarms_of(tool, home, Asked(profile="night")) == night
    plain = alarms_of(tool, home, Asked())
    assert plain is not None
    assert plain.record.profile is None


def test_by_chroma_each_kind_has_its_own_and_one_that_promises_nothing_is_told(
    tool: Instrument, record: CalibrationRecord, tmp_path: Path
) -> None:
    home = Storage(str(tmp_path))
    saved(home, record, "colour", 2.0)
    both = alarms_of(tool, home, Asked(profile="chroma"))
    assert both is not None
    assert (both.of("colour").record, both.of("infrared").record) == (both.record,) * 2
    assert both.notes[0].startswith("no calibration of profile infrared: its frames")
    saved(home, dataclasses.replace(record, alarms_per_hour=0.5), "infrared", 4.0)
    both = alarms_of(tool, home, Asked(profile="chroma"))
    assert both is not None
    assert both.of("infrared").threshold is None
    assert both.threshold == both.of("colour").threshold
    assert both.notes[0].startswith("no alarm is raised in frames of profile infrared: 0.5 alarms/h at 90 %")
    assert set(both.records) == {"colour", "infrared"}


def test_each_profile_is_held_against_its_own_calibration_for_drift(
    tool: Instrument, record: CalibrationRecord, tmp_path: Path
) -> None:
    home = Storage(str(tmp_path))
    for profile in ("colour", "infrared"):
        saved(home, record, profile, 0.0)
    both = alarms_of(tool, home, Asked(profile="chroma"))
    assert both is not None
    watch = Watch(both)
    usual, rare = (record.standard.mean + z * record.standard.deviation for z in (-1.0, 20.0))
    for second in range(800):
        profile, began = ("colour", 0) if second < 400 else ("infrared", 400)
        is_rare = profile == "infrared" and second % 40 < 4
        moment: Any = SimpleNamespace(
            frame=second,
            seconds=float(second),
            local=rare if is_rare else usual,
            gap=second == began,
            profile=profile,
        )
        watch.push(moment)
    assert {name: one.verdict for name, one in watch.drifts.items()} == {
        "colour": None,
        "infrared": "recalibrate",
    }
    assert watch.drifts["colour"].seen_hours == pytest.approx(398 / 3600, abs=2 / 3600)
    assert watch.seen is None
    saved(home, record, None, 0.0)
    strictest = alarms_of(tool, home, Asked(profile="dusk"))
    assert Watch(strictest).drifts == {}
    assert list(Watch(alarms_of(tool, home, Asked())).drifts) == [None]


OTHER: dict[str, Any] = {
    "checkpoint": ("f" * 64, "the checkpoint with SHA-256 ffffffffffff"),
    "score": ("psnr", "score psnr"),
    "tau": (0.5, "smoothing over 0.5 s"),
    "mask": ("e" * 64, "the mask eeeeeeeeeeee"),
    "height": (32, "frames of height 32"),
    "width": (32, "frames of width 32"),
    "rate": (25.0, "25 frames/s"),
    "runtime": ("openvino", "runtime openvino"),
    "precision": ("bf16", "precision bf16"),
    "memory": ("video", "memory video"),
}


@pytest.mark.parametrize("name", sorted({field.name for field in dataclasses.fields(Belongings)} - {"alpha"}))
def test_another_calibration_is_refused_by_name(
    tool: Instrument, record: CalibrationRecord, tmp_path: Path, name: str
) -> None:
    value, words = OTHER[name]
    other = dataclasses.replace(record, belongs=dataclasses.replace(record.belongs, **{name: value}))
    if name == "score":
        one = {field: getattr(record, field)[:1] for field in ("mean", "deviation")}
        other = dataclasses.replace(other, boxes=(), **one)
    other.save(Storage(str(tmp_path)))
    with pytest.raises(CalibrationError, match=f"found a calibration of {words}") as told:
        alarms_of(tool, Storage(str(tmp_path)), Asked(score="local"))
    assert "calibrate again as you score, or score as it was calibrated" in str(told.value)
    assert "\n" not in str(told.value)
