"""A camera that is none: an RTSP server on loopback that plays H.264 files over TCP, with faults on demand.

It speaks what a player needs (DESCRIBE, SETUP and PLAY of RFC 2326, interleaved) and sends H.264 as RFC 6184
says. Faults are set while it plays, and hold until they are set to something else.
"""

import base64
import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av

Fault = Literal["none", "refuse", "drop", "stall", "corrupt", "back", "leap"]
"""refuse connections; drop one at once; send nothing more; harm packets; timestamps an hour back or ahead."""

_CLOCK = 90_000
_MOST = 1400
_SSRC = 0x1234ABCD


@dataclass(frozen=True)
class Unit:
    """What is shown at one time: NAL units without start codes."""

    seconds: Fraction
    is_key: bool
    nals: tuple[bytes, ...]


def units(path: Path) -> list[Unit]:
    """The pictures of a file, in the order of decoding; parameter sets go before key frames."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        extra = bytes(stream.codec_context.extradata or b"")
        found = []
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None and packet.time_base is not None:
                nals = tuple(_split(bytes(packet)))
                whole = (*_parameters(extra), *nals) if packet.is_keyframe else nals
                found.append(Unit(packet.pts * packet.time_base, packet.is_keyframe, whole))
    return found


def _split(data: bytes) -> Iterator[bytes]:
    """NAL units of a packet of an MP4, with lengths of four bytes."""
    at = 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 4 + size]
        at += 4 + size


def _parameters(extra: bytes) -> list[bytes]:
    """Parameter sets of an avcC record."""
    found, at = [], 6
    for count in (extra[5] & 31, None):
        number = extra[at] if count is None else count
        at += count is None
        for _ in range(number):
            size = int.from_bytes(extra[at : at + 2], "big")
            found.append(extra[at + 2 : at + 2 + size])
            at += 2 + size
    return found


@dataclass
class Camera:
    """A running server.

    Attributes:
        path: of the file that is played to whoever connects next.
        speed: times real time; infinite sends as fast as it is taken.
        loop: whether it begins again at its end, with times that go on; else it refuses connections then.
        fault: what goes wrong now.
        user, password: that are asked for, if any.
        connections: that were made so far.
        ended: how many of them are over.
        sent: pictures that were sent so far.
    """

    path: Path
    speed: float = 1.0
    loop: bool = True
    fault: Fault = "none"
    login: str | None = None
    port: int = 0
    connections: int = 0
    ended: int = 0
    sent: int = 0
    _sockets: list[socket.socket] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        login = "" if self.login is None else f"{self.login}@"
        return f"rtsp://{login}127.0.0.1:{self.port}/stream"

    def serve(self, listener: socket.socket) -> None:
        while not self._over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if self.fault == "refuse":
                connection.close()
                continue
            self._sockets.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def close(self) -> None:
        self._over.set()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _talk(self, connection: socket.socket) -> None:
        pictures = units(self.path)
        with contextlib.suppress(OSError, ValueError), connection:
            file = connection.makefile("rb")
            while (request := _request(file)) is not None:
                method, headers = request
                if self.login is not None and method != "OPTIONS" and not self._knows(headers):
                    _answer(connection, headers, "401 Unauthorized", 'WWW-Authenticate: Basic realm="t"')
                elif method == "OPTIONS":
                    _answer(connection, headers, "200 OK", "Public: DESCRIBE, SETUP, PLAY, TEARDOWN")
                elif method == "DESCRIBE":
                    _answer(connection, headers, "200 OK", "Content-Type: application/sdp", _sdp(pictures))
                elif method == "SETUP":
                    transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
                    _answer(connection, headers, "200 OK", transport)
                elif method == "PLAY":
                    begin = f"RTP-Info: url=track0;seq=0;rtptime={_stamp(pictures[0].seconds)}"
                    _answer(connection, headers, "200 OK", begin)
                    self.connections += 1
                    try:
                        self._play(connection, pictures)
                    finally:
                        self.ended += 1
                    return
                else:
                    _answer(connection, headers, "200 OK", "Session: 1")

    def _knows(self, headers: dict[str, str]) -> bool:
        assert self.login is not None
        expected = base64.b64encode(self.login.encode()).decode()
        return headers.get("authorization") == f"Basic {expected}"

    def _play(self, connection: socket.socket, pictures: list[Unit]) -> None:
        length = max(unit.seconds for unit in pictures) + (
            pictures[1].seconds - pictures[0].seconds if len(pictures) > 1 else Fraction(1)
        )
        started, number, passed = time.monotonic(), 0, Fraction(0)
        rng = random.Random(0)
        while True:
            for unit in pictures:
                seconds = unit.seconds + passed
                due = started + float(seconds) / self.speed
                while (left := due - time.monotonic()) > 0 and self.fault != "drop":
                    time.sleep(min(left, 0.05))
                while self.fault == "stall" and not self._over.is_set():
                    time.sleep(0.02)
                if self.fault == "drop" or self._over.is_set():
                    return
                shift = {"back": -3600, "leap": 3600}.get(self.fault, 0)
                stamp = _stamp(seconds + shift)
                for packet in _packets(unit, self.fault == "corrupt", rng):
                    rest, is_last = packet
                    marker = 0x80 if is_last else 0
                    head = struct.pack(">BBHII", 0x80, 96 | marker, number & 0xFFFF, stamp, _SSRC)
                    whole = head + rest
                    connection.sendall(b"$\x00" + struct.pack(">H", len(whole)) + whole)
                    number += 1
                self.sent += 1
            if not self.loop:
                self.fault = "refuse"
                return
            passed += length


def _stamp(seconds: Fraction) -> int:
    """Of RTP packets, on a clock that turns over soon: in 32 bits there are 13 hours."""
    return (round(seconds * _CLOCK) + (1 << 32) - 10 * _CLOCK) & 0xFFFFFFFF


def _packets(unit: Unit, is_corrupt: bool, rng: random.Random) -> Iterator[tuple[bytes, bool]]:
    """Payloads of RTP packets, and whether each is the last of its picture."""
    for index, nal in enumerate(unit.nals):
        is_last_nal = index == len(unit.nals) - 1
        if is_corrupt and nal[0] & 31 in (1, 5):
            harmed = bytearray(nal)
            places = range(min(8, len(nal) - 1), len(nal))
            for at in rng.sample(places, min(8, len(places))):
                harmed[at] ^= rng.randrange(1, 256)
            nal = bytes(harmed)
        if len(nal) <= _MOST:
            yield nal, is_last_nal
            continue
        body = nal[1:]
        for at in range(0, len(body), _MOST):
            piece = body[at : at + _MOST]
            is_end = at + _MOST >= len(body)
            flags = (0x80 if at == 0 else 0) | (0x40 if is_end else 0) | (nal[0] & 31)
            yield bytes([(nal[0] & 0xE0) | 28, flags]) + piece, is_end and is_last_nal


def _sdp(pictures: list[Unit]) -> bytes:
    key = next(unit for unit in pictures if unit.is_key)
    sets = [nal for nal in key.nals if nal[0] & 31 in (7, 8)]
    sprop = ",".join(base64.b64encode(nal).decode() for nal in sets)
    lines = [
        *("v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=test", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"),
        *("m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000"),
        f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sprop}",
        "a=control:track0",
    ]
    return "\r\n".join([*lines, ""]).encode()


def _request(file: object) -> tuple[str, dict[str, str]] | None:
    """Method and headers of the next request; None at the end."""
    line = file.readline()  # type: ignore[attr-defined]
    if not line:
        return None
    headers = {}
    while (more := file.readline().strip()) != b"":  # type: ignore[attr-defined]
        name, _, value = more.decode().partition(":")
        headers[name.lower()] = value.strip()
    return line.decode().split(" ")[0], headers


def _answer(
    connection: socket.socket, headers: dict[str, str], status: str, more: str, body: bytes = b""
) -> None:
    head = f"RTSP/1.0 {status}\r\nCSeq: {headers.get('cseq', '0')}\r\nSession: 1\r\n{more}\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


@contextlib.contextmanager
def camera(path: Path, **options: object) -> Iterator[Camera]:
    """A camera that plays an H.264 file; options are the fields of `Camera`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Camera(path, **options)  # type: ignore[arg-type]
        made.port = listener.getsockname()[1]
        thread = threading.Thread(target=made.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.close()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(5)
