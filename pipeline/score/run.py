"""The stage: each video into its folder, one after the other.

A folder whose `score.json` has a result is whole. A run that was killed is taken up by the same command:
videos that are whole stay, the one that was under way is scored again and has the same events.
"""

import time
from contextlib import suppress
from pathlib import Path

from pipeline.config import dump_config
from pipeline.errors import CalibrationError, ConfigError, SourceError
from pipeline.events.event import Event
from pipeline.events.log import read_events
from pipeline.processes.distributed import Process, processes
from pipeline.processes.locking import sole
from pipeline.runs.ownership import CONFIG, refuse_foreign_folder, refuse_links
from pipeline.score.config import ScoreConfig
from pipeline.score.job import Job, missing, prepare
from pipeline.score.page import PAGE
from pipeline.score.summary import Scored, Summary, speed
from pipeline.score.video import COMMAND, score_video
from pipeline.scoring.drifting import Drift, drift, together
from pipeline.scoring.scorer import full_float32
from pipeline.terminal.progress import Advance, progress
from pipeline.video.decoding import Decoder
from pipeline.video.footage import Footage, found
from shards import locations
from shards.storage import Storage


def score(config: ScoreConfig, opened: Job | None = None) -> Summary:
    """Score videos that have no labels.

    Args:
        config: which, and how.
        opened: what `prepare` gave for these options, if that was done already.

    Raises:
        ConfigError, SourceError, CheckpointError, CalibrationError: it cannot be done as asked.
    """
    out = Storage(config.out)
    if not out.is_local:
        raise ConfigError(f"{out}: found no local folder, expected one, for events are appended; choose one")
    notes: list[str] = []
    videos = found(config.videos, notes)
    with processes(config.device) as process, sole("scoring", out):
        _refuse_several(process)
        refuse_foreign_folder(out, COMMAND)
        refuse_links(out, [footage.name for footage in videos])
        job = prepare(config, process) if opened is None else opened
        _refuse_blind(job)
        out.clear_temporary()
        out.write(CONFIG, dump_config(COMMAND, config).encode())
        with full_float32():
            scored, skipped = _score(job, videos, out)
    threshold = None if job.alarms is None else job.alarms.threshold
    return Summary(
        out=f"{out}/{scored[0].name}/{PAGE}" if len(scored) == 1 else str(out),
        videos=scored,
        skipped=skipped,
        alarms_per_hour=None if threshold is None else threshold.alarms_per_hour,
        is_optimistic=job.alarms is not None and job.alarms.record.optimistic,
        runtime=job.tool.runtime,
        drift=_drift(job, scored),
        missing=missing(job),
        notes=tuple(notes),
    )


def _drift(job: Job, scored: list[Scored]) -> Drift | None:
    """How all videos together compare with the calibration."""
    seen = [video.result.seen for video in scored if video.result.seen is not None]
    return drift(job.alarms.record, together(seen)) if job.alarms is not None and seen else None


def _refuse_blind(job: Job) -> None:
    """Whoever waits for the exit code of an alarm must not be told that all is well where none can come."""
    reason = missing(job)
    if job.config.fail_on_alarm and reason is not None:
        raise CalibrationError(f"--fail-on-alarm: {reason}")


def _refuse_several(process: Process) -> None:
    if process.world > 1:
        raise ConfigError(
            f"found {process.world} processes, expected one, for events go into one log; start score alone, "
            "or several with an --out of their own"
        )


def _score(job: Job, videos: list[Footage], out: Storage) -> tuple[list[Scored], list[tuple[str, str]]]:
    scored: list[Scored] = []
    skipped: list[tuple[str, str]] = []
    with Decoder() as decoder, progress("score", _seconds(videos, decoder), "seconds of video") as report:
        pace = _Speed(report)
        for footage in videos:
            folder = Storage(f"{out.path('')}/{footage.name}")
            try:
                result, was_done = score_video(job, footage, decoder, folder, pace.scored)
            except SourceError as error:
                if job.config.on_error == "fail":
                    raise
                skipped.append((footage.name, str(error)))
                continue
            scored.append(Scored(name=footage.name, result=result, events=_events(folder), was_done=was_done))
    return scored, skipped


def _events(folder: Storage) -> list[Event]:
    try:
        return read_events(folder)
    except FileNotFoundError:  # without a calibration there is no log
        return []


class _Speed:
    """Reports the seconds of video that are done, and how fast those of this run are.

    Args:
        report: the progress.
    """

    def __init__(self, report: Advance) -> None:
        self._report = report
        self._started = time.monotonic()
        self._frames, self._seconds = 0, 0.0
        self._done, self._reported = 0.0, 0

    def scored(self, seconds: float) -> None:
        """Count a frame, and the seconds since the one before."""
        self._frames, self._seconds = self._frames + 1, self._seconds + seconds
        self.done(seconds)

    def done(self, seconds: float) -> None:
        """Count seconds as done."""
        self._done += seconds
        took = time.monotonic() - self._started
        detail = speed(self._frames, self._seconds, took) if self._frames and took else ""
        self._report(int(self._done) - self._reported, detail)
        self._reported = int(self._done)


def _seconds(videos: list[Footage], decoder: Decoder) -> int:
    """Of all videos, as far as their headers say."""
    total = 0.0
    for footage in videos:
        if not footage.images and not locations.is_uri(footage.location):
            with suppress(SourceError):  # which comes when it is to be scored
                total += decoder.extent(footage, Path(footage.location)).seconds or 0.0
    return round(total)
