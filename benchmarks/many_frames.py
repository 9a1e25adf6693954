"""Memory of `watch` over very many frames: the command's own loop, with a model that costs nothing.

    python benchmarks/many_frames.py [--frames 1000000] [--minutes 15]

A camera on loopback sends as fast as it is taken, and nothing is skipped. Everything is that of the command
but the network and the search for local errors: both give again what they gave for the first frame, and two
seconds of every minute of the camera's own time are as abnormal as can be. It ends after so many frames, or
so many minutes. Printed is what the process holds after each twentieth of the frames.
"""

import argparse
import dataclasses
import itertools
import math
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from torch import Tensor

from mnad import FrameScores, Observed
from mnad.local_error import LocalError, Place
from pipeline.scoring.moments import Gaze, Looks
from pipeline.scoring.scorer import Scorer
from pipeline.watch.plan import watch_config
from pipeline.watch.run import watch
from pipeline.watch.slots import Slots
from rtsp import camera
from vitals import Vitals, vitals
from watched import command, make_run, make_video

RATE, SIZE, HEIGHT = 25, 32, 64
ALARMS_PER_HOUR = 120
MINUTE, BURST = 60 * RATE, 2 * RATE
"""Frames, and how many of them are abnormal."""
DECIBELS = 20.0
"""By which these are worse."""
PARTS = 20
"""Of a run, each with a line."""
MOST_MB = 20.0
"""That all frames together may add."""


def serve(video: Path, told: Connection) -> None:
    """A camera that sends as fast as it is taken, until it is told to end."""
    with camera(video, speed=math.inf) as source:
        told.send(source.url)
        told.recv()


@contextmanager
def served(video: Path) -> Iterator[str]:
    """The address of a camera in a process of its own, so that its work and memory are not the watch's."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=serve, args=(video, theirs), daemon=True)
    process.start()
    try:
        yield mine.recv()
    finally:
        mine.send("end")
        process.join(10)


def cost_nothing() -> Callable[[], int]:
    """Let network and search give what they gave before; what is returned gives the frames so far."""
    real_apart, real_looks, real_place = Scorer.apart, Gaze.looks, LocalError.place
    scored: list[tuple[FrameScores, Observed, Tensor]] = []
    looked: list[Looks] = []
    placed: list[Place] = []
    numbers, count = itertools.count(1), [0]

    def apart(self: Scorer, windows: Tensor, items: Tensor) -> tuple[FrameScores, Observed, Tensor]:
        if not scored:
            scored.append(real_apart(self, windows, items))
        return scored[0]

    def looks(self: Gaze, error: Tensor) -> Looks:
        if not looked:
            looked.append(real_looks(self, error))
        count[0] = next(numbers)
        more = DECIBELS if count[0] % MINUTE >= MINUTE - BURST else 0.0
        return dataclasses.replace(looked[0], local=looked[0].local + more)

    def place(self: LocalError, error: Tensor, box: int) -> Place:
        if not placed:
            placed.append(real_place(self, error, box))
        return placed[0]

    Scorer.apart, Gaze.looks = apart, looks  # type: ignore[method-assign]
    LocalError.place = place  # type: ignore[method-assign]
    return lambda: count[0]


def skip_nothing() -> None:
    """Let a camera wait for the one who scores."""

    def put(self: Slots, camera: str, window: Any) -> None:
        self.offer(camera, window, lambda: False)

    Slots.put = put  # type: ignore[method-assign]


def sample(frames: int, seconds: float, count: Callable[[], int], stop: threading.Event) -> list[Vitals]:
    """What this process holds after each part of so many frames, until they are over or the time is."""
    started, found = time.monotonic(), []
    print("| frames | resident, MB | not of files, MB | descriptors | threads | frames/s |")
    print("|---|---|---|---|---|---|")
    for part in range(1, PARTS + 1):
        while count() < part * frames // PARTS and time.monotonic() - started < seconds:
            time.sleep(0.05)
        held, passed = vitals(os.getpid()), time.monotonic() - started
        found.append(held)
        print(
            f"| {count()} | {held.resident:.1f} | {held.anonymous:.1f} | {held.descriptors} "
            f"| {held.threads} | {count() / passed:.0f} |",
            flush=True,
        )
        if passed >= seconds:
            break
    stop.set()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=15.0)
    options = parser.parse_args()
    held: list[Vitals] = []
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        run = make_run(work / "run", size=SIZE, rate=RATE)
        normal = make_video(work / "normal.mp4", 72.0, height=HEIGHT)
        command("calibrate", run, normal, "--alarms-per-hour", ALARMS_PER_HOUR, "--device", "cpu")
        count = cost_nothing()
        skip_nothing()
        with served(normal) as url:
            plan = watch_config(url=url, checkpoint=str(run), out=str(work / "watched"), device="cpu")
            sampler = threading.Thread(
                target=lambda: held.extend(sample(options.frames, 60 * options.minutes, count, stop))
            )
            sampler.start()
            engine = watch(plan, stop=stop)
            sampler.join()
        events = sum(event.kind == "anomaly" for event in engine.view.events("camera"))
        print(f"\n{engine.view.snapshot('camera').scored} frames, {events} of the last events are alarms")
    grown = held[-1].resident - held[0].resident
    print(f"{grown:+.1f} MB, {'within' if grown <= MOST_MB else 'more than'} {MOST_MB:g} MB")


if __name__ == "__main__":
    main()
