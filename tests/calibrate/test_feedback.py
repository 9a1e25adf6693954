"""What a person has called normal counts in the calibration, as long as they call it so."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mnad.rates import Threshold
from pipeline.calibrate.config import FeedbackConfig
from pipeline.calibrate.feedback import Counted, feedback
from pipeline.calibrate.words import counted, remarks
from pipeline.errors import CalibrationError, SourceError
from pipeline.events.event import Event, Label, event_id
from pipeline.events.log import writing
from pipeline.runs.armed import Armed, load_armed, save_armed
from pipeline.runs.calibration import CalibrationRecord, load_calibration
from shards.storage import Storage
from tests.helpers.calibrations import made_of, noise
from tests.helpers.commands import command
from tests.helpers.commands import run as run_command
from tests.helpers.events import THRESHOLD, event, peak

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def record() -> CalibrationRecord:
    """Of an hour, whose rate leaves room for a few alarms."""
    return made_of([noise(1), noise(2)])


@pytest.fixture
def run(record: CalibrationRecord, tmp_path: Path) -> Path:
    record.save(Storage(str(tmp_path / "run")))
    return tmp_path / "run"


def watched(folder: Path, record: CalibrationRecord, labels: dict[float, Label | None]) -> None:
    """A camera that is held against a calibration since `NOW`; an event by its evidence, a minute apart."""
    storage = Storage(str(folder))
    save_armed(storage, load_armed(storage).turned([record], NOW))
    with writing(storage) as log:
        for number, (evidence, label) in enumerate(labels.items(), 1):
            log.say(alarm(folder.name, NOW + timedelta(minutes=number), evidence, label))


def alarm(camera: str, start: datetime | None, evidence: float, label: Label | None) -> Event:
    threshold = dataclasses.replace(THRESHOLD, profile=None)
    return event(
        id=event_id(camera, "", "anomaly", 0.0 if start is None else start),
        camera=camera,
        start=start,
        end=None if start is None else start + timedelta(seconds=4.5),
        peak=peak(time=start, seconds=2.0, evidence=evidence),
        threshold=threshold,
        label=label,
    )


def told(run: Path, out: Path) -> Counted:
    (one,) = feedback(FeedbackConfig(run=str(run), watched=str(out)))
    return one


def level(record: CalibrationRecord, rate: float) -> float:
    found = record.calibration.threshold(rate)
    assert isinstance(found, Threshold)
    return found.on


def test_levels_rise_by_what_was_called_normal_and_by_nothing_else(
    record: CalibrationRecord, run: Path, tmp_path: Path
) -> None:
    watched(tmp_path / "out/yard", record, {30.0: "normal", 40.0: "normal", 50.0: "real", 60.0: None})
    one = told(run, tmp_path / "out")
    assert [(each.camera, each.evidence) for each in one.after.labelled] == [("yard", 40.0), ("yard", 30.0)]
    assert one.after.calibration.hours == record.calibration.hours
    assert all(level(one.after, rate) >= level(record, rate) for rate in (2.4, 3, 6, 12, 60))
    assert 40.0 < level(one.after, 2.4) < 50.0  # a rate that leaves room for no alarm
    assert load_calibration(Storage(str(run))) == one.after
    said = list(counted(one))
    assert said[0] == "2 events called normal, 2 of them new"
    assert "to which 2 events that were called normal are added" in said[-1]


def test_a_rate_that_leaves_room_for_them_says_so(
    record: CalibrationRecord, run: Path, tmp_path: Path
) -> None:
    watched(tmp_path / "out/yard", record, {30.0: "normal"})
    one = told(run, tmp_path / "out")
    assert one.still == 1
    assert any("1 event called normal would raise an alarm again" in line for line in remarks([one]))


def test_run_twice_it_counts_once_and_a_label_taken_away_is_taken_back(
    record: CalibrationRecord, run: Path, tmp_path: Path
) -> None:
    watched(tmp_path / "out/yard", record, {30.0: "normal", 40.0: "normal"})
    first = told(run, tmp_path / "out")
    assert told(run, tmp_path / "out").after == first.after
    watched(tmp_path / "other/gate", record, {35.0: "normal"})
    assert [each.evidence for each in told(run, tmp_path / "other").after.labelled] == [40.0, 35.0, 30.0]
    watched(tmp_path / "out/yard", record, {30.0: None, 40.0: "real"})
    one = told(run, tmp_path / "out")
    assert one.change == (0, 2)
    assert [each.camera for each in one.after.labelled] == ["gate"]
    watched(tmp_path / "other/gate", record, {35.0: None})
    assert told(run, tmp_path / "other").after == record
    assert load_calibration(Storage(str(run))) == record


def test_what_another_calibration_has_raised_does_not_count_and_is_told(
    record: CalibrationRecord, run: Path, tmp_path: Path
) -> None:
    watched(tmp_path / "out/yard", made_of([noise(7)]), {30.0: "normal"})
    one = told(run, tmp_path / "out")
    assert (one.after, one.strangers) == (record, 1)
    assert "1 event called normal left out" in next(remarks([one]))
    folder = Storage(str(tmp_path / "out/yard"))
    save_armed(folder, load_armed(folder).turned([record], NOW + timedelta(seconds=90)))
    with writing(folder) as log:
        log.append(alarm("yard", None, 33.0, "normal"))
        log.append(alarm("yard", NOW + timedelta(minutes=3), 32.0, "normal"))
    one = told(run, tmp_path / "out")
    assert [each.evidence for each in one.after.labelled] == [32.0]
    assert one.strangers == 2
    save_armed(folder, load_armed(folder).turned([one.after], NOW + timedelta(hours=1)))
    assert told(run, tmp_path / "out").after == one.after


def test_a_camera_that_was_learned_has_its_own(record: CalibrationRecord, run: Path, tmp_path: Path) -> None:
    own = made_of([noise(3), noise(4)])
    watched(tmp_path / "out/yard", own, {30.0: "normal"})
    own.save(Storage(str(tmp_path / "out/yard/learned")))
    one = told(run, tmp_path / "out")
    assert one.file.endswith("out/yard/learned/calibration.json")
    assert [each.evidence for each in one.after.labelled] == [30.0]
    assert load_calibration(Storage(str(run))) == record


def test_what_was_learned_for_another_model_counts_no_more_than_in_a_watch(
    record: CalibrationRecord, run: Path, tmp_path: Path
) -> None:
    stale = dataclasses.replace(made_of([noise(3), noise(4)]), profile="day")
    folder = Storage(str(tmp_path / "out/yard"))
    save_armed(folder, Armed().turned([stale], NOW - timedelta(hours=1)))
    watched(tmp_path / "out/yard", record, {30.0: "normal"})
    stale.save(Storage(str(tmp_path / "out/yard/learned")))
    one = told(run, tmp_path / "out")
    assert one.file.endswith("run/calibration.json")
    assert ([each.evidence for each in one.after.labelled], one.strangers) == ([30.0], 0)
    (tmp_path / "out/yard/learned/calibration-day.json").write_text("{}")
    assert told(run, tmp_path / "out").file.endswith("run/calibration.json")


def test_there_must_be_a_calibration_and_a_log(run: Path, tmp_path: Path, record: CalibrationRecord) -> None:
    with pytest.raises(SourceError, match=r"found no events\.jsonl"):
        told(run, tmp_path)
    watched(tmp_path / "out/yard", record, {})
    with pytest.raises(CalibrationError, match=r"calibration\.json: not found, expected the calibration"):
        told(tmp_path / "empty", tmp_path / "out")


def test_a_damaged_note_of_what_is_armed_counts_nothing(
    record: CalibrationRecord, run: Path, tmp_path: Path
) -> None:
    watched(tmp_path / "out/yard", record, {30.0: "normal"})
    (tmp_path / "out/yard/armed.json").write_text('{"standards": [{"profile": null}]}')
    assert told(run, tmp_path / "out").after == record


def test_the_command_says_what_has_become_of_the_level(
    record: CalibrationRecord, run: Path, tmp_path: Path
) -> None:
    watched(tmp_path / "out/yard", record, {30.0: "normal", 40.0: "normal", 50.0: "normal", 60.0: "normal"})
    done = run_command(command("feedback", run, tmp_path / "out"))
    assert "4 events called normal, 4 of them new" in done.stdout
    assert "alarms from evidence" in done.stdout
    assert "start it again to hold frames against this" in done.stderr
