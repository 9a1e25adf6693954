"""Doctor: whether video, model, calibration and this machine fit together, in a few lines."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mnad.evidence import GAP
from mnad.rates import Refusal
from pipeline.errors import CalibrationError, ConfigError, SourceError
from pipeline.events.words import clock
from pipeline.processes.distributed import processes
from pipeline.runs.calibration import calibrated_profiles, delta_of, load_calibration, record_name
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.runs.layout import home_of
from pipeline.runs.promises import promise, refusal
from pipeline.runs.trainedon import rate_of
from pipeline.runtimes.exported import INT8, RECORD
from pipeline.score.config import DoctorConfig
from pipeline.scoring.calibrating import calibrate_command
from pipeline.scoring.choices import BATCH, Precision, RuntimeChoice
from pipeline.scoring.instrument import Instrument, instrument
from pipeline.scoring.runtime import network_asked
from pipeline.scoring.scorer import full_float32
from pipeline.sizes import SIZE_STEP
from pipeline.video.decoding import Decoder
from pipeline.video.extent import Extent
from pipeline.video.footage import Footage, found
from pipeline.video.pyav_frames import Findings
from pipeline.video.timed import TimedFrame, every
from shards.storage import Storage

_LEAST_SIDE = 32


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line.

    Attributes:
        about: what.
        words: what was found, and what to do.
    """

    about: str
    words: str


def diagnose(config: DoctorConfig) -> Iterator[Finding]:
    """Look at a video, a model and this machine; each finding as soon as it is there.

    Raises:
        SourceError, CheckpointError, ConfigError: the video or the model cannot be used at all.
    """
    videos = found([config.video])
    if len(videos) > 1 or videos[0].images:
        raise ConfigError(f"{videos[0]}: found several files, expected one video file; give one of them")
    (footage,) = videos
    checkpoint = load_checkpoint(config.checkpoint)
    expected = rate_of(checkpoint.origin)
    with footage.local() as path, Decoder() as decoder, processes(config.device) as process:
        about = decoder.extent(footage, path)
        yield Finding(about="video", words=_video(about, decoder.key_seconds(footage, path)))
        runtime, precision = _network(config, process.device)
        tool = instrument(
            checkpoint,
            process.device,
            memory="frozen",
            runtime=runtime,
            precision=precision,
            batch_size=BATCH,
        )
        yield Finding(about="model", words=_model(tool, expected))
        stride = None
        try:
            stride = _stride(about, expected, footage)
        except ConfigError as error:
            yield Finding(about="rate", words=str(error))
        if stride is not None and about.rate is not None:
            words = "every frame is scored" if stride == 1 else f"one frame in {stride} is scored"
            yield Finding(about="rate", words=f"{words}, {about.rate / stride:g} a second")
        with full_float32():
            speed = _frames_per_second(tool, footage, path, decoder, config.seconds)
        needed = about.rate / stride if about.rate is not None and stride is not None else expected
        yield Finding(about="speed", words=_speed(tool, speed, needed, process.device.type))
    for words in _calibrations(config, tool, expected):
        yield Finding(about="calibration", words=words)


def _network(config: DoctorConfig, device: torch.device) -> tuple[RuntimeChoice, Precision]:
    """As alarms need it; where there are none the fastest runtime, and int8 where that was accepted."""
    home = Storage(home_of(config.checkpoint))
    runtime, precision = config.runtime, config.precision
    with suppress(CalibrationError):  # which is told below
        runtime, precision = network_asked(runtime, precision, home)
    takes = runtime in (None, "auto", "openvino") and device.type == "cpu"
    fastest: Precision = "int8" if takes and home.exists(f"{INT8}/{RECORD}") else "fp32"
    return runtime or "auto", precision or fastest


def _video(about: Extent, keys_apart: float | None) -> str:
    rate = "its rate is not known" if about.rate is None else f"{about.rate:g} frames/s"
    keys = "" if keys_apart is None else f", a key frame every {keys_apart:.2g} s"
    length = "" if about.seconds is None else f", {clock(about.seconds)} long"
    return f"{about.codec}, {about.width}x{about.height} pixels, {rate}{keys}{length}"


def _model(tool: Instrument, expected: float | None) -> str:
    height, width = tool.size
    rate = "video of a rate that nobody knows" if expected is None else f"{expected:g} frames/s"
    return f"{tool.checkpoint.spec.method}, trained on {rate} of {width}x{height} pixels"


