"""The public Python interface: score video, watch frames as they come, read what was scored.

    detector = Detector.load("runs/yard").at(alarms_per_hour=0.5)
    for moment in detector.stream(read_video("today.mp4")):
        if moment.alarm: ...

What has a name without an underscore here is public; every other module may change. Errors that a user can
mend are those of `pipeline.errors`, one line each.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.config import Device
from pipeline.errors import SourceError
from pipeline.events.event import Event
from pipeline.processes.distributed import processes
from pipeline.runs.calibration import load_calibration
from pipeline.score.config import ScoreConfig
from pipeline.score.job import Job, missing, prepare
from pipeline.score.pace import pace
from pipeline.score.record import is_half_done
from pipeline.score.run import score
from pipeline.scoring import moments, rows
from pipeline.scoring.alarms import Alarms, Watch, alarms_of
from pipeline.scoring.choices import OwnMemory, Precision, RuntimeChoice, Score
from pipeline.scoring.drifting import Drift, Seen, drift
from pipeline.scoring.scorer import full_float32
from pipeline.video.decoding import Decoder
from pipeline.video.footage import Footage, found
from pipeline.video.pyav_frames import Findings
from pipeline.video.timed import TimedFrame
from shards import locations
from shards.storage import Storage

__all__ = [
    "Detector",
    "Drift",
    "Event",
    "Moment",
    "Result",
    "Session",
    "TimedFrame",
    "Video",
    "read_scores",
    "read_video",
]

_NOWHERE = "scored"
"""Where results would go; they go nowhere until `Detector.score` says where."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What a frame shows. None is what is not known: nothing is calibrated, or an alarm cannot come yet.

    Attributes:
        frame: number of the frame, from 0.
        seconds: its time.
        psnr, feature_distance, point_score, local_error: as in the table of `score`.
        evidence: standard deviations above normal; uncalibrated, the smoothed local error in dB.
        rarity_hours: normal video shows as much once in so many hours.
        censored: whether it is rarer than that.
        alarm: whether an alarm is open.
        event: number of the event that the alarm is of, from 0.
        box: left, top, width and height of the most abnormal place, as parts of the picture.
        gap: whether frames are missing before it, or are damaged, so that windows began anew.
        profile: of the camera, or None; see `--profile`.
    """

    frame: int
    seconds: float
    psnr: float
    feature_distance: float
    point_score: float
    local_error: float
    evidence: float
    rarity_hours: float | None
    censored: bool
    alarm: bool
    event: int | None
    box: tuple[float, float, float, float]
    gap: bool
    profile: str | None


@dataclass(frozen=True)
class Video:
    """A video, whose frames are decoded as they are drawn, from the first one each time; see `read_video`.

    Of 16-bit images these are the highest 8 bits; a `Detector` that takes the video sees what its model saw.

    Attributes:
        name: of the video.
        rate: images per second of a folder of images, or of frames of a file that does not say, if it was
            given.
    """

    _footage: Footage = dataclasses.field(repr=False)
    rate: float | None = None

    @property
    def name(self) -> str:
        """Of the video."""
        return self._footage.name

    def __iter__(self) -> Iterator[TimedFrame]:
        with Decoder() as decoder, self._footage.local() as path:
            yield from decoder.frames(self._footage, path, Findings(), rate=self.rate)


Frames = Video | np.ndarray | Iterable[TimedFrame]
"""A video; uint8 (F, H, W, 3) BGR at the rate of the model; or frames with their times."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What `score` has written.

    Attributes:
        folders: of the videos, in order.
        events: of all videos, in order.
        drift: how all of them together compare with the calibration; None without one.
    """

    folders: tuple[str, ...]
    events: tuple[Event, ...]
    drift: Drift | None

    def table(self) -> rows.Table:
        """The scores of all videos, a pyarrow table with a row per scored frame; none of no video.

        Raises:
            SourceError: it was removed or damaged meanwhile.
        """
        return rows.read_rows(*map(Storage, self.folders))


class Session:
    """One camera, whose frames are pushed as they come; made by `Detector.session`."""

    def __init__(self, job: Job) -> None:
        self._stream = job.tool.stream()
        self._watch = _Watch(job.alarms, job.score)
        self._alarms = job.alarms if job.tells_drift else None
        self._count = 0
        self._before = -math.inf

    def push(self, bgr: np.ndarray, seconds: float) -> Moment | None:
        """Take the next frame.

        Args:
            bgr: uint8 (H, W, 3), upright.
            seconds: its time, later than that of the frame before.

        Returns:
            What it shows; None while the window fills, at the start and behind a gap of more than a second.

        Raises:
            ValueError: it is no such frame, or time does not go on.
            CheckpointError: the model gives something that is no number.
        """
        _check(bgr)
        if not self._before < seconds < math.inf:
            raise ValueError(
                f"found a frame of {seconds} s after one of {self._before} s, expected a later one"
            )
        frame = TimedFrame(number=self._count, seconds=seconds, picture=bgr, is_corrupt=False)
        self._before, self._count = seconds, self._count + 1
        with full_float32():
            told = [self._watch.moment(seen) for seen in self._stream.push(frame)]
        return told[0] if told else None

    @property
    def drift(self) -> Drift | None:
        """How what was pushed compares with the calibration; None without one, or with gains of zones."""
        seen = self._watch.seen
        return None if self._alarms is None or seen is None else drift(self._alarms.record, seen)


@dataclass(frozen=True)
class Detector:
    """A model and its calibration. It is never changed: `at` gives another one."""

    _job: Job = dataclasses.field(repr=False)

    @classmethod
    def load(
        cls,
        location: str | Path,
        *,
        mask: str | Path | None = None,
        zones: str | Path | None = None,
        score: Score | None = None,
        profile: str | None = None,
        memory: OwnMemory = "frozen",
        runtime: RuntimeChoice | None = None,
        precision: Precision | None = None,
        device: Device = "auto",
    ) -> "Detector":
        """Open a model, and its calibration if there is one; `missing` says why no alarm is raised without.

        Args:
            location: a run, whose latest checkpoint is taken, or a checkpoint file; a path or a URI.
            mask, zones, score, profile, memory, runtime, precision, device: as the options of `score`.

        Raises:
            CheckpointError, CalibrationError, SourceError, ConfigError: one cannot be used, or does not fit.
        """
        config = ScoreConfig(
            videos=(),
            checkpoint=str(location),
            out=_NOWHERE,
            mask=None if mask is None else str(mask),
            zones=None if zones is None else str(zones),
            score=score,
            profile=profile,
            memory=memory,
            runtime=runtime,
            precision=precision,
            device=device,
        )
        with processes(device) as process:
            return cls(prepare(config, process))

    @property
    def rate(self) -> float | None:
        """Frames per second at which the model must see frames; None where nobody knows."""
        return self._job.rate

    @property
    def window(self) -> int:
        """Frames that make one score: as many less one have none at the start."""
        return self._job.tool.window

    @property
    def missing(self) -> str | None:
        """Why no alarm is raised, and the command that mends it; None if alarms are."""
        return missing(self._job)

    def at(
        self, *, alarms_per_hour: float | None = None, confidence: float | Literal["mean"] | None = None
    ) -> "Detector":
        """The same detector with another rate of false alarms.

        Args:
            alarms_per_hour: the most on normal video; None leaves what it was.
            confidence: that there are no more, 0.5 to 0.999; `mean` keeps the rate on average only; None
                leaves what it was.

        Raises:
            CalibrationError: nothing is calibrated, or too few hours are: says how many it would take.
            ConfigError: it is no rate, or no confidence.
        """
        job = self._job
        given: dict[str, Any] = {"alarms_per_hour": alarms_per_hour, "confidence": confidence}
        config = dataclasses.replace(
            job.config, **{name: value for name, value in given.items() if value is not None}
        )
        if job.alarms is None:
            load_calibration(job.home)  # which names what is missing
        alarms = alarms_of(job.tool, job.home, config.asked)
        return Detector(dataclasses.replace(job, config=config, alarms=alarms))

    def stream(self, frames: Frames) -> Iterator[Moment]:
        """What frames show, lazily, a batch at a time; memory does not grow with their number.

        Of a `Video` as many frames are scored as the model's rate asks for, and without a known rate no alarm
        is raised; other frames are taken as they come.

        Raises:
            ConfigError: the rate of the video is not that of the model.
            SourceError: it cannot be read.
            ValueError: something is no frame, or time does not go on.
        """
        if isinstance(frames, str | Path):
            raise ValueError(
                f"found the path {locations.shown(str(frames))}, expected frames; give read_video of it"
            )
        if not isinstance(frames, Video):
            yield from self._told(_timed(frames, self.rate), self._job.alarms)
            return
        footage = dataclasses.replace(frames._footage, depth=self._job.depth)
        with Decoder() as decoder, footage.local() as path:
            job = dataclasses.replace(
                self._job, config=dataclasses.replace(self._job.config, rate=frames.rate)
            )
            plan = pace(job, footage, path, decoder)
            drawn = decoder.frames(
                footage,
                path,
                Findings(),
                rate=frames.rate,
                stride=plan.stride,
                small=job.tool.size,
                is_whole=False,
            )
            yield from self._told(drawn, job.alarms if plan.is_calibrated else None)

    def score(self, *videos: str | Path, out: str | Path) -> Result:
        """Score videos into a folder, as the command `score` does.

        Args:
            videos: files, folders, patterns, folders of images, or remote files.
            out: the folder, with one folder in it for each video.

        Raises:
            ConfigError, SourceError, StorageError: as the command.
        """
        config = dataclasses.replace(self._job.config, videos=tuple(map(str, videos)), out=str(out))
        summary = score(config, dataclasses.replace(self._job, config=config))
        return Result(
            folders=tuple(str(Path(out) / video.name) for video in summary.videos),
            events=tuple(summary.events),
            drift=summary.drift,
        )

    def session(self) -> Session:
        """A new camera, to be pushed frame by frame at `rate`; sessions do not touch one another."""
        return Session(self._job)

    def score_samples(self, frames: Frames) -> np.ndarray:
        """The evidence (F,) float64 of each frame that `stream` scores, higher where it is more unusual.

        Raises:
            ConfigError, SourceError, ValueError: as `stream`.
        """
        return np.array([moment.evidence for moment in self.stream(frames)], np.float64)

    def _told(self, frames: Iterable[TimedFrame], alarms: Alarms | None) -> Iterator[Moment]:
        stream, watch = self._job.tool.stream(self._job.tool.batch), _Watch(alarms, self._job.score)
        for frame in frames:
            with full_float32():  # not across a yield: what the caller computes is none of its business
                told = [watch.moment(seen) for seen in stream.push(frame)]
            yield from told
        with full_float32():
            told = [watch.moment(seen) for seen in stream.finish()]
        yield from told


def read_video(location: str | Path, *, rate: float | None = None) -> Video:
    """One video, whose frames are decoded as they are drawn.

    Args:
        location: of a file, a folder of images, or a remote file.
        rate: images per second of a folder of images, or frames of a file that does not say.

    Raises:
        SourceError: there is none, or there are several.
    """
    videos = found([str(location)])
    if len(videos) > 1:
        raise SourceError(
            f"{locations.shown(str(location))}: found {len(videos)} videos, expected one; give one of them"
        )
    return Video(videos[0], rate)


def read_scores(folder: str | Path) -> rows.Table:
    """The scores of all videos that `score` has written into a folder, or of one of them.

    Returns:
        A pyarrow table with a row per scored frame, videos by name; without those that were skipped, or were
        under way when a run was stopped.

    Raises:
        SourceError: there are none, or they are damaged.
    """
    inside = sorted(path.parent for path in Path(folder).glob(f"*/{rows.FOLDER}") if path.is_dir())
    each = [Storage(str(path)) for path in (inside or [Path(folder)])]
    whole = [one for one in each if not is_half_done(one)]
    if not whole:
        raise SourceError(
            f"{Storage(str(folder))}: found no video that was scored to its end, expected one; score it again"
        )
    return rows.read_rows(*whole)


class _Watch:
    """From the moments of the model to those that are told.

    Args:
        alarms: what raises alarms, or None.
        score: what evidence is made of then.
    """

    def __init__(self, alarms: Alarms | None, score: Score) -> None:
        self._watch = Watch(alarms, score)

    @property
    def seen(self) -> Seen | None:
        """What tells drift."""
        return self._watch.seen

    def moment(self, seen: moments.Moment) -> Moment:
        """What the next one shows."""
        watched = self._watch.push(seen)
        return Moment(
            frame=seen.frame,
            seconds=seen.seconds,
            psnr=seen.psnr,
            feature_distance=seen.feature_distance,
            point_score=seen.point_score,
            local_error=seen.local_error,
            evidence=watched.evidence,
            rarity_hours=None if math.isnan(watched.rarity_hours) else watched.rarity_hours,
            censored=watched.is_censored,
            alarm=watched.alarm,
            event=watched.event,
            box=self._watch.place(seen, watched).box,
            gap=seen.gap,
            profile=seen.profile,
        )


def _timed(frames: np.ndarray | Iterable[TimedFrame], rate: float | None) -> Iterator[TimedFrame]:
    """Frames with times: those of an array follow one another at the rate of the model."""
    for number, frame in enumerate(frames):
        if isinstance(frame, np.ndarray):
            frame = TimedFrame(number=number, seconds=number / (rate or 1.0), picture=frame, is_corrupt=False)
        if not isinstance(frame, TimedFrame):
            raise ValueError(f"found a frame {type(frame).__name__}, expected a TimedFrame or an array")
        _check(frame.picture)
        yield frame


def _check(picture: np.ndarray) -> None:
    if not isinstance(picture, np.ndarray):
        raise ValueError(f"found a frame {type(picture).__name__}, expected uint8 (H, W, 3) BGR")
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(f"found a frame {picture.dtype} {picture.shape}, expected uint8 (H, W, 3) BGR")
