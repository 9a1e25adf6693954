"""What scoring a video found: `score.json`, which says of what, and, written anew last, that it is whole."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from pipeline.runs.entries import entries
from pipeline.scoring.drifting import Drift, Seen
from shards.jsonfile import read_json
from shards.storage import Storage

RECORD = "score.json"
_FORMAT = "mnad-score"
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Took:
    """Seconds.

    Attributes:
        total: of the clock.
        scoring: of them, in which the model and what looks at its errors ran.
        waiting: of them, for frames; what is left went into pictures, table and events.
        decoding: that another process decoded and resized meanwhile.
    """

    total: float
    scoring: float
    waiting: float
    decoding: float

    def __add__(self, other: "Took") -> "Took":
        return Took(
            total=self.total + other.total,
            scoring=self.scoring + other.scoring,
            waiting=self.waiting + other.waiting,
            decoding=self.decoding + other.decoding,
        )


@dataclass(frozen=True, kw_only=True)
class Result:
    """Of a video that was scored to its end.

    Attributes:
        frames: that have a score.
        seconds: of video that they cover.
        took: where the seconds went that it took.
        is_calibrated: whether its evidence is held against a calibration.
        notes: what a reader must know.
        seen: what tells drift; None where there is nothing to hold it against.
        drift: how it compares with the calibration.
    """

    frames: int
    seconds: float
    took: Took
    is_calibrated: bool
    notes: tuple[str, ...]
    seen: Seen | None
    drift: Drift | None


@dataclass(frozen=True, kw_only=True)
class ScoreRecord:
    """What the results in a folder are of.

    Attributes:
        source: location of the video, without credentials.
        work: all that they follow from, as JSON values.
        result: None while they are not whole.
    """

    source: str
    work: dict[str, Any]
    result: Result | None

    def save(self, folder: Storage) -> None:
        """Write it, whole or not at all."""
        record = {"format": _FORMAT, "version": _VERSION, **dataclasses.asdict(self)}
        folder.write(RECORD, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())


def load_record(folder: Storage) -> ScoreRecord | None:
    """The record of a folder; None if there is none, or something that was not written by this program."""
    try:
        value = read_json(folder, RECORD)
        if (value["format"], value["version"]) != (_FORMAT, _VERSION):
            return None
        return entries(ScoreRecord, value)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def is_half_done(folder: Storage) -> bool:
    """Whether a video was begun and not scored to its end: it was skipped, or the run was stopped."""
    record = load_record(folder)
    return record is not None and record.result is None
