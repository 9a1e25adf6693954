"""Video files whatever decodes them: what they hold, then their frames, checked to the end."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import SourceError
from pipeline.processes.heartbeat import Heartbeat
from pipeline.video import pyav_frames
from pipeline.video.audit import Audit, audit
from pipeline.video.imageheaders import LARGEST_PIXELS


@dataclass(frozen=True, kw_only=True)
class DecodedFile:
    """A video file whose frames are being decoded.

    Attributes:
        audit: what its container holds.
        frames: uint8 (H, W, 3), every frame once, in order, upright; to be drawn once.
        is_rgb: the order of their channels, else BGR.
    """

    audit: Audit
    frames: Iterator[np.ndarray]
    is_rgb: bool
    _findings: pyav_frames.Findings

    def facts(self) -> dict[str, Any]:
        """For the manifest, once all frames are drawn."""
        decoder = "decord" if self.is_rgb else "pyav"
        return {**self.audit.facts(), "decoder": decoder, **self._findings.facts()}


def decoded_file(
    path: Path, name: str, *, by_decord: bool, keep_damage: bool, heartbeat: Heartbeat
) -> DecodedFile:
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
    found = audit(path, name, heartbeat)
    if found.height * found.width > LARGEST_PIXELS:
        raise SourceError(
            f"{name}: found frames of {found.width}x{found.height} (width x height), expected at most "
            f"{LARGEST_PIXELS} pixels; make them smaller, or leave the video out with --on-error skip"
        )
    findings = pyav_frames.Findings()
    if by_decord:
        frames = _by_decord(path, name, found, heartbeat)
    else:
        decoded = pyav_frames.frames(path, name, findings)
        frames = _refusing(decoded, findings, found, name, keep_damage=keep_damage)
    return DecodedFile(audit=found, frames=frames, is_rgb=by_decord, _findings=findings)


def _by_decord(path: Path, name: str, found: Audit, heartbeat: Heartbeat) -> Iterator[np.ndarray]:
    from pipeline.video import decord_check, decord_frames  # without being asked for, it need not be there

    decord_check.refuse_irregular(found, name)
    expected = decord_check.ends(path, name, heartbeat)
    decoded = decord_frames.frames(path, name, (found.height, found.width))
    return decord_check.checked(decoded, expected, found.packets, name)


def _refusing(
    frames: Iterator[np.ndarray],
    findings: pyav_frames.Findings,
    audited: Audit,
    name: str,
    *,
    keep_damage: bool,
) -> Iterator[np.ndarray]:
    """The frames; at their end an error if there were none, or damage that is not to be kept."""
    is_empty = True
    for frame in frames:
        is_empty = False
        yield frame
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
