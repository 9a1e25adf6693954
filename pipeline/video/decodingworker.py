"""The process that decodes video of users for `pipeline.video.decoding`, within bounds of memory.

    python -P -m pipeline.video.decodingworker

It reads a job per line on its standard input, and an empty line for each frame that was taken.
"""

import dataclasses
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import SourceError
from pipeline.processes.addressspace import address_space, limit_address_space
from pipeline.processes.heartbeat import Heartbeat, now_and_then
from pipeline.processes.workers import answering, failure, most_resident
from pipeline.video.extent import extent, key_seconds
from pipeline.video.footage import Footage
from pipeline.video.imageheaders import LARGEST_PIXELS
from pipeline.video.images import resized, use_one_thread
from pipeline.video.pyav_frames import Findings
from pipeline.video.remux import clip
from pipeline.video.ring import Putter
from pipeline.video.timed import TimedFrame, thinned
from shards.storage import Storage


class _Waiting:
    """Waits, and knows how long it has waited.

    Args:
        taken: what is waited for.
    """

    def __init__(self, taken: threading.Semaphore) -> None:
        self._taken = taken
        self.seconds = 0.0

    def wait(self) -> None:
        """Until the next frame was taken."""
        started = time.perf_counter()
        self._taken.acquire()
        self.seconds += time.perf_counter() - started


def main() -> None:
    """Do jobs until the standard input ends; then it is gone at once, whatever it is doing."""
    answer = answering()
    use_one_thread()
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    taken = threading.Semaphore(0)
    held = address_space()
    threading.Thread(target=_listen, args=(jobs, taken), daemon=True).start()
    while True:
        job = json.loads(jobs.get())
        footage, path = Footage(**job["footage"]), Path(job["path"])
        try:
            limit_address_space(held, 0)
            match job["task"]:
                case "frames":
                    result = _frames(job, footage, path, answer, taken)
                case "extent":
                    result = {"done": dataclasses.asdict(extent(path, str(footage)))}
                case "keys":
                    result = {"done": key_seconds(path, str(footage))}
                case _:
                    made = clip(path, str(footage), tuple(job["span"]), Storage(job["out"]), job["stem"])
                    result = {"done": made.name}
        except Exception as error:
            answer(**failure(error, str(footage)))
        else:
            answer(**result, resident=most_resident())


def _listen(jobs: "queue.SimpleQueue[str]", taken: threading.Semaphore) -> None:
    """Read the standard input, at whose end nobody is there any more to work for."""
    for line in sys.stdin:
        if line.strip():
            jobs.put(line)
        else:
            taken.release()
    os._exit(0)


def _frames(
    job: dict[str, Any], footage: Footage, path: Path, answer: Callable[..., None], taken: threading.Semaphore
) -> dict[str, Any]:
    """Put the frames of a video into the ring."""
    started = time.perf_counter()
    findings, waiting = Findings(), _Waiting(taken)
    putter = Putter(job["ring"], job["most"], waiting.wait)
    beat = now_and_then(lambda done, _: answer(alive=done))
    size = None if job["small"] is None else (job["small"][0], job["small"][1])
    frames = _beating(footage.frames(path, findings, job["rate"]), footage, beat)
    try:
        for frame in thinned(frames, job["stride"]):
            pictures = [frame.picture] if job["is_whole"] or size is None else []
            if size is not None:
                pictures += resized([frame.picture], size)
            answer(
                place=putter.put(pictures),
                sizes=[picture.shape[:2] for picture in pictures],
                frame={"number": frame.number, "seconds": frame.seconds, "is_corrupt": frame.is_corrupt},
            )
    finally:
        putter.finish()
    seconds = time.perf_counter() - started - waiting.seconds
    return {"findings": dataclasses.asdict(findings), "seconds": seconds}


def _beating(frames: Iterator[TimedFrame], footage: Footage, beat: Heartbeat) -> Iterator[TimedFrame]:
    for frame in frames:
        height, width = frame.picture.shape[:2]
        if height * width > LARGEST_PIXELS:
            raise SourceError(
                f"{footage}: found frames of {width}x{height} (width x height), expected at most "
                f"{LARGEST_PIXELS} pixels; make them smaller, or leave it out"
            )
        beat(frame.number, 0)
        yield frame


if __name__ == "__main__":
    main()
