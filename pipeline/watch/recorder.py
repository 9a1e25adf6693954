"""A second stream of a camera, of which clips are made: it is kept as it comes, and never decoded."""

import logging
import time

from pipeline.video.live import LiveStream
from pipeline.video.tape import Moving, Tape
from pipeline.watch.clock import JUMP
from pipeline.watch.feed import Feed
from pipeline.watch.readers import stay_connected

logger = logging.getLogger(__name__)


class Recorder:
    """Keeps what comes, for ever.

    The two streams have clocks of their own. What arrives with a frame of the one that is watched is taken to
    be shown with it; clips have a margin of seconds for what that is off.

    Args:
        name: of the camera.
        location: of the stream, with its secrets.
        feed: of the stream that is watched.
        tape: where packets are kept.
    """

    def __init__(self, name: str, location: str, feed: Feed, tape: Tape) -> None:
        self._name, self._location, self._feed, self._tape = name, location, feed, tape
        self._number = 0

    def run(self) -> None:
        """Connect, keep, and connect again, until the feed stops."""
        stay_connected(
            self._location,
            f"{self._name} (record_url)",
            self._feed.stopping,
            self._read,
            self._dropped,
            lambda: self._number,
        )

    def _dropped(self, reason: str) -> None:
        if self._feed.unrecorded != reason:
            logger.warning("%s: record_url: %s; it is tried again until it is back", self._name, reason)
        self._feed.unrecorded = reason

    def _read(self, stream: LiveStream) -> None:
        form = stream.form
        moving = Moving(form)
        for packet in stream.packets():
            if self._feed.stopping.is_set():
                return
            self._number += 1
            self._feed.unrecorded = ""
            now = self._feed.seconds(time.monotonic())
            by_arrival = not form.has_times or bool(self._feed.distrust)
            if now is None or (packet.shown is None and not by_arrival):
                continue
            stamp = packet.arrived if by_arrival else float((packet.shown or 0) * form.unit)
            is_same = moving.ahead is not None and moving.by_arrival == by_arrival
            if not is_same or abs(stamp + (moving.ahead or 0.0) - now) > JUMP:
                moving = Moving(form, by_arrival=by_arrival, ahead=now - stamp)
            self._tape.push(packet, moving)
