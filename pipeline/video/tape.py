"""The last seconds of a camera as packets, and clips of them: so an event's beginning is there when it comes.

A tape is written by the thread that reads the camera, and read by the one that tells of events.
"""

import itertools
import math
import threading
from collections import deque
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.stream import VideoStream

from pipeline.errors import SourceError
from pipeline.video.live import Form, LivePacket
from pipeline.video.remux import timed_packets
from shards.storage import Storage

MOST_BYTES = 64 << 20
"""The most bytes of packets that are kept per camera: two minutes of 4 Mbit/s."""
_ARRIVAL_UNIT = Fraction(1, 90_000)
"""Seconds per tick of the times of packets whose arrival counts."""
_ARRIVAL_STEP = 90
"""The fewest ticks between two of them, a millisecond: some come at once, and containers refuse those of one
time."""


@dataclass
class Moving:
    """How a connection's clock lies to the camera's seconds, which is known from its first frame on.

    Attributes:
        form: of its packets.
        ahead: what is added to its seconds; None while that is not known.
        first: of the camera, when the first frame is shown: FFmpeg leaves its packet without a time.
        by_arrival: whether its seconds are those at which packets came, on the clock of this process.
    """

    form: Form
    ahead: float | None = None
    first: float | None = None
    by_arrival: bool = False

    @property
    def unit(self) -> Fraction:
        """Seconds per tick."""
        return _ARRIVAL_UNIT if self.by_arrival else self.form.unit


@dataclass(frozen=True, kw_only=True)
class _Kept:
    packet: LivePacket
    of: Moving

    @property
    def shown(self) -> int:
        """In ticks."""
        if self.of.by_arrival:
            return round(self.packet.arrived / self.of.unit)
        if self.packet.shown is not None:
            return self.packet.shown
        return round(((self.of.first or 0.0) - (self.of.ahead or 0.0)) / self.of.unit)

    @property
    def decoded(self) -> int | None:
        """In ticks; None where the camera does not say."""
        return self.shown if self.of.by_arrival else self.packet.decoded

    @property
    def seconds(self) -> float | None:
        """Of the camera."""
        return None if self.of.ahead is None else float(self.shown * self.of.unit) + self.of.ahead


class Tape:
    """Keeps packets of the last seconds, and of all that has been since an event began.

    Args:
        seconds: that are kept without an event.
    """

    def __init__(self, seconds: float) -> None:
        self._span = seconds
        self._lock = threading.Lock()
        self._kept: deque[_Kept] = deque()
        self._bytes = 0
        self._is_held = self._is_full = False

    def push(self, packet: LivePacket, of: Moving) -> None:
        """Take the next packet; one without a time is left out, but for the first of a connection."""
        with self._lock:
            is_next = bool(self._kept) and self._kept[-1].of is of
            if packet.shown is None and is_next and not of.by_arrival:
                return
            if self._is_full:  # with an event that is longer than what is kept: its beginning stays
                return
            self._kept.append(_Kept(packet=packet, of=of))
            self._bytes += len(packet.data)
            if self._is_held and self._bytes > MOST_BYTES:
                self._is_full = True
            elif not self._is_held and (packet.is_key or self._bytes > MOST_BYTES):
                self._let_go()

    def hold(self) -> None:
        """Keep all from now on: an event has begun."""
        with self._lock:
            self._is_held = True

    def release(self) -> None:
        """Keep the last seconds alone again."""
        with self._lock:
            if self._is_full:
                self._kept.clear()
                self._bytes = 0
            self._is_held = self._is_full = False
            self._let_go()

    def clip(self, span: tuple[float, float], out: Storage, stem: str) -> str:
        """Copy what was shown from `span[0]` to `span[1]`, seconds of the camera, into a file of its own.

        It begins with the last key frame up to the start, or the first that is kept; it is of one connection.

        Returns:
            The name of the clip, the stem with its suffix.

        Raises:
            SourceError: nothing of it is kept, or its packets cannot be copied.
            StorageError: the clip cannot be written.
        """
        with self._lock:
            kept = list(self._kept)
        packets = _of_span(kept, span)
        if not packets:
            raise SourceError(
                f"{stem}: found no pictures of these seconds, expected some; its clip is left out"
            )
        form, unit = packets[0].of.form, packets[0].of.unit
        zero = packets[0].shown
        step = max(1, round(1 / (form.rate * unit))) if form.rate else 1
        least = _ARRIVAL_STEP if packets[0].of.by_arrival else 1
        try:
            with (
                out.writing(stem + form.suffix) as file,
                av.open(file, "w", format=form.container) as target,
            ):
                copy = target.add_stream_from_template(form.template, opaque=True)
                made = (_packet(each, copy) for each in packets)
                last: int | None = None
                for packet, shown, decoded in timed_packets(made, stem, step):
                    last = decoded if last is None else max(decoded, last + least)
                    packet.pts, packet.dts = max(shown, last) - zero, last - zero
                    target.mux(packet)
        except av.FFmpegError as error:
            raise SourceError(f"{stem}: its packets cannot be copied ({error.strerror})") from None
        return stem + form.suffix

    def _let_go(self) -> None:
        """Drop groups of pictures that lie wholly before the last seconds.

        The times of a connection are known from its first frame on: its packets before that, and those of one
        that broke before, lie between what has times.
        """
        newest = next((at for each in reversed(self._kept) if (at := each.seconds) is not None), None)
        while self._kept:
            is_past = newest is not None and self._next_key() <= newest - self._span
            if not is_past and self._bytes <= MOST_BYTES:
                return
            self._bytes -= len(self._kept.popleft().packet.data)

    def _next_key(self) -> float:
        """When the first group but one begins whose time is known; infinite where there is none."""
        later = itertools.islice(self._kept, 1, None)
        keys = (at for each in later if each.packet.is_key and (at := each.seconds) is not None)
        return next(keys, math.inf)


def _of_span(kept: list[_Kept], span: tuple[float, float]) -> list[_Kept]:
    """The packets to copy: of the connection that has most of the span."""
    inside = [each for each in kept if each.seconds is not None and span[0] <= each.seconds <= span[1]]
    counts: dict[int, int] = {}
    for each in inside:
        counts[id(each.of)] = counts.get(id(each.of), 0) + 1
    if not counts:
        return []
    chosen = max(counts, key=counts.__getitem__)
    own = [each for each in kept if id(each.of) == chosen and each.seconds is not None]
    keys = [index for index, each in enumerate(own) if each.packet.is_key]
    before = [index for index in keys if (own[index].seconds or 0.0) <= span[0]]
    if not keys:
        return []
    start = before[-1] if before else keys[0]
    return [
        each for each in own[start:] if (each.seconds or 0.0) <= span[1] and each.shown >= own[start].shown
    ]


def _packet(kept: _Kept, stream: VideoStream) -> "av.Packet[VideoStream]":
    packet = av.Packet(kept.packet.data)
    packet.pts, packet.dts = kept.shown, kept.decoded
    packet.time_base = kept.of.unit
    packet.is_keyframe = kept.packet.is_key
    packet.stream = stream
    return packet  # type: ignore[return-value]
