"""From a plan to an engine: models, calibrations, logs, readers and sinks of all cameras."""

import contextlib
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import CalibrationError, ConfigError, SourceError
from pipeline.events import log
from pipeline.events.event import Model
from pipeline.events.sinks import delivery
from pipeline.processes.distributed import Process
from pipeline.runs import promises
from pipeline.runs.armed import in_force
from pipeline.runs.calibration import CalibrationRecord, calibrated_profiles
from pipeline.runs.layout import LEARNED, home_of
from pipeline.runs.ownership import refuse_links
from pipeline.runs.trainedon import rate_of
from pipeline.scoring import keeping, rows
from pipeline.scoring.alarms import alarms_of, unarmed
from pipeline.scoring.choices import MEAN, USUAL_ALARMS, USUAL_CONFIDENCE, Asked
from pipeline.scoring.happenings import CLIPS, THUMBNAILS, Subject
from pipeline.scoring.instrument import Instrument
from pipeline.version import code_version
from pipeline.video.daytimes import is_by_clock
from pipeline.video.decoding import Decoder
from pipeline.video.footage import Footage, found
from pipeline.video.live import is_live, unheard
from pipeline.video.profiles import profiler
from pipeline.video.tape import Tape
from pipeline.video.timed import NO_RATE
from pipeline.video.zones import read_zones
from pipeline.watch import normal
from pipeline.watch.assembler import Assembler
from pipeline.watch.camera import Clip, WatchedCamera
from pipeline.watch.config import CameraConfig
from pipeline.watch.engine import Engine, Post
from pipeline.watch.face import Face
from pipeline.watch.feed import Feed, guarded
from pipeline.watch.incidents import close_interrupted
from pipeline.watch.learning import Learner, is_cut_off
from pipeline.watch.messages import Brokers, Messages
from pipeline.watch.models import Models
from pipeline.watch.plan import Plan
from pipeline.watch.readers import Reader, read_file
from pipeline.watch.recorder import Recorder
from pipeline.watch.secrets import revealed
from pipeline.watch.slots import Slots
from shards import locations
from shards.storage import Storage

MARGIN = 5.0
"""Seconds that a clip shows before and after its event, as those of `score`."""


def engine(plan: Plan, process: Process, stack: contextlib.ExitStack) -> Engine:
    """An engine that is ready to run.

    Args:
        plan: what is watched.
        process: where models compute.
        stack: closes what it opens.

    Raises:
        UserError, ShardError: it cannot be done as asked.
    """
    stack.enter_context(unheard())
    slots = Slots([camera.name for camera in plan.cameras])
    models, brokers = Models(plan.config, process), Brokers()
    stack.callback(brokers.close)
    posts = {camera.name: _post(plan, camera, models, slots, brokers, stack) for camera in plan.cameras}
    return Engine(posts, slots)


