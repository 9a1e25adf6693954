"""What raises alarms: a calibration, what is asked of it, and moments that are held against it.

    alarms = alarms_of(tool, home, Asked(alarms_per_hour=0.5))
    watch = Watch(alarms)
    for moment in tool.moments(frames):
        watched = watch.push(moment)               # evidence, rarity, alarm
    watch.finish()                                 # the event that the end of the video cuts off

Files and cameras, commands and the Python interface go through it.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mnad.local_error import Place
from mnad.rates import Refusal, Threshold
from pipeline.errors import CalibrationError
from pipeline.runs.calibration import (
    RECORD,
    CalibrationRecord,
    calibrated_profiles,
    delta_of,
    load_calibration,
    record_name,
)
from pipeline.runs.promises import promise, refusal
from pipeline.scoring.calibrating import calibrate_command
from pipeline.scoring.choices import MEAN, Asked, Score
from pipeline.scoring.drifting import Counter, Drift, Seen, drift
from pipeline.scoring.instrument import Instrument
from pipeline.scoring.moments import Moment
from pipeline.scoring.signals import Signals, signals_of, uncalibrated
from pipeline.scoring.watching import Baseline, Episode, Watched, Watcher
from pipeline.video.profiles import CHROMA, profiles
from shards.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Alarms:
    """What frames are held against, and what raises alarms as far as the hours carry it.

    Attributes:
        record: the calibration.
        answer: the threshold that keeps the rate, or what is missing for one.
        digest: of all that alarms follow from.
        profiles: the same of each profile that frames may be of; empty where all are of one.
        notes: what a reader must know.
    """

    record: CalibrationRecord
    answer: Threshold | Refusal
    digest: str
    profiles: Mapping[str | None, "Alarms"] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def records(self) -> dict[str | None, CalibrationRecord]:
        """All calibrations in it, by their profiles."""
        return {each.record.profile: each.record for each in (self, *self.profiles.values())}

    def of(self, profile: str | None) -> "Alarms":
        """What frames of a profile are held against."""
        return self.profiles.get(profile, self)

    @property
    def threshold(self) -> Threshold | None:
        """What opens and closes an alarm; None where the hours carry no promise."""
        return self.answer if isinstance(self.answer, Threshold) else None

    @property
    def promise(self) -> str | None:
        """What holds of the alarms, in words; None where there is none."""
        threshold = self.threshold
        return None if threshold is None else promise(threshold, optimistic=self.record.optimistic)

    @property
    def refusal(self) -> str | None:
        """What is missing for a promise, in words; None if there is one."""
        return refusal(self.answer) if isinstance(self.answer, Refusal) else None

    @property
    def baseline(self) -> Baseline:
        """What frames are held against."""
        return Baseline(
            standard=self.record.standard,
            calibration=self.record.calibration,
            quantiles=np.array(self.record.quantiles),
            threshold=self.threshold,
        )

    @property
    def least_hours(self) -> float:
        """The rarity of all that is usual: no less can be told."""
        return float(self.record.calibration.rarity(np.array([-np.inf]))[0][0])

    @property
    def limit_hours(self) -> float | None:
        """The rarity that opens an alarm; None where none is raised."""
        threshold = self.threshold
        if threshold is None:
            return None
        return float(self.record.calibration.rarity(np.array([threshold.on]))[0][0])

    @property
    def limits(self) -> dict[str | None, float]:
        """The rarity that opens an alarm, by the profile of the frame; none where no alarm is raised."""
        each = self.profiles or {self.record.profile: self}
        found = {name: alarms.limit_hours for name, alarms in each.items()}
        return {name: limit for name, limit in found.items() if limit is not None}

    @property
    def _bar(self) -> float:
        """How high evidence has to be, as signals in dB; comparable between calibrations of one model."""
        if self.threshold is None:
            return -math.inf
        standard = self.record.standard
        return float((standard.mean + self.threshold.on * standard.deviation).mean())


def alarms_of(tool: Instrument, home: Storage, asked: Asked) -> Alarms | None:
    """What raises alarms; None where nothing is calibrated.

    Args:
        tool: the model.
        home: of the run, where its calibrations lie.
        asked: of them. A rate or confidence that is asked for here must be carried; if a calibration does
            not carry what it was made for, there is no threshold.

    Raises:
        CalibrationError: one is of something else, damaged, or too short for what is asked; or which profile
            frames are of is to be told.
    """
    wanted = profiles(asked.profile)
    there = [*calibrated_profiles(home), *(each for each in wanted if home.exists(record_name(each)))]
    if not there:
        if asked.score == "paper":
            raise CalibrationError(
                f"{home}/{RECORD}: not found, expected the spread of PSNR and feature distance on normal "
                "video, by which --score paper weighs them; run calibrate RUN --score paper first"
            )
        return None
    if asked.profile is None:
        if None not in there:
            raise CalibrationError(
                f"{home}: found calibrations of {' and '.join(map(str, there))} alone, expected to be told "
                f"what the video shows; give --profile {there[0]}, or --profile {CHROMA}"
            )
        return _answered(tool, home, asked, None)
    own = {each: _answered(tool, home, asked, each) for each in wanted if each in there}
    missing = [each for each in wanted if each not in own]
    if not missing and len(own) == 1:
        return own[asked.profile]
    others = {each: _answered(tool, home, asked, each) for each in there if missing and each not in own}
    strictest = max((*own.values(), *others.values()), key=lambda alarms: alarms._bar)
    of = "all video" if strictest.record.profile is None else str(strictest.record.profile)
    notes = tuple(
        f"no calibration of profile {each}: its frames are held against the strictest, that of {of}"
        for each in missing
    )
    notes += tuple(
        f"no alarm is raised in frames of profile {each}: {alarms.refusal}"
        for each, alarms in own.items()
        if alarms.refusal is not None and strictest.threshold is not None
    )
    every = {each: own.get(each, strictest) for each in wanted}
    digest = hashlib.sha256("".join(alarms.digest for alarms in every.values()).encode()).hexdigest()
    return dataclasses.replace(strictest, digest=digest, profiles=every, notes=notes)


def unarmed(
    alarms: Alarms | None,
    tool: Instrument,
    checkpoint: str,
    *,
    score: Score | None = None,
    mask: str | None = None,
) -> str | None:
    """Why no alarm can be raised, and the command that mends it; None if one can.

    Args:
        alarms: what frames are held against.
        tool: the model, as it scores.
        checkpoint: location of the run.
        score: that is asked for.
        mask: location of the mask.
    """
    if alarms is None:
        command = calibrate_command(
            checkpoint,
            profile=profiles(tool.profile)[0],
            mask=mask,
            score=score,
            memory=tool.scorer.memory,
            runtime=tool.runtime,
            precision=tool.precision,
        )
        return f"no calibration, so no alarm is raised; make one: {command}"
    if alarms.refusal is not None:
        record = alarms.record
        command = calibrate_command(checkpoint, record.belongs, profile=record.profile, mask=mask, adds=True)
        return f"no promise, so no alarm is raised: {alarms.refusal}; more: {command}"
    return None


def _answered(tool: Instrument, home: Storage, asked: Asked, profile: str | None) -> Alarms:
    """What the calibration of one profile answers."""
    name = record_name(profile)
    where = f"{home}/{name}"
    record = load_calibration(home, name)
    found = tool.belongings(asked.score or record.belongs.score)
    if found.score == record.belongs.score:  # whose weight is the calibration's to say
        found = dataclasses.replace(found, alpha=record.belongs.alpha)
    record.refuse_other(found, where)
    rate = record.alarms_per_hour if asked.alarms_per_hour is None else asked.alarms_per_hour
    answer = record.calibration.threshold(rate, delta_of(_confidence(record, asked)))
    is_asked_here = asked.alarms_per_hour is not None or asked.confidence is not None
    if isinstance(answer, Refusal) and is_asked_here:
        raise CalibrationError(f"{where}: {refusal(answer)}")
    digest = hashlib.sha256(record.to_json() + repr(answer).encode()).hexdigest()
    return Alarms(record=record, answer=answer, digest=digest)


def _confidence(record: CalibrationRecord, asked: Asked) -> float | None:
    if asked.confidence is None:
        return record.confidence
    return None if asked.confidence == MEAN else float(asked.confidence)


class Watch:
    """Watches one video or camera.

    Args:
        alarms: what its frames are held against; None without a calibration.
        score: what evidence is made of then.
    """

    def __init__(self, alarms: Alarms | None, score: Score = "local") -> None:
        self._alarms, self._score = alarms, score
        self._profile: str | None = None
        self._signals: Signals | None = None if alarms is None else signals_of(alarms.record)
        self._watcher = Watcher(Baseline.uncalibrated() if alarms is None else alarms.baseline)
        self._counters: dict[str | None, Counter] = {}
        if alarms is not None:
            self._counters = {None: Counter(alarms.record)}
        if alarms is not None and alarms.profiles:
            own = {name: one.record for name, one in alarms.profiles.items() if one.record.profile == name}
            self._counters = {name: Counter(record) for name, record in own.items()}

    @property
    def episode(self) -> Episode | None:
        """The event that is open, or that can still be reopened."""
        return self._watcher.episode

    def push(self, moment: Moment) -> Watched:
        """Take the next moment."""
        self._turn(moment.profile)
        signals = self._signals
        values = uncalibrated(moment, self._score) if signals is None else signals.of(moment)
        watched = self._watcher.push(moment.frame, moment.seconds, values, restart=moment.gap)
        counter = self._counters.get(moment.profile if self._is_of_several else None)
        if counter is not None:
            counter.push(moment.seconds, watched.evidence if watched.is_settled else -math.inf)
        return watched

    @property
    def _is_of_several(self) -> bool:
        return self._alarms is not None and bool(self._alarms.profiles)

    @property
    def seen(self) -> Seen | None:
        """What tells drift; None without a calibration, or with several."""
        counter = None if self._is_of_several else self._counters.get(None)
        return None if counter is None else counter.seen

    @property
    def drifts(self) -> dict[str | None, Drift]:
        """How each profile that has a calibration of its own compares with it; that of all video is None."""
        alarms = self._alarms
        if alarms is None:
            return {}
        return {name: drift(alarms.of(name).record, one.seen) for name, one in self._counters.items()}

    def _turn(self, profile: str | None) -> None:
        """Hold what comes against the calibration of its profile; moments begin anew where that changes."""
        if profile == self._profile or self._alarms is None:
            return
        self._profile = profile
        now = self._alarms.of(profile)
        self._signals = signals_of(now.record)
        self._watcher.hold_against(now.baseline)

    @property
    def alarms(self) -> Alarms | None:
        """What the last moment was held against."""
        return None if self._alarms is None else self._alarms.of(self._profile)

    def box(self, watched: Watched) -> int | None:
        """The box of the evidence that a moment's evidence is from; None is the one of the column."""
        is_boxed = self._signals is not None and self._signals.score == "local"
        return watched.signal if is_boxed else None

    def place(self, moment: Moment, watched: Watched) -> Place:
        """The most abnormal place of a moment."""
        return moment.place(self.box(watched))

    def cut(self) -> Episode | None:
        """The event that a break of the video ends; what opens an alarm next is another one."""
        return self._watcher.cut()

    def finish(self) -> Episode | None:
        """The event that the end of the video ends: it was open, or could have been reopened."""
        return self._watcher.finish()
