"""What a watched camera's frames are held against, and since when: `armed.json` in the folder of the camera.

Evidence is measured by a calibration. An event that began before means nothing for the one of now.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import CalibrationError
from pipeline.runs.calibration import (
    CalibrationRecord,
    calibrated_profiles,
    load_calibration,
    record_name,
)
from pipeline.runs.entries import entries
from shards.jsonfile import read_json
from shards.storage import Storage

RECORD = "armed.json"
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Standard:
    """One of them.

    Attributes:
        profile: of the frames; None is of all.
        digest: see `CalibrationRecord.standard_digest`.
        since: date and time with zone.
    """

    profile: str | None
    digest: str
    since: str

    @property
    def time(self) -> datetime:
        """`since`, parsed."""
        return datetime.fromisoformat(self.since)


@dataclass(frozen=True, kw_only=True)
class Armed:
    """All of them.

    Attributes:
        standards: one for each profile.
    """

    standards: tuple[Standard, ...] = ()

    def since(self, record: CalibrationRecord) -> datetime | None:
        """Since when frames are held against a calibration, or one with more hours; None if they are not."""
        digest = record.standard_digest
        return next((each.time for each in self.standards if each.digest == digest), None)

    def refuse_others(self, records: Mapping[str, CalibrationRecord]) -> None:
        """Keep calibrations from being taken for those that frames are held against now.

        Args:
            records: by where each lies. Of a camera that was never armed none is another.

        Raises:
            CalibrationError: they are others.
        """
        digests = {record.standard_digest for record in records.values()}
        if self.standards and self.standards[-1].digest not in digests:
            raise CalibrationError(
                f"{next(iter(records))}: found a calibration of another time, expected the one that the "
                "camera is held against; learn the camera again"
            )

    def turned(self, records: Iterable[CalibrationRecord], now: datetime) -> "Armed":
        """The same with calibrations that frames are held against from now on, which stand last."""
        known = {each.digest: each for each in self.standards}
        made = {}
        for record in records:
            digest = record.standard_digest
            new = Standard(profile=record.profile, digest=digest, since=now.isoformat())
            made[record.profile] = known.get(digest, new)
        others = [each for each in self.standards if each.profile not in made]
        return Armed(standards=(*others, *made.values()))


def in_force(
    learned: Storage, run: Storage, refuse: Callable[[Mapping[str, CalibrationRecord]], None]
) -> tuple[Storage, str | None]:
    """Which calibrations a watched camera is held against: what it has learned, or else those of the run.

    Args:
        learned: of the camera; it need not be there.
        run: of its checkpoint.
        refuse: raises a CalibrationError if what was learned, by where each calibration lies, is not for the
            camera: `watch` goes by what the camera is now, and who reads what a watch has left by `Armed`.

    Returns:
        Where they lie, and why those that were learned do not count; None if they do, or there are none.
    """
    names = [record_name(profile) for profile in calibrated_profiles(learned)]
    if not names:
        return run, None
    try:
        refuse({f"{learned}/{name}": load_calibration(learned, name) for name in names})
    except CalibrationError as error:
        return run, str(error).rpartition(";")[0]
    return learned, None


def load_armed(folder: Storage) -> Armed:
    """What is written down of a camera; nothing where there is no such file, or one of something else."""
    try:
        found = entries(Armed, read_json(folder, RECORD, most=_MOST_BYTES))
        has_zones = all(each.time.tzinfo is not None for each in found.standards)
    except (FileNotFoundError, ValueError):
        return Armed()
    return found if has_zones else Armed()


def save_armed(folder: Storage, armed: Armed) -> None:
    """Write it down, whole or not at all.

    Raises:
        StorageError: it cannot be written.
    """
    folder.write(RECORD, (json.dumps(dataclasses.asdict(armed), indent=1) + "\n").encode())
