"""Answers that go on: what changes, and live pictures. Whoever does not read any more is let go."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Generic, TypeVar

from aiohttp import hdrs, web

from pipeline.watch.web.records import Messages

TICK_SECONDS = 0.25
"""Seconds between two looks at what has changed: an alarm is shown within a second."""
PICTURE_SECONDS = 0.2
"""Seconds between two pictures of a camera."""
_QUIET_SECONDS = 10.0
"""Seconds of silence after which something is sent, so that whatever lies between server and reader keeps the
connection."""
_PATIENCE = 15.0
"""Seconds in which a reader must take what is sent."""
_BOUNDARY = "picture"

Made = TypeVar("Made")


class Recent(Generic[Made]):
    """What a function makes, at most once in so many seconds, however many ask.

    Args:
        make: makes it, in a thread.
        seconds: for which it is good.
    """

    def __init__(self, make: Callable[[], Made], seconds: float) -> None:
        self._make, self._seconds = make, seconds
        self._lock = asyncio.Lock()
        self._made: tuple[float, Made] | None = None

    async def get(self) -> Made:
        """It."""
        async with self._lock:
            if self._made is None or time.monotonic() - self._made[0] >= self._seconds:
                self._made = time.monotonic(), await asyncio.to_thread(self._make)
            return self._made[1]


class Places:
    """How many answers may go on at a time.

    Args:
        count: so many.
    """

    def __init__(self, count: int) -> None:
        self._free = count

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """A block with an answer that goes on.

        Raises:
            HTTPServiceUnavailable: there are too many.
        """
        if self._free <= 0:
            raise web.HTTPServiceUnavailable(
                text="Too many look already; close another page.\n", headers={hdrs.RETRY_AFTER: "10"}
            )
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class Streams:
    """Answers that go on until the server stops.

    Args:
        stop: when it does.
        most: of each kind at a time.
    """

    def __init__(self, stop: asyncio.Event, most: int) -> None:
        self._stop = stop
        self._events, self._pictures = Places(most), Places(most)

    async def events(self, request: web.Request, recent: Recent[Messages]) -> web.StreamResponse:
        """Server-sent events: all that there is, and then what has changed."""

        async def tell(response: web.StreamResponse) -> None:
            sent: Messages = {}
            at = time.monotonic()
            while self._goes_on(request):
                made = await recent.get()
                news = "" if made is sent else _news(made, sent)
                sent = made
                if news or time.monotonic() - at >= _QUIET_SECONDS:
                    await _write(response, (news or ":\n\n").encode())
                    at = time.monotonic()
                await self._pause(TICK_SECONDS)

        with self._events.one():
            return await _answer(request, "text/event-stream", tell)

    async def pictures(self, request: web.Request, recent: Recent[bytes | None]) -> web.StreamResponse:
        """The pictures of a camera, each in place of the one before (MJPEG)."""

        async def show(response: web.StreamResponse) -> None:
            await _write(response, f"--{_BOUNDARY}\r\n".encode())
            sent = None
            while self._goes_on(request):
                jpeg = await recent.get()
                if jpeg is not None and jpeg != sent:
                    # The boundary follows at once: browsers show a picture when they have seen its end.
                    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    await _write(response, head.encode() + jpeg + f"\r\n--{_BOUNDARY}\r\n".encode())
                    sent = jpeg
                await self._pause(PICTURE_SECONDS)

        with self._pictures.one():
            return await _answer(request, f"multipart/x-mixed-replace; boundary={_BOUNDARY}", show)

    def _goes_on(self, request: web.Request) -> bool:
        return not self._stop.is_set() and request.transport is not None

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)


def messages_of(parts: Mapping[str, str]) -> Messages:
    """Parts of a page as messages."""
    return {key: ("part", json.dumps({"id": key, "html": html})) for key, html in parts.items()}


def _news(made: Messages, sent: Messages) -> str:
    return "".join(
        f"event: {kind}\ndata: {data}\n\n"
        for key, (kind, data) in made.items()
        if sent.get(key) != (kind, data)
    )


async def _answer(
    request: web.Request, kind: str, write: Callable[[web.StreamResponse], Awaitable[None]]
) -> web.StreamResponse:
    """An answer of a kind that is written bit by bit, until its reader is gone."""
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: kind})
    await response.prepare(request)
    try:
        await write(response)
    except (ConnectionError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
    return response


async def _write(response: web.StreamResponse, data: bytes) -> None:
    await asyncio.wait_for(response.write(data), _PATIENCE)
