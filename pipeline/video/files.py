"""Video files whatever decodes them: what they hold, then their frames, checked to the end."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import SourceError
from pipeline.processes.heartbeat import Heartbeat
from pipeline.video import pyav_frames
from pipeline.video.audit import Audit, Demuxed, Header, audit, demuxed, refuse_empty
from pipeline.video.imageheaders import LARGEST_PIXELS


@dataclass(frozen=True, kw_only=True)
class DecodedFile:
    """A video file whose frames are being decoded.

    Attributes:
        header: of the file.
        expected: frames, about, 0 if that is not known.
        frames: uint8 (H, W, 3), every frame once, in order, upright; to be drawn once.
        is_rgb: the order of their channels, else BGR.
    """

    header: Header
    expected: int
    frames: Iterator[np.ndarray]
    is_rgb: bool
    _audit: Callable[[], Audit]
    _findings: pyav_frames.Findings

    def facts(self) -> dict[str, Any]:
        """For the manifest, once all frames are drawn."""
        decoder = "decord" if self.is_rgb else "pyav"
        return {**self._audit().facts(), "decoder": decoder, **self._findings.facts()}


@contextlib.contextmanager
def decoded_file(
    path: Path, name: str, *, by_decord: bool, keep_damage: bool, heartbeat: Heartbeat
) -> Iterator[DecodedFile]:
    """Look into a video file, and begin to decode it.

    Args:
        path: of the file.
        name: of the file, for messages.
        by_decord: whether decord decodes it, which has to agree with PyAV; else PyAV.
        keep_damage: whether damaged frames are counted rather than refused.
        heartbeat: called now and then before the first frame.

    Raises:
        SourceError: it cannot be decoded, or not by this decoder; from drawing frames, too.
    """
    findings = pyav_frames.Findings()
    if by_decord:
        found = audit(path, name, heartbeat)
        _refuse_large(found, name)
        yield DecodedFile(
            header=found,
            expected=found.packets,
            frames=_by_decord(path, name, found, heartbeat),
            is_rgb=True,
            _audit=lambda: found,
            _findings=findings,
        )
    else:
        with demuxed(path, name) as file:
            _refuse_large(file.header, name)
            yield DecodedFile(
                header=file.header,
                expected=file.expected,
                frames=_refusing(file, findings, name, keep_damage=keep_damage),
                is_rgb=False,
                _audit=file.audit,
                _findings=findings,
            )


def _refuse_large(header: Header, name: str) -> None:
    if header.height * header.width > LARGEST_PIXELS:
        raise SourceError(
            f"{name}: found frames of {header.width}x{header.height} (width x height), expected at most "
            f"{LARGEST_PIXELS} pixels; make them smaller, or leave the video out with --on-error skip"
        )


def _by_decord(path: Path, name: str, found: Audit, heartbeat: Heartbeat) -> Iterator[np.ndarray]:
    from pipeline.video import decord_check, decord_frames  # without being asked for, it need not be there

    decord_check.refuse_irregular(found, name)
    expected = decord_check.ends(path, name, heartbeat)
    decoded = decord_frames.frames(path, name, (found.height, found.width))
    return decord_check.checked(decoded, expected, found.packets, name)


def _refusing(
    file: Demuxed, findings: pyav_frames.Findings, name: str, *, keep_damage: bool
) -> Iterator[np.ndarray]:
    """The frames; at their end an error if there were none, or damage that is not to be kept."""
    is_empty = True
    for frame in pyav_frames.frames_of(file, findings):
        is_empty = False
        yield frame
    audited = file.audit()
    refuse_empty(audited, name)
    found = [
        f"{findings.damaged} damaged frames" if findings.damaged else "",
        f"{findings.lost} packets that cannot be decoded" if findings.lost else "",
        f"the first at frame {findings.first}" if findings.first is not None else "",
        "; ".join(audited.complaints),
    ]
    if any(found) and not keep_damage:
        raise SourceError(
            f"{name}: {', '.join(text for text in found if text)}; mend the file, keep it with --on-damage "
            "keep, or leave it out with --on-error skip"
        )
    if is_empty:
        raise SourceError(
            f"{name}: none of its {audited.packets} packets gives a frame; mend the file, or leave it out "
            "with --on-error skip"
        )
