"""What a watched camera's frames are held against, and since when: `armed.json` in the folder of the camera.

Evidence is measured by a calibration. An event that began before means nothing for the one of now.
"""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pipeline.runs.calibration import CalibrationRecord
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

    def turned(self, records: Iterable[CalibrationRecord], now: datetime) -> "Armed":
        """The same with calibrations that frames are held against from now on."""
        known = {each.digest: each for each in self.standards}
        made = {}
        for record in records:
            digest = record.standard_digest
            new = Standard(profile=record.profile, digest=digest, since=now.isoformat())
            made[record.profile] = known.get(digest, new)
        others = [each for each in self.standards if each.profile not in made]
        return Armed(standards=(*others, *made.values()))


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
