"""Events that a person has called normal, as alarms of normal video in the calibration that they came by.

Hours are not added: nobody has said that all that the camera saw meanwhile was normal. So thresholds rise or
stay. What is counted follows the labels of the logs, so the command may be run again, and a label that was
taken away is taken back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mnad.rates import Threshold
from pipeline.calibrate.config import FeedbackConfig
from pipeline.errors import CalibrationError
from pipeline.events.event import Event
from pipeline.events.listing import folders
from pipeline.events.log import read_events
from pipeline.processes.locking import sole
from pipeline.runs.armed import Armed, in_force, load_armed
from pipeline.runs.calibration import (
    RECORD,
    CalibrationRecord,
    Labelled,
    calibrated_profiles,
    delta_of,
    load_calibration,
    record_name,
)
from pipeline.runs.layout import LEARNED, home_of
from pipeline.scoring.happenings import KIND
from shards.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A watched camera.

    Attributes:
        armed: what its frames are held against.
        events: its anomalies.
    """

    armed: Armed
    events: tuple[Event, ...]


@dataclass(frozen=True, kw_only=True)
class Counted:
    """A calibration with the events that were called normal.

    Attributes:
        file: it.
        before, after: what it held, and holds.
        strangers: events called normal that another calibration has raised, or that have no time.
    """

    file: str
    before: CalibrationRecord
    after: CalibrationRecord
    strangers: int

    @property
    def change(self) -> tuple[int, int]:
        """How many events are new in it, and how many are gone."""
        before, after = ({each.event for each in one.labelled} for one in (self.before, self.after))
        return len(after - before), len(before - after)

    @property
    def thresholds(self) -> tuple[Threshold | None, Threshold | None]:
        """What opened an alarm at the rate of the calibration, and what opens one now."""
        return _threshold(self.before), _threshold(self.after)

    @property
    def still(self) -> int:
        """Events called normal that would raise an alarm all the same, for the rate leaves room for them."""
        threshold = _threshold(self.after)
        if threshold is None:
            return 0
        return sum(each.evidence >= threshold.on for each in self.after.labelled)


def feedback(config: FeedbackConfig) -> list[Counted]:
    """Count the events of watched cameras that a person has called normal.

    Returns:
        Each calibration that was looked at; it is written only if it changed.

    Raises:
        CalibrationError: there is no calibration, or a damaged one.
        SourceError: there is no log, or a damaged one.
        StorageError: one cannot be read or written.
        BusyError: another process works in the run.
    """
    run = Storage(home_of(config.run))
    cameras: dict[str, list[Camera]] = {}
    homes = {run.path(""): run}
    for path in folders(config.watched):
        folder = Storage(str(path))
        armed = load_armed(folder)
        home, _ = in_force(Storage(str(path / LEARNED)), run, armed.refuse_others)
        homes[home.path("")] = home
        events = tuple(event for event in read_events(folder) if event.kind == KIND)
        cameras.setdefault(home.path(""), []).append(Camera(armed=armed, events=events))
    return [one for path, found in cameras.items() for one in _counted(homes[path], found)]


def _counted(home: Storage, cameras: Sequence[Camera]) -> Iterator[Counted]:
    """The calibrations of a folder with the events of the cameras that are held against them."""
    profiles = calibrated_profiles(home)
    if not profiles:
        raise CalibrationError(
            f"{home}/{RECORD}: not found, expected the calibration that the cameras are watched with; give "
            "the run that watch was given"
        )
    with sole("calibration or training", home):
        for profile in profiles:
            name = record_name(profile)
            before = load_calibration(home, name)
            after = before.with_labelled(labelled(before, cameras))
            if after != before:
                after.save(home)
            yield Counted(
                file=f"{home}/{name}", before=before, after=after, strangers=_strangers(after, cameras)
            )


def labelled(record: CalibrationRecord, cameras: Sequence[Camera]) -> list[Labelled]:
    """The events that count in a calibration, by the labels of now; those of other logs stay as they are."""
    events = {event.id: event for camera in cameras for event in camera.events}
    counted = {each.event: each for each in record.labelled}
    found = {
        name: each for name, each in counted.items() if name not in events or events[name].label == "normal"
    }
    for camera in cameras:
        for event in camera.events:
            if event.label == "normal" and event.id not in found and _is_its(record, camera.armed, event):
                assert event.peak is not None  # an anomaly has one
                found[event.id] = Labelled(event=event.id, camera=event.camera, evidence=event.peak.evidence)
    return list(found.values())


def _is_its(record: CalibrationRecord, armed: Armed, event: Event) -> bool:
    """Whether an event's evidence is measured by a calibration."""
    since = armed.since(record)
    is_of_profile = event.threshold is not None and event.threshold.profile == record.profile
    return is_of_profile and since is not None and event.start is not None and event.start >= since


def _strangers(record: CalibrationRecord, cameras: Sequence[Camera]) -> int:
    counted = {each.event for each in record.labelled}
    return sum(
        event.label == "normal"
        and event.id not in counted
        and event.threshold is not None
        and event.threshold.profile == record.profile
        for camera in cameras
        for event in camera.events
    )


def _threshold(record: CalibrationRecord) -> Threshold | None:
    found = record.calibration.threshold(record.alarms_per_hour, delta_of(record.confidence))
    return found if isinstance(found, Threshold) else None
