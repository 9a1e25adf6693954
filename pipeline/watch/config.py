"""Options of `watch`: of all cameras, and of each."""

import re
import shlex
from dataclasses import dataclass
from typing import Annotated, Any

from pipeline.config import DEVICE, Device
from pipeline.events.duration import duration
from pipeline.options import Argument, Custom, Option, check, described
from pipeline.scoring.choices import PROFILE, Asked, OwnMemory, Precision, RuntimeChoice
from pipeline.scoring.options import (
    ALARMS_OPTION,
    CHECKPOINT_OPTION,
    CONFIDENCE_OPTION,
    MASK_OPTION,
    PRECISION_OPTION,
    RUNTIME_OPTION,
    ZONES_OPTION,
)
from pipeline.video.daytimes import by_minute, is_by_clock
from pipeline.watch.address import address

_QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def _words(given: Any) -> tuple[str, ...]:
    words = tuple(shlex.split(given)) if isinstance(given, str) else tuple(given)
    if not words or not all(isinstance(word, str) and word for word in words):
        raise ValueError(given)
    return words


def _quiet(given: Any) -> str:
    found = _QUIET.fullmatch(given) if isinstance(given, str) else None
    if found is None or found.group(1, 2) == found.group(3, 4):  # the day or never, whoever reads it
        raise ValueError(given)
    return str(given)


def _profile(given: Any) -> str:
    """Of a name, a text with times, or a table of them as TOML has it."""
    text = ",".join(f"{name}={times}" for name, times in given.items()) if isinstance(given, dict) else given
    if not isinstance(text, str) or not is_by_clock(text):
        return str(PROFILE.parse(text))
    by_minute(text)
    return text


def _length(given: Any) -> str:
    try:
        duration(given)
    except Exception:
        raise ValueError(given) from None
    return str(given)


def _name(given: Any) -> str:
    if not isinstance(given, str) or not _NAME.fullmatch(given):
        raise ValueError(given)
    return given


def _address(given: Any) -> str:
    address(given)
    return str(given)


NAME = Custom(
    notation="NAME",
    parse=_name,
    expected="at most 64 letters, digits, _ and -, a letter or digit first",
    show=str,
)
"""How a camera is called: its folder, its topic and its address have the name."""

_PROFILE = Custom(
    notation=f"{PROFILE.notation} | NAME=FROM-TO,...",
    parse=_profile,
    expected=f"{PROFILE.expected}, or names with times that fill the day once, such as "
    "day=07:00-19:00,night=19:00-07:00",
    show=str,
)
_COMMAND = Custom(
    notation="COMMAND",
    parse=_words,
    expected="a program and its arguments",
    show=lambda words: shlex.join(words),
)
_TIMES = Custom(
    notation="FROM-TO",
    parse=_quiet,
    expected="times of the day such as 22:00-06:00, which differ",
    show=str,
)
_LENGTH = Custom(notation="TIME", parse=_length, expected="a length of time such as 90m, 24h or 7d", show=str)
_ADDRESS = Custom(
    notation="HOST:PORT",
    parse=_address,
    expected="a host and a port, such as 127.0.0.1:8080 or [::1]:8080",
    show=str,
)