def _stride(about: Extent, expected: float | None, footage: Footage) -> int | None:
    """Of how many frames one is scored; None where a rate is not known."""
    if about.rate is None or expected is None:
        return None
    return every(about.rate, expected, str(footage))


def _frames_per_second(
    tool: Instrument, footage: Footage, path: Path, decoder: Decoder, seconds: float
) -> float:
    """Of this machine: decoding, resizing and scoring, without the first batch."""
    started, number = 0.0, 0
    frames = _endless(tool, footage, path, decoder, lambda: number)
    for number, _ in enumerate(tool.moments(frames), start=1):
        if number % tool.batch:
            continue  # moments come a batch at a time: only whole ones are counted
        now = time.perf_counter()
        if number == tool.batch:
            started = now
        elif now - started >= seconds:
            return (number - tool.batch) / (now - started)
    raise SourceError(
        f"{footage}: found no {tool.window} frames in a row of which each comes within {GAP:g} s of the one "
        "before, expected some, for none is scored without; give another video"
    )


def _endless(
    tool: Instrument, footage: Footage, path: Path, decoder: Decoder, scored: Callable[[], int]
) -> Iterator[TimedFrame]:
    """The frames of a video again and again, as one, until all of them twice give no moment.

    Args:
        tool, footage, path, decoder: of the video.
        scored: how many moments there are so far.
    """
    start, number = 0.0, 0
    passes, since, before = 0, 0, 0
    # In so many frames a batch of windows is there, or a gap broke them off; and over the seam of two passes,
    # those that wait at the end of the first are told at the first gap of the second.
    while passes < 2 or number - since < tool.window + tool.batch:
        last = None
        for frame in decoder.frames(footage, path, Findings(), small=tool.size, is_whole=False):
            last = frame.seconds
            yield replace(frame, number=number, seconds=start + frame.seconds, is_corrupt=False)
            number += 1
        if last is None:
            return
        start, passes = start + last + 0.04, passes + 1
        if scored() > before:
            passes, since, before = 0, number, scored()


def _speed(tool: Instrument, speed: float, needed: float | None, device: str) -> str:
    words = f"{speed:.3g} frames/s on this machine's {device} with {tool.runtime} in {tool.precision}"
    if needed is None:
        return words
    cameras = math.floor(speed / needed)
    if cameras:
        return f"{words}, enough for {cameras} camera{'' if cameras == 1 else 's'} of {needed:g} frames/s"
    side = min(tool.size) * math.sqrt(speed / needed)
    smaller = max(_LEAST_SIDE, int(side / SIZE_STEP) * SIZE_STEP)
    words += f", too few for one camera of {needed:g} frames/s live (a file just takes longer); "
    if smaller < min(tool.size):
        return f"{words}train with --size {smaller}, or on video of at most {speed:.2g} frames/s"
    return f"{words}train on video of at most {speed:.2g} frames/s"


def _calibrations(config: DoctorConfig, tool: Instrument, expected: float | None) -> Iterator[str]:
    home = Storage(home_of(config.checkpoint))
    asked = None if config.runtime == "auto" else config.runtime
    command = calibrate_command(config.checkpoint, runtime=asked, precision=config.precision)
    if expected is None:
        yield (
            "none can be made, for the rate of the training video is not known; give folders of images one "
            "with preprocess --rate, and train again"
        )
        return
    profiles = calibrated_profiles(home)
    if not profiles:
        yield f"none, so no alarm is raised; make one: {command}"
    for profile in profiles:
        words = _calibration(config.checkpoint, home, tool, profile)
        yield words if profile is None else f"{profile}: {words}"


def _calibration(checkpoint: str, home: Storage, tool: Instrument, profile: str | None) -> str:
    name = record_name(profile)
    try:
        record = load_calibration(home, name)
        own = record.belongs  # mask and memory are chosen by whoever scores
        record.refuse_other(
            replace(tool.belongings(own.score), mask=own.mask, memory=own.memory), f"{home}/{name}"
        )
    except CalibrationError as error:
        return str(error)
    found = record.calibration.threshold(record.alarms_per_hour, delta_of(record.confidence))
    if isinstance(found, Refusal):
        command = calibrate_command(checkpoint, own, profile=profile, adds=True)
        return f"{refusal(found)}; more: {command}"
    return promise(found, optimistic=record.optimistic)