def _post(
    plan: Plan,
    config: CameraConfig,
    models: Models,
    slots: Slots,
    brokers: Brokers,
    stack: contextlib.ExitStack,
) -> Post:
    assert config.checkpoint is not None
    folder = Storage(f"{Storage(plan.out).path('')}/{config.name}")
    refuse_links(folder, (rows.FOLDER, THUMBNAILS, CLIPS, normal.FOLDER, delivery.FOLDER, LEARNED))
    run = Storage(home_of(config.checkpoint))
    learned = Storage(f"{folder.path('')}/{LEARNED}")
    refuse_links(learned, (keeping.FOLDER,))
    home, stale = in_force(learned, run, lambda records: _refuse_stale(config, models, learned, records))
    is_learning = config.hours is not None and home is not learned
    if stale is not None and not is_learning and not calibrated_profiles(run):
        raise CalibrationError(
            f"camera {config.name}: {stale}; learn the camera again with --learn 24h, or calibrate the run"
        )
    tool, model = models.of(config, home)
    alarms = None if is_learning else alarms_of(tool, home, config.asked)
    location = revealed(config.url, f"camera {config.name}: url")
    file = None if is_live(location) else _file(location, stack)
    if file is not None and is_by_clock(config.profile):
        raise ConfigError(
            f"camera {config.name}: profile: found times of the day for a video file, which has no clock, "
            "expected the name of its profile, or chroma; give that"
        )
    missing = None if file is None else _rateless(config, file, is_learning=is_learning)
    score = "local" if alarms is None else alarms.record.belongs.score
    if missing is None:
        missing = unarmed(alarms, tool, config.checkpoint, mask=config.mask)
    else:
        alarms = None
    source = locations.shown(location if file is None else locations.absolute(file.footage.location))
    subject = Subject(
        camera=config.name,
        source=source,
        calibration="",
        model=Model(checkpoint_sha256=tool.checkpoint.sha256, version=code_version()),
    )
    for inside in ("", rows.FOLDER, THUMBNAILS, CLIPS, normal.FOLDER):
        folder.clear_temporary(inside)
    # A video file is watched again with the same ids; those of a camera come once.
    opened = stack.enter_context(log.lasting(folder, None if file is not None else log.RECENT))
    messages = Messages(config, folder, brokers)
    if close_interrupted(opened):
        messages.notify()
    normal.keep_all(Path(folder.path("")), opened.events)
    feed, name = Feed(expected=rate_of(tool.checkpoint.origin)), config.name
    face = Face(name, source, Path(folder.path("")), feed, lambda: slots.counts(name)[1], opened.events)
    tapes = [Tape(2 * MARGIN) for _ in _streams(config)] if file is None else []
    clip = _clip_of_tapes(tapes, folder) if file is None else _clip_of_file(file, folder)
    zones = None if config.zones is None else read_zones(config.zones, tool.size)
    camera = WatchedCamera(config, folder, opened, subject, zones, feed, face, messages, clip, tapes)
    camera.arm(alarms, score, missing)
    if stale is not None:
        instead = "the camera is learned again" if is_learning else "the calibration of the run counts"
        camera.note(f"{stale}; {instead}")
    if is_learning:
        camera.learn(
            _learner(config, tool, learned), lambda: alarms_of(tool, learned, Asked(profile=config.profile))
        )
    assembler = Assembler(tool.window, tool.size, profiler(config.profile))
    footage = None if file is None else file.footage
    readers = [_reader(config.name, location, footage, tool, assembler, feed, tapes, slots)]
    readers += [_recorder(config.name, url, feed, tapes[0]) for url in _streams(config)[:-1]]
    return Post(camera=camera, tool=tool, model=model, readers=tuple(readers))


def _refuse_stale(
    config: CameraConfig, models: Models, learned: Storage, records: Mapping[str, CalibrationRecord]
) -> None:
    """Keep a camera from being held against what was learned for another, or was not written whole.

    Raises:
        CalibrationError: it was.
    """
    tool, _ = models.of(config, learned)
    belongs = tool.belongings("local")
    for where, record in records.items():
        record.refuse_other(belongs, where)
    if is_cut_off(tool, learned):
        raise CalibrationError(
            f"{learned}: found a part of what was learned, expected all of it, for the program was killed as "
            "it wrote it; learn the camera again"
        )


def _streams(config: CameraConfig) -> list[str]:
    """What clips are made of, what is best first; the last is the stream that is watched.

    Raises:
        ConfigError: clips are to be of something that is no live stream.
    """
    if config.record_url is None:
        return [config.url]
    live = [revealed(url, f"camera {config.name}") for url in (config.record_url, config.url)]
    if not all(map(is_live, live)):
        raise ConfigError(
            f"camera {config.name}: record_url: found a video file, expected two streams of a live camera"
        )
    return [live[0], config.url]


