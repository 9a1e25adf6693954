"""Which files `--decoder decord` may read, and the proof that it reads them as PyAV does.

decord fills up what it lacks: a frame count proves nothing. What it gives of the first and of the last group
of pictures, where it was seen to lose and to repeat frames, has to be what PyAV gives.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import SourceError
from pipeline.processes.heartbeat import Heartbeat
from pipeline.video.audit import Audit
from pipeline.video.pyav_frames import Findings, group_frames, groups

_INDEXED = ("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2")
"""Containers, as FFmpeg names them, that say where each frame lies and when it is shown."""
_REMEDY = "use --decoder auto"


@dataclass(frozen=True)
class Ends:
    """Digests of the frames of the first and of the last group of pictures."""

    first: tuple[bytes, ...]
    last: tuple[bytes, ...]


def refuse_irregular(audit: Audit, name: str) -> None:
    """Refuse what decord is known to read otherwise.

    Raises:
        SourceError: the file is irregular; says how.
    """
    found = {
        f"container {audit.container}": audit.container not in _INDEXED,
        f"{1 + len(audit.other_tracks)} video tracks": bool(audit.other_tracks),
        f"{audit.height} rows": audit.height % 2 == 1,
        "interlaced": audit.fields,
        f"{audit.frames_header} frames by header, {audit.packets} packets": audit.frames_header
        not in (0, audit.packets),
        "an edit list": audit.discarded > 0,
        "uneven timestamps": not audit.even,
        f"{audit.bits} bits per channel": audit.bits > 8,
        f"{audit.corrupt} corrupt packets": audit.corrupt > 0,
        "; ".join(audit.complaints): bool(audit.complaints),
    }
    reasons = ", ".join(reason for reason, is_so in found.items() if is_so)
    if reasons:
        raise SourceError(
            f"{name}: found {reasons}; decord is for progressive MP4, MOV and Matroska files of one video "
            f"track, even height, 8 bits and even timestamps; {_REMEDY}"
        )


def ends(path: Path, name: str, heartbeat: Heartbeat) -> Ends:
    """What PyAV gives of both ends of a file.

    Args:
        path: of the file.
        name: of the file, for messages.
        heartbeat: told about every frame.

    Raises:
        SourceError: they are damaged, interlaced, or give no frame.
    """
    findings = Findings()
    starts = groups(path, name)
    first = last = tuple(_digests(group_frames(path, name, 0, (*starts, None)[1], findings), heartbeat))
    if len(starts) > 1:
        last = tuple(_digests(group_frames(path, name, starts[-1], None, findings), heartbeat))
    found = {
        "damaged frames": bool(findings.damaged or findings.lost or findings.errors),
        "interlaced frames": findings.interlaced > 0,
        "a group of pictures that cannot be decoded alone": not first or not last,
    }
    if reasons := [reason for reason, is_so in found.items() if is_so]:
        raise SourceError(f"{name}: found {', '.join(reasons)}, of which decord does not tell; {_REMEDY}")
    return Ends(first, last)


def checked(frames: Iterable[np.ndarray], expected: Ends, count: int, name: str) -> Iterator[np.ndarray]:
    """decord's frames, up to the first that is not PyAV's.

    Args:
        frames: uint8 (H, W, 3) RGB, all of the file.
        expected: of both ends.
        count: frames that there must be.
        name: of the file, for messages.

    Raises:
        SourceError: a frame differs, or there are more or fewer.
    """
    wanted = dict(enumerate(expected.last, start=count - len(expected.last))) | dict(
        enumerate(expected.first)
    )
    number = 0
    for number, frame in enumerate(frames, start=1):
        if number - 1 in wanted and _digest(frame[:, :, ::-1]) != wanted[number - 1]:
            raise SourceError(f"{name}: frame {number - 1} by decord is not the one by PyAV; {_REMEDY}")
        yield frame
    if number != count:
        raise SourceError(f"{name}: decord gave {number} frames of {count} packets; {_REMEDY}")


def _digests(frames: Iterable[np.ndarray], heartbeat: Heartbeat) -> Iterator[bytes]:
    for frame in frames:
        heartbeat(0, 0)
        yield _digest(frame)


def _digest(frame: np.ndarray) -> bytes:
    """Of size and pixels (H, W, 3) BGR."""
    return hashlib.sha256(np.ascontiguousarray(frame).data).digest() + str(frame.shape).encode()
