"""A thread for each camera: frames in, the newest window out, and again after every drop."""

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from pipeline.errors import SourceError
from pipeline.video.decoding import Decoder
from pipeline.video.footage import Footage
from pipeline.video.live import DroppedError, LiveFrame, LiveStream, connected
from pipeline.video.pyav_frames import Findings
from pipeline.video.tape import Moving, Tape
from pipeline.video.timed import TimedFrame, every
from pipeline.watch.assembler import Arrival, Assembler, Window
from pipeline.watch.clock import Clock, Grid
from pipeline.watch.feed import Feed

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between tries to connect; each pause is twice as long as the one before."""

logger = logging.getLogger(__name__)

Put = Callable[[Window], None]
"""Takes each window."""


def read_file(
    footage: Footage, rate: float | None, size: tuple[int, int], assembler: Assembler, feed: Feed, put: Put
) -> None:
    """Every window of a video file, whose frames are picked as `score` picks them.

    Args:
        footage: the file.
        rate: frames per second that are to be scored; None scores every frame.
        size: height and width of what the model sees.
        assembler, feed, put: of the camera.

    Raises:
        SourceError: it is no video.
        ConfigError: its rate is not that of the model.
    """
    with Decoder() as decoder, footage.local() as path:
        own = decoder.extent(footage, path).rate
        stride = 1 if own is None or rate is None else every(own, rate, str(footage))
        feed.rate = None if own is None else own / stride
        for frame in decoder.frames(footage, path, Findings(), stride=stride, small=size):
            if feed.stopping.is_set():
                return
            now = time.monotonic()
            feed.seen, feed.picture = now, frame.picture
            feed.turn("up", now)
            window = assembler.push(Arrival(frame=frame, at=now, time=None))
            if window is not None:
                put(window)
    feed.turn("ended", time.monotonic())


def stay_connected(
    location: str,
    name: str,
    stopping: threading.Event,
    read: Callable[[LiveStream], None],
    dropped: Callable[[str], None],
    count: Callable[[], int],
) -> None:
    """Connect to a camera, read, and connect again, until it is to end.

    Args:
        location: of it, with its secrets.
        name: of the camera.
        stopping: ends it.
        read: of one connection.
        dropped: is told why that has ended.
        count: gives how much has come so far; after a connection of which nothing came, pauses grow.
    """
    pause = FIRST_PAUSE
    while not stopping.is_set():
        before = count()
        try:
            with connected(location, name) as stream:
                read(stream)
        except DroppedError as error:
            dropped(str(error))
        if count() > before:
            pause = FIRST_PAUSE
        stopping.wait(pause * random.uniform(0.5, 1))
        pause = min(LONGEST_PAUSE, 2 * pause)


class Reader:
    """Reads a live camera for ever.

    Args:
        name: of the camera.
        location: of it, with its secrets.
        rate: frames per second that are to be scored; None scores every frame.
        assembler, feed, tape, put: of the camera.
    """

    def __init__(
        self,
        name: str,
        location: str,
        rate: float | None,
        assembler: Assembler,
        feed: Feed,
        tape: Tape,
        put: Put,
    ) -> None:
        self._name, self._location = name, location
        self._assembler, self._feed, self._tape, self._put = assembler, feed, tape, put
        self._clock, self._grid = Clock(), Grid(rate)
        self._number = 0
        self._is_corrupt = False
        self._size: tuple[int, int] | None = None

    def run(self) -> None:
        """Connect, read, and connect again, until the feed stops."""
        feed = self._feed

        def dropped(reason: str) -> None:
            if feed.reason != reason:
                logger.warning("%s: %s; it is tried again until it is back", self._name, reason)
            feed.turn("down" if self._number else "connecting", time.monotonic(), reason)

        stay_connected(self._location, self._name, feed.stopping, self._read, dropped, lambda: self._number)

    def _read(self, stream: LiveStream) -> None:
        form, clock = stream.form, self._clock
        clock.begin(None if form.rate is None else float(1 / form.rate), has_times=form.has_times)
        moving = Moving(form, by_arrival=clock.by_arrival)
        self._is_corrupt = self._number > 0
        is_first = True
        for packet, frames in stream:
            if self._feed.stopping.is_set():
                return
            if packet is not None:
                self._tape.push(packet, moving)
            for frame in frames:
                if is_first:
                    self._feed.reconnects += self._number > 0
                    is_first = False
                seconds = self._take(frame)
                moving.first = seconds if moving.first is None else moving.first
                if (clock.ahead, clock.by_arrival) != (moving.ahead, moving.by_arrival):
                    moving = moving if moving.ahead is None else Moving(form)
                    moving.ahead, moving.by_arrival = clock.ahead, clock.by_arrival

    def _tell_pace(self) -> None:
        """Say whether the camera's clock is believed, when that has changed."""
        feed, pace = self._feed, self._clock.pace
        if pace.is_right == (not feed.distrust):
            return
        feed.distrust = (
            "" if pace.is_right else f"its clock goes {pace.ratio:.2g} times as fast as this machine's"
        )
        if pace.is_right:
            logger.info("%s: its clock is right again", self._name)
        else:
            logger.warning("%s: %s; the time of arrival counts", self._name, feed.distrust)

    def _take(self, frame: LiveFrame) -> float:
        """Take a frame; returns when it is shown."""
        now, feed = time.monotonic(), self._feed
        if self._number == 0 or feed.state != "up":
            logger.info("%s: %d x %d", self._name, frame.size[1], frame.size[0])
        seconds, is_broken = self._clock.seconds(frame.seconds, now)
        self._tell_pace()
        is_other = self._size not in (None, frame.size)
        self._size = frame.size
        self._is_corrupt |= frame.is_corrupt or is_broken or is_other
        number, self._number = self._number, self._number + 1
        feed.seen, feed.shown = now, seconds
        feed.turn("up", now)
        if not self._grid.takes(seconds):
            return seconds
        is_corrupt, self._is_corrupt = self._is_corrupt, False
        try:
            picture = frame.picture(self._name)
        except SourceError as error:
            raise DroppedError(str(error).partition(";")[0]) from None
        feed.picture, feed.rate = picture, self._grid.rate
        timed = TimedFrame(number=number, seconds=seconds, picture=picture, is_corrupt=is_corrupt)
        window = self._assembler.push(Arrival(frame=timed, at=now, time=datetime.now(UTC)))
        if window is not None:
            self._put(window)
        return seconds
