"""Video of users, decoded in a process of its own, ahead of whoever draws the frames.

A file that makes the decoder crash, hang or ask for endless memory costs an error of one line, and no more.

    with Decoder() as decoder, footage.local() as path:
        for frame in decoder.frames(footage, path, findings, small=(64, 64)): ...

What the process does is in `pipeline.video.decodingworker`.
"""

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.errors import SourceError
from pipeline.processes.workers import RESIDENT_LIMIT, LostWorkerError, WorkerProcess, refuse_failure
from pipeline.video.extent import Extent
from pipeline.video.footage import Footage
from pipeline.video.pyav_frames import Findings
from pipeline.video.ring import open_ring, take
from pipeline.video.timed import TimedFrame
from shards.storage import Storage

STALL_SECONDS = 120.0
"""Seconds without a frame or another sign of life after which a file is given up."""
AHEAD = 64
"""Frames that are decoded ahead at the most: eight batches of 64x64."""


class Decoder:
    """Decodes one video after another. The process starts with the first, and ends with the block.

    Args:
        stall_seconds: without a sign of life, after which a file is given up.

    Attributes:
        seconds: that decoding and resizing took so far, without waiting for who draws the frames.
    """

    def __init__(self, stall_seconds: float = STALL_SECONDS) -> None:
        self._ring = open_ring()
        self._process = WorkerProcess("pipeline.video.decodingworker", stall_seconds, [self._ring])
        self.seconds = 0.0

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        os.close(self._ring)

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return self._process.pid

    def extent(self, footage: Footage, path: Path) -> Extent:
        """What a video file says about itself.

        Raises:
            SourceError: it is not a video file, or cannot be looked into.
        """
        return Extent(**self._done("extent", footage, path))

    def rate(self, footage: Footage, path: Path, given: float | None) -> float | None:
        """Frames per second of a video: a file's own, or those that are given for a folder of images and a
        file that does not say; None if nobody says.

        Raises:
            SourceError: as `extent`.
        """
        return (None if footage.images else self.extent(footage, path).rate) or given

    def key_seconds(self, footage: Footage, path: Path) -> float | None:
        """Seconds between its key frames, see `pipeline.video.extent`.

        Raises:
            SourceError: as `extent`.
        """
        seconds: float | None = self._done("keys", footage, path)
        return seconds

    def clip(self, footage: Footage, path: Path, span: tuple[float, float], out: Storage, stem: str) -> str:
        """Copy a part of a video file, see `pipeline.video.remux`; returns the name of the clip.

        Args:
            footage, path: the file.
            span: seconds since its first frame.
            out: a local folder.
            stem: name of the clip in it, without the suffix.

        Raises:
            SourceError: it cannot be copied.
            StorageError: the clip cannot be written.
        """
        name: str = self._done("clip", footage, path, span=span, out=str(out), stem=stem)
        return name

    def frames(
        self,
        footage: Footage,
        path: Path,
        findings: Findings,
        *,
        rate: float | None = None,
        stride: int = 1,
        small: tuple[int, int] | None = None,
        is_whole: bool = True,
    ) -> Iterator[TimedFrame]:
        """Frames in order, with their times.

        Args:
            footage: the video.
            path: what `footage.local` gave.
            findings: is told at the end what is damaged.
            rate: images per second of a folder of images, or frames of a file that does not say; None counts
                images, one a second.
            stride: of so many frames one is given.
            small: height and width to which frames are resized, too, if that is wanted.
            is_whole: whether pictures of the video's own size are wanted; else those are the small ones.

        Raises:
            SourceError: it is no video, one of its images cannot be read, or the decoder died or hung.
        """
        self._tell("frames", footage, path, rate=rate, stride=stride, small=small, is_whole=is_whole)
        count, is_over = 0, False
        try:
            while True:
                answer = self._answer(footage, count)
                if "frame" not in answer:
                    break
                pictures = take(self._ring, answer["place"], answer["sizes"])
                self._process.tell("")
                count += 1
                yield TimedFrame(
                    picture=pictures[0],
                    small=None if small is None else pictures[-1],
                    **answer["frame"],
                )
            is_over = True
        except SourceError:
            is_over = True
            raise
        finally:
            if not is_over:  # it is in the middle of the video, which nobody wants to see on
                self._process.kill()
        findings.add(Findings(**answer["findings"]))
        self.seconds += answer["seconds"]
        self._finish(answer)

    def _tell(self, task: str, footage: Footage, path: Path, **options: Any) -> None:
        job = {
            "task": task,
            "footage": dataclasses.asdict(footage),
            "path": str(path),
            "ring": self._ring,
            "most": AHEAD,
            **options,
        }
        self._process.tell(json.dumps(job))

    def _answer(self, footage: Footage, frames: int) -> dict[str, Any]:
        """The next answer that is more than a sign of life."""
        try:
            while "alive" in (answer := self._process.answer()):
                pass
        except LostWorkerError as lost:
            raise SourceError(
                f"{footage}: the decoder {lost} after {frames} frames; mend or convert the "
                "file, or leave it out"
            ) from None
        refuse_failure(answer, str(footage))
        return answer

    def _done(self, task: str, footage: Footage, path: Path, **options: Any) -> Any:
        self._tell(task, footage, path, **options)
        answer = self._answer(footage, 0)
        self._finish(answer)
        return answer["done"]

    def _finish(self, answer: dict[str, Any]) -> None:
        if answer["resident"] > RESIDENT_LIMIT:
            self._process.kill()
