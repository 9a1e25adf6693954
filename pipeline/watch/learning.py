"""From a camera that nobody knows to one that raises alarms: what it sees is kept until it is enough.

`OUT/<camera>/learned/` holds what was seen so far, in pieces, and at the end the calibration. A watch that is
stopped goes on learning when it is started again.
"""

import dataclasses
import logging
import math
from datetime import UTC, datetime

import numpy as np

from mnad.evidence import GAP
from mnad.rates import Refusal
from pipeline.runs.calibration import (
    Calibrated,
    CalibrationRecord,
    Trace,
    calibrated_profiles,
    delta_of,
    record_name,
)
from pipeline.runs.promises import duration, refusal
from pipeline.scoring.fitting import EMPTY, Track, fit, hours_of
from pipeline.scoring.instrument import Instrument
from pipeline.scoring.keeping import Keeper
from pipeline.scoring.moments import Moment
from pipeline.scoring.signals import Signals
from pipeline.video.profiles import profiles
from shards.errors import StorageError
from shards.storage import Storage

PIECE_SECONDS = 600.0
"""The most seconds of what is seen that a kill may lose."""
_FIRST = "0"
"""The first piece; the others have numbers that go on."""
_AGAIN_SECONDS = 60.0
"""Seconds after which what could not be written is tried again."""

logger = logging.getLogger(__name__)


class Learner:
    """Learns one camera.

    Args:
        name: of the camera.
        tool: that scores its frames.
        home: where it keeps what it has seen, and leaves the calibration.
        hours: to learn.
        alarms_per_hour, confidence: to be asked of the calibration; no confidence is of the mean.
    """

    def __init__(
        self,
        name: str,
        tool: Instrument,
        home: Storage,
        hours: float,
        alarms_per_hour: float,
        confidence: float | None,
    ) -> None:
        self._name, self._tool, self._home, self._wanted = name, tool, home, hours
        self._alarms_per_hour, self._confidence = alarms_per_hour, confidence
        self._belongs = tool.belongings("local")
        self._signals = Signals(score="local")
        self._keeper = Keeper(home, self._belongs, of_version=False)
        self._profiles = profiles(tool.profile)
        self._pieces: list[dict[str | None, Trace]] = []
        self._tracks: dict[str | None, Track] = {}
        self._started: float | None = None
        self._tried = -math.inf
        self._reason = ""
        while (piece := self._kept(len(self._pieces))) is not None:
            self._pieces.append(piece)
        self._hours = sum(_hours(piece) for piece in self._pieces)

    @property
    def words(self) -> str:
        """How far it is."""
        return (
            f"no alarm is raised while the camera is learned, {duration(self._hours, ('h', 'min', 's'))} of "
            f"{duration(self._wanted, ('h', 'min', 's'))} so far{self._reason}"
        )

    def push(self, moment: Moment) -> bool:
        """Take the next frame; whether the calibration is there now.

        Raises:
            StorageError: what was seen cannot be written; it is tried again with a later frame.
        """
        if self._started is None or moment.seconds < self._started:
            self._started = moment.seconds
        track = self._tracks.setdefault(moment.profile, Track())
        track.append(moment.seconds, self._signals.raw(moment), gap=moment.gap)
        passed = moment.seconds - self._started
        if passed < PIECE_SECONDS and self._hours + passed / 3600 < self._wanted:
            return False
        if moment.seconds - self._tried < _AGAIN_SECONDS:
            return False
        try:
            self.keep()
            return self._hours >= self._wanted and self._is_made()
        except StorageError:
            self._tried = moment.seconds
            raise

    def keep(self) -> None:
        """Write down what was seen since the last piece.

        Raises:
            StorageError: it cannot be written.
        """
        if not self._tracks:
            return
        piece = {each: self._tracks[each].trace if each in self._tracks else EMPTY for each in self._profiles}
        for profile, trace in piece.items():
            self._keeper.save(str(len(self._pieces)), profile, trace)
        self._pieces.append(piece)
        self._hours += _hours(piece)
        self._tracks, self._started = {}, None

    def _is_made(self) -> bool:
        """Whether what was seen carries the rate that is asked for; else a tenth more is learned."""
        records = []
        for profile in self._profiles:
            of = "" if profile is None else f"{profile}: "
            try:
                record = self._record(profile)
            except ValueError as error:
                self._later(f"{of}{error}")
                return False
            if record is None:
                continue
            found = record.calibration.threshold(record.alarms_per_hour, delta_of(record.confidence))
            if isinstance(found, Refusal):
                self._later(f"{of}{refusal(found)}")
                return False
            records.append(record)
        for record in records:
            record.save(self._home)
        made = [record.profile for record in records]
        for profile in calibrated_profiles(self._home):
            if profile not in made:  # of a model that the camera had before
                self._home.delete(record_name(profile))
        self._keeper.drop(_FIRST, self._profiles[0])  # from now on it is learned, see `is_cut_off`
        self._keeper.clear()
        return True

    def _record(self, profile: str | None) -> CalibrationRecord | None:
        """The calibration of a profile; None if nothing of it was seen."""
        traces = [piece[profile] for piece in self._pieces if len(piece[profile].seconds)]
        if not traces:
            return None
        record = fit(
            self._tool,
            self._belongs,
            profile,
            traces,
            alarms_per_hour=self._alarms_per_hour,
            confidence=self._confidence,
        )
        seen = sum(hours_of(record, trace) for trace in traces)
        identity = f"{self._name} {datetime.now(UTC):%Y-%m-%d %H:%M}"
        listed = Calibrated(name=self._name, identity=identity, hours=seen)
        return dataclasses.replace(record, checkpoint=self._tool.checkpoint.name, recordings=(listed,))

    def _later(self, reason: str) -> None:
        logger.warning("%s: not learned yet: %s", self._name, reason)
        self._reason = f" ({reason})"
        self._wanted = self._hours * 1.1

    def _kept(self, number: int) -> dict[str | None, Trace] | None:
        """A piece that an earlier watch has kept."""
        found: dict[str | None, Trace] = {}
        for profile in self._profiles:
            trace = self._keeper.load(str(number), profile)
            if trace is None:
                return None
            found[profile] = trace
        return found


def is_cut_off(tool: Instrument, home: Storage) -> bool:
    """Whether a watch was killed as it wrote the calibrations that it had learned: what they are made of
    goes when all of them are there, its first piece first. They are made again of it.

    Args:
        tool: that scores the camera's frames.
        home: where calibrations lie that belong to these.
    """
    keeper = Keeper(home, tool.belongings("local"), of_version=False)
    return keeper.load(_FIRST, profiles(tool.profile)[0]) is not None


def _hours(piece: dict[str | None, Trace]) -> float:
    """Without the time over which frames are missing."""
    seconds = 0.0
    for trace in piece.values():
        steps = np.diff(trace.seconds)
        seconds += float(steps[steps <= GAP].sum())
    return seconds / 3600