@described
@dataclass(frozen=True, kw_only=True)
class _Shared:
    """What each camera may have its own of."""

    checkpoint: Annotated[str | None, CHECKPOINT_OPTION] = None
    mask: Annotated[str | None, MASK_OPTION] = None
    zones: Annotated[str | None, ZONES_OPTION] = None
    alarms_per_hour: Annotated[float | None, ALARMS_OPTION] = None
    confidence: Annotated[float | str | None, CONFIDENCE_OPTION] = None
    profile: Annotated[
        str | None,
        Option(
            "Which calibration frames are held against: NAME; with chroma that of colour or infrared; or one "
            "by the time of the day, such as day=07:00-19:00,night=19:00-07:00.",
            "Alarms",
            custom=_PROFILE,
        ),
    ] = None
    learn: Annotated[
        str | None,
        Option(
            "Calibrates the camera on what it sees for so long, and raises alarms then.",
            "Alarms",
            custom=_LENGTH,
        ),
    ] = None
    record_url: Annotated[
        str | None,
        Option(
            "Makes clips of another stream of the camera, such as its full resolution, which is not decoded.",
            "Input and output",
            metavar="URL",
        ),
    ] = None
    quiet: Annotated[
        str | None,
        Option(
            "Tells nobody of events that begin between these times of the day.", "Messages", custom=_TIMES
        ),
    ] = None
    webhook: Annotated[
        str | None,
        Option(
            "Sends events to a web server, by POST, until it takes them; with 400, 410, 413, 415 or 422 it "
            "refuses one.",
            "Messages",
            metavar="URL",
        ),
    ] = None
    webhook_secret: Annotated[
        str | None,
        Option("Signs them with a secret of the environment.", "Messages", metavar="${NAME}"),
    ] = None
    mqtt: Annotated[
        str | None,
        Option(
            "Sends events and the camera's state to a broker, as mqtt://host/prefix.",
            "Messages",
            metavar="URL",
        ),
    ] = None
    on_alarm: Annotated[
        tuple[str, ...] | None,
        Option(
            "Starts a program for each event, which it reads as a line of JSON. With exit code 0 it has "
            "taken it; with 75 it is started again until then, with any other for ten minutes.",
            "Messages",
            custom=_COMMAND,
        ),
    ] = None


@described
@dataclass(frozen=True, kw_only=True)
class CameraConfig(_Shared):
    """One camera."""

    name: Annotated[str, Option("Its name.", "Input and output", custom=NAME)]
    url: Annotated[str, Argument("URL", "Where its pictures come from.")]

    def __post_init__(self) -> None:
        check(self)

    @property
    def hours(self) -> float | None:
        """Of video to learn; None to learn nothing."""
        return None if self.learn is None else duration(self.learn).total_seconds() / 3600

    @property
    def asked(self) -> Asked:
        """What is asked of the calibration."""
        return Asked(alarms_per_hour=self.alarms_per_hour, confidence=self.confidence, profile=self.profile)


@described
@dataclass(frozen=True, kw_only=True)
class WatchConfig(_Shared):
    """What to watch, and how."""

    url: Annotated[
        str | None,
        Argument(
            "[URL]",
            "A camera: rtsp://, http(s)://, a device such as /dev/video0, or a video file, which is watched "
            "to its end. ${NAME} stands for a secret of the environment.",
            is_optional=True,
        ),
    ] = None
    config: Annotated[
        str | None,
        Option(
            "Cameras and options: a table [watch], and [watch.cameras.NAME] with url for each.",
            "Input and output",
            metavar="CAMERAS.toml",
        ),
    ] = None
    out: Annotated[
        str | None,
        Option("Folder for the results, one folder in it for each camera; required.", "Input and output"),
    ] = None
    name: Annotated[
        str, Option("Names the one camera, its folder and its topic.", "Input and output", custom=NAME)
    ] = "camera"
    retain_days: Annotated[
        float | None,
        Option(
            "Removes clips, pictures and scores that are older; events stay.", "Input and output", above=0
        ),
    ] = None
    retain_gb: Annotated[
        float | None,
        Option(
            "Removes the oldest clips, pictures and scores beyond so many gigabytes.",
            "Input and output",
            above=0,
        ),
    ] = None
    http: Annotated[
        str | None,
        Option(
            "Serves the status page there; beyond this machine it needs a token.",
            "Status page",
            custom=_ADDRESS,
        ),
    ] = None
    http_token: Annotated[
        str | None,
        Option(
            "Asks whoever opens the page for a secret of the environment.", "Status page", metavar="${NAME}"
        ),
    ] = None
    memory: Annotated[
        OwnMemory, Option("Whether scored frames update the memory: each camera's own, or never.", "Method")
    ] = "frozen"
    runtime: Annotated[RuntimeChoice | None, RUNTIME_OPTION] = None
    precision: Annotated[Precision | None, PRECISION_OPTION] = None
    device: Annotated[Device, DEVICE] = "auto"

    def __post_init__(self) -> None:
        check(self)
