"""The engine of `watch` in this process, with a model that costs nothing and a camera that sends at once.

All is that of the command but the network, the search for local errors, the page and retention.
"""

import contextlib
import dataclasses
import itertools
import logging
import math
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from torch import Tensor

from mnad import FrameScores, Observed
from mnad.local_error import LocalError, Place
from pipeline.processes.distributed import processes
from pipeline.scoring.moments import Gaze, Looks
from pipeline.scoring.scorer import Scorer
from pipeline.watch import clock
from pipeline.watch.plan import watch_config
from pipeline.watch.prepare import engine
from pipeline.watch.slots import Slots
from pipeline.watch.view import Snapshot
from rtsp import Camera, camera
from watched import command, make_run, make_video

RATE, SIZE, HEIGHT = 25, 32, 64
ALARMS_PER_HOUR = 120
MINUTE, BURST = 60 * RATE, 2 * RATE
"""Frames of a minute of the camera's own time, and how many of them are abnormal."""
DECIBELS = 20.0
"""By which these are worse."""
NAME = "camera"


@dataclass(frozen=True, kw_only=True)
class Breaks:
    """When a camera hangs up.

    Attributes:
        first: frames of the first connection.
        others: frames of each other one.
    """

    first: int
    others: int


def serve(video: Path, told: Connection, breaks: Breaks | None) -> None:
    """A camera that sends faster than any other, until it is told to end.

    Args:
        video: that it sends.
        told: gets its address, and says when it ends.
        breaks: of its connections; None has none, and frames come as fast as they are taken.
    """
    with camera(video, speed=math.inf if breaks is None else 20.0) as source:
        told.send(source.url)
        if breaks is not None:
            threading.Thread(target=hang_up, args=(source, breaks), daemon=True).start()
        told.recv()


def hang_up(source: Camera, breaks: Breaks) -> None:
    """End each connection after its frames, or a few more."""
    for connection in itertools.count(1):
        while source.connections < connection:
            time.sleep(0.002)
        last = source.sent + (breaks.first if connection == 1 else breaks.others)
        while source.sent < last and source.ended < connection:
            time.sleep(0.002)
        source.fault = "drop"
        while source.ended < connection:
            time.sleep(0.002)
        source.fault = "none"


@contextmanager
def served(video: Path, breaks: Breaks | None = None) -> Iterator[str]:
    """The address of a camera in a process of its own, so that its work and memory are not the watch's."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=serve, args=(video, theirs, breaks), daemon=True)
    process.start()
    try:
        yield mine.recv()
    finally:
        mine.send("end")
        process.join(10)


def cost_nothing() -> None:
    """Let the network and the search for local errors give what they gave for the first frame.

    Two seconds of every minute of the camera's own time are as abnormal as can be.
    """
    real_apart, real_looks, real_place = Scorer.apart, Gaze.looks, LocalError.place
    scored: list[tuple[FrameScores, Observed, Tensor]] = []
    looked: list[Looks] = []
    placed: list[Place] = []
    numbers = itertools.count()

    def apart(self: Scorer, windows: Tensor, items: Tensor) -> tuple[FrameScores, Observed, Tensor]:
        if not scored:
            scored.append(real_apart(self, windows, items))
        return scored[0]

    def looks(self: Gaze, error: Tensor) -> Looks:
        if not looked:
            looked.append(real_looks(self, error))
        more = DECIBELS if next(numbers) % MINUTE >= MINUTE - BURST else 0.0
        return dataclasses.replace(looked[0], local=looked[0].local + more)

    def place(self: LocalError, error: Tensor, box: int) -> Place:
        if not placed:
            placed.append(real_place(self, error, box))
        return placed[0]

    Scorer.apart, Gaze.looks = apart, looks  # type: ignore[method-assign]
    LocalError.place = place  # type: ignore[method-assign]


def skip_nothing() -> None:
    """Let a camera wait for the one who scores, and believe its clock, however fast it is."""

    def put(self: Slots, camera: str, window: Any) -> None:
        self.offer(camera, window, lambda: False)

    Slots.put = put  # type: ignore[method-assign]
    clock.COMPARED_SECONDS = math.inf


def watch_freely(folder: Path, look: Callable[[Snapshot], bool], breaks: Breaks | None = None) -> int:
    """Watch one camera, until it has been looked at often enough.

    Args:
        folder: that is empty.
        look: is given the camera, twice a second about; True ends it.
        breaks: of the camera's connections.

    Returns:
        How many of its last events are alarms.
    """
    run = make_run(folder / "run", size=SIZE, rate=RATE)
    normal = make_video(folder / "normal.mp4", 72.0, height=HEIGHT)
    command("calibrate", run, normal, "--alarms-per-hour", ALARMS_PER_HOUR, "--device", "cpu")
    cost_nothing()
    skip_nothing()
    logging.getLogger("pipeline.watch").setLevel(logging.ERROR)  # each connection that ends is a warning
    stop = threading.Event()
    with served(normal, breaks) as url, processes("cpu") as process, contextlib.ExitStack() as stack:
        plan = watch_config(
            url=url, checkpoint=str(run), out=str(folder / "watched"), name=NAME, device="cpu"
        )
        made = engine(plan, process, stack)

        def beat(now: float) -> None:
            if look(made.view.snapshot(NAME)):
                stop.set()

        made.run(stop, beat)
    return sum(event.kind == "anomaly" for event in made.view.events(NAME))