def _learner(config: CameraConfig, tool: Instrument, home: Storage) -> Learner:
    """What learns a camera.

    Raises:
        ConfigError: in so few hours no calibration carries the rate that is asked for.
    """
    rate = USUAL_ALARMS if config.alarms_per_hour is None else config.alarms_per_hour
    given = USUAL_CONFIDENCE if config.confidence is None else config.confidence
    confidence = None if given == MEAN else float(given)
    least = (1.0 if confidence is None else -math.log(1 - confidence)) / rate
    assert config.hours is not None
    if config.hours < least:
        needed = promises.duration(least, promises.SHORT, up=True)
        raise ConfigError(
            f"camera {config.name}: --learn: found {config.learn}, expected at least {needed} for "
            f"{rate:g} alarm{'' if rate == 1 else 's'} per hour; give more, or a higher --alarms-per-hour"
        )
    return Learner(config.name, tool, home, config.hours, rate, confidence)


@dataclass(frozen=True, kw_only=True)
class _File:
    """A video file that is watched, with what looks into it and copies its clips while it is decoded."""

    footage: Footage
    path: Path
    decoder: Decoder


def _file(location: str, stack: contextlib.ExitStack) -> _File:
    (footage, *more) = found((location,))
    if more or footage.images:
        raise SourceError(
            f"{footage}: found a folder, expected a video file or a live camera; score watches folders"
        )
    decoder = stack.enter_context(Decoder())
    return _File(footage=footage, path=stack.enter_context(footage.local()), decoder=decoder)


def _rateless(config: CameraConfig, file: _File, *, is_learning: bool) -> str | None:
    """Why a file that does not say its rate raises no alarm, as `score` has it; None of one that does.

    Raises:
        ConfigError: the camera is to be learned from it.
        SourceError: it is no video.
    """
    if file.decoder.rate(file.footage, file.path, None) is not None:
        return None
    if is_learning:
        raise ConfigError(
            f"camera {config.name}: --learn: found {file.footage}, a file that does not say its frame rate, "
            "expected one that does; calibrate the run on it with --rate"
        )
    return f"{NO_RATE}: score it with --rate"


def _reader(
    name: str,
    location: str,
    footage: Footage | None,
    tool: Instrument,
    assembler: Assembler,
    feed: Feed,
    tapes: Sequence[Tape],
    slots: Slots,
) -> threading.Thread:
    rate = rate_of(tool.checkpoint.origin)
    if footage is None:
        live = Reader(
            name, location, rate, assembler, feed, tapes[-1], lambda window: slots.put(name, window)
        )
        work = live.run
    else:

        def work() -> None:
            read_file(
                footage,
                rate,
                tool.size,
                assembler,
                feed,
                lambda window: slots.offer(name, window, feed.stopping.is_set),
            )

    run = guarded(feed, work, lambda: slots.finish(name))
    return threading.Thread(target=run, name=f"reader {name}", daemon=True)


def _recorder(name: str, location: str, feed: Feed, tape: Tape) -> threading.Thread:
    run = guarded(feed, Recorder(name, location, feed, tape).run, lambda: None)
    return threading.Thread(target=run, name=f"recorder {name}", daemon=True)


def _clip_of_tapes(tapes: Sequence[Tape], folder: Storage) -> Clip:
    """A clip of the first tape that has these seconds; None where none has: it was told, and that counts."""

    def clip(stem: str, span: tuple[float, float]) -> str | None:
        for tape in tapes:
            with contextlib.suppress(SourceError):
                return tape.clip((span[0] - MARGIN, span[1] + MARGIN), folder, f"{CLIPS}/{stem}")
        return None

    return clip


def _clip_of_file(file: _File, folder: Storage) -> Clip:
    def clip(stem: str, span: tuple[float, float]) -> str | None:
        shown = span[0] - MARGIN, span[1] + MARGIN
        try:
            return file.decoder.clip(file.footage, file.path, shown, folder, f"{CLIPS}/{stem}")
        except SourceError:
            return None

    return clip
