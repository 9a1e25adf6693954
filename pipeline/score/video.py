"""The work on one video: its frames through the model, and what comes out into table, events and pictures."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

from mnad.local_error import Place
from pipeline.config import dump_config
from pipeline.errors import ConfigError, SourceError
from pipeline.events import event, log
from pipeline.runs.calibration import calibrated_profiles, record_name
from pipeline.runs.ownership import CONFIG, refuse_links
from pipeline.score.curve import Curve, Height
from pipeline.score.job import Job
from pipeline.score.pace import Pace, Steadiness, pace
from pipeline.score.page import PAGE, Shown, Standard, render
from pipeline.score.record import RECORD, Result, ScoreRecord, load_record
from pipeline.score.stopwatch import Stopwatch
from pipeline.scoring import rows
from pipeline.scoring.alarms import Alarms, Watch
from pipeline.scoring.choices import Form
from pipeline.scoring.drifting import drift
from pipeline.scoring.happenings import CLIPS, NAMES, THUMBNAILS, Happenings, Subject
from pipeline.scoring.moments import Moment
from pipeline.scoring.rows import table_name, writing_rows
from pipeline.scoring.telling import heat, known, row_of, tell
from pipeline.scoring.watching import Watched
from pipeline.version import code_version
from pipeline.video import overlay
from pipeline.video.decoding import Decoder
from pipeline.video.drawing import Scale
from pipeline.video.footage import Footage
from pipeline.video.pyav_frames import Findings
from pipeline.video.timed import USUAL_RATE
from shards import locations
from shards.storage import Storage

COMMAND = "score"
OVERLAY = "overlay.mp4"
FOLDERS = (rows.FOLDER, THUMBNAILS, CLIPS)


Advance = Callable[[float], None]
"""Is told of each frame that was scored, and of the seconds of video since the one before."""


def score_video(
    job: Job, footage: Footage, decoder: Decoder, folder: Storage, advance: Advance
) -> tuple[Result, bool]:
    """Score a video into its folder; if that was done already, by the same work, nothing is done.

    A run that was killed leaves a folder that is not whole; there the same events come out again, and lines
    of the log that are there already stay.

    Returns:
        What was found, and whether an earlier run had found it.

    Raises:
        SourceError: it is no video, or changed meanwhile.
        ConfigError: the folder holds the results of another video.
        StorageError: they cannot be written.
    """
    footage = dataclasses.replace(footage, depth=job.depth)
    work = {**job.work(), "stamp": footage.stamp()}
    record = ScoreRecord(source=_source(footage), work=work, result=None)
    before = load_record(folder)
    if before is not None and before.source != record.source:
        raise ConfigError(
            f"{folder}: found the results of {before.source}, expected those of {record.source}, or nothing; "
            "choose another --out"
        )
    if before is not None and before.work == work and before.result is not None:
        return before.result, True
    refuse_links(folder, FOLDERS)
    for inside in ("", *FOLDERS):
        folder.clear_temporary(inside)
    if before is None or before.work != work or before.result is not None:
        _clear(folder)
    record.save(folder)
    folder.write(CONFIG, dump_config(COMMAND, job.config).encode())
    with footage.local() as path:
        curve = Curve()
        result = _scored(job, footage, path, decoder, folder, curve, advance)
    if footage.stamp() != work["stamp"]:
        _clear(folder)  # it is of no file that ever was
        raise SourceError(f"{footage}: changed while it was scored; score it again when it is whole")
    folder.write(PAGE, _page(job, footage, folder, result, curve).encode())
    dataclasses.replace(record, result=result).save(folder)
    return result, False


def _source(footage: Footage) -> str:
    return locations.shown(locations.absolute(footage.location))


def _clear(folder: Storage) -> None:
    """Remove the results of other work; what is no result of this program stays."""
    tables = (table_name(form) for form in get_args(Form))
    calibrations = map(record_name, calibrated_profiles(folder))
    for name in (RECORD, log.LOG, log.CURRENT, OVERLAY, PAGE, *calibrations, *tables):
        folder.delete(name)
    for inside, own in NAMES.items():
        for name in folder.names(inside):
            if own.fullmatch(name):
                folder.delete(f"{inside}/{name}")


def _scored(
    job: Job,
    footage: Footage,
    path: Path,
    decoder: Decoder,
    folder: Storage,
    curve: Curve,
    advance: Advance,
) -> Result:
    plan = pace(job, footage, path, decoder)
    findings = Findings()
    clipless: list[str] = []
    alarms = job.alarms if plan.is_calibrated else None
    times = Stopwatch(decoder)
    steadiness = Steadiness(job.rate if plan.is_calibrated else None)
    count, last = 0, 0.0
    with contextlib.ExitStack() as stack:
        copier = stack.enter_context(Decoder())  # of clips, while the decoder is at work
        happenings = None
        if alarms is not None:
            for profile, kept in alarms.records.items():
                folder.write(record_name(profile), kept.to_json())
        if alarms is not None and alarms.threshold is not None:
            happenings = Happenings(
                folder,
                stack.enter_context(log.writing(folder)),
                _subject(job, footage, alarms.digest),
                lambda stem, span: _clip(job, footage, path, copier, folder, stem, span, clipless),
            )
        table = stack.enter_context(writing_rows(folder, job.config.format))
        film = stack.enter_context(_film(alarms, plan, folder)) if job.config.overlay else None
        watch = Watch(alarms, job.score)
        floor = -math.inf if alarms is None else alarms.record.calibration.levels.floor
        frames = decoder.frames(
            footage, path, findings, rate=job.config.rate, stride=plan.stride, small=job.tool.size
        )
        for moment in times.scoring(job.tool.moments(times.waiting(frames))):
            watched = watch.push(moment)
            box, place = watch.box(watched), watch.place(moment, watched)
            if happenings is not None:
                tell(happenings, watch, watched, moment, place, job.zones)
            table.append(row_of(footage.name, moment, watched, place, happenings))
            if film is not None:
                film.observe(_shown(moment, watched, place, box))
            curve.push(moment.seconds, Height.of(watched, floor), restart=moment.gap)
            steadiness.push(moment.seconds, restart=moment.gap)
            advance(moment.seconds - last)
            count, last = count + 1, moment.seconds
        episode = watch.finish()
        if happenings is not None and episode is not None:
            happenings.end(episode)
    seen = watch.seen if job.tells_drift else None
    return Result(
        frames=count,
        seconds=last + (1 / plan.rate if plan.rate else 0.0) if count else 0.0,
        took=times.taken(),
        is_calibrated=alarms is not None,
        notes=(
            *plan.notes,
            *(() if alarms is None else alarms.notes),
            *_notes(job, footage, count, findings),
            *steadiness.notes(),
            *clipless[:1],
        ),
        seen=seen,
        drift=None if alarms is None or seen is None else drift(alarms.record, seen),
    )


def _page(job: Job, footage: Footage, folder: Storage, result: Result, curve: Curve) -> str:
    alarms = job.alarms if result.is_calibrated else None
    shown = Shown(
        name=footage.name,
        source=_source(footage),
        result=result,
        events=() if alarms is None or alarms.threshold is None else log.read_events(folder),
        curve=curve,
        standard=None if alarms is None else _standard(alarms),
        overlay=OVERLAY if job.config.overlay and result.frames else None,
    )
    return render(shown, folder)


def _standard(alarms: Alarms) -> Standard:
    return Standard(
        promise=alarms.promise,
        alarms_per_hour=None if alarms.threshold is None else alarms.threshold.alarms_per_hour,
        least_hours=alarms.least_hours,
        limits=alarms.limits,
        hours=alarms.record.calibration.hours,
    )


def _subject(job: Job, footage: Footage, calibration: str) -> Subject:
    return Subject(
        camera=footage.name,
        source=_source(footage),
        calibration=calibration,
        model=event.Model(checkpoint_sha256=job.checkpoint.sha256, version=code_version()),
    )


def _clip(
    job: Job,
    footage: Footage,
    path: Path,
    copier: Decoder,
    folder: Storage,
    stem: str,
    span: tuple[float, float],
    clipless: list[str],
) -> str | None:
    if not job.config.clips or footage.images:
        return None
    margin = job.config.clip_margin
    try:
        return copier.clip(footage, path, (span[0] - margin, span[1] + margin), folder, f"{CLIPS}/{stem}")
    except SourceError as error:  # it has been scored, and that is what was asked for
        clipless.append(str(error))
        return None


def _film(
    alarms: Alarms | None, plan: Pace, folder: Storage
) -> "contextlib.AbstractContextManager[overlay.Overlay]":
    scale = None
    if alarms is not None and alarms.limit_hours is not None:
        scale = Scale(least_hours=alarms.least_hours, limit_hours=alarms.limit_hours)
    return overlay.writing_overlay(folder, OVERLAY, rate=plan.rate or float(USUAL_RATE), scale=scale)


def _shown(moment: Moment, watched: Watched, place: Place, box: int | None) -> overlay.Moment:
    return overlay.Moment(
        frame=moment.picture,
        seconds=moment.seconds,
        error_map=heat(moment, box),
        box=place.box,
        rarity_hours=known(watched.rarity_hours),
        censored=watched.is_censored,
        alarm=watched.alarm,
    )


def _notes(job: Job, footage: Footage, count: int, findings: Findings) -> Iterator[str]:
    if not count:
        yield f"fewer than {job.tool.window} frames in a row, so none has a score"
    if findings.damaged or findings.lost:
        lost = f"{findings.lost} lost {'images' if footage.images else 'packets'}"
        reason = f" ({findings.error})" if footage.images and findings.error else ""
        yield (
            f"{findings.damaged} damaged frames and {lost}, the first at frame {findings.first}{reason}; "
            "windows began anew behind them"
        )
    if findings.complaints:
        yield f"the file is damaged ({'; '.join(findings.complaints)}); what could be read of it was scored"
