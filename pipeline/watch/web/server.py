"""The server of the status page: a thread with an event loop, beside the watch."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import cast

from aiohttp import web

from pipeline.errors import ConfigError
from pipeline.watch.address import Address
from pipeline.watch.view import View
from pipeline.watch.web.guard import Guard
from pipeline.watch.web.routes import Routes

_MOST_CONNECTIONS = 128
"""So that whoever opens many takes no descriptor from cameras and files; a few at once may be more."""
_BACKLOG = 16
"""Connections that are taken at once."""
_STILL_SECONDS = 60.0
"""Seconds without a beat after which the watch is said to stand still."""
_PATIENCE = 5.0
_ROUNDS = 4
"""Rounds of the event loop in which a connection gets its protocol, and one that was ended gets its last
call."""


class Server:
    """A status page that is served until it is stopped.

    Args:
        view: of the watch.
        address: where it listens.
        token: that is asked for; None serves this machine alone.

    Attributes:
        url: of the page.

    Raises:
        ConfigError: it cannot listen there, or the token is too short.
    """

    def __init__(self, view: View, address: Address, token: str | None) -> None:
        self._view, self._guard = view, Guard(token)
        self._socket = _listening(address)
        self.url = Address(address.host, self._socket.getsockname()[1]).url
        self._beat = time.monotonic()
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="page", daemon=True)

    def beat(self) -> None:
        """Say that the watch goes on."""
        self._beat = time.monotonic()

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        self._started.result()

    def stop(self) -> None:
        """End all answers."""
        loop, stop = self._started.result()
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            loop.call_soon_threadsafe(stop.set)
        self._thread.join(_PATIENCE)

    async def _serve(self) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        routes = Routes(self._view, self._guard, stop, self._is_alive)
        runner = web.AppRunner(
            routes.app(),
            handle_signals=False,
            access_log=None,
            auto_decompress=False,
            shutdown_timeout=1.0,
        )
        try:
            await runner.setup()
            answering = cast(web.Server, runner.server)

            def protocol() -> asyncio.BaseProtocol:
                return _Refusal() if len(answering.connections) >= _MOST_CONNECTIONS else answering()

            listening = await loop.create_server(protocol, sock=self._socket, backlog=_BACKLOG)
        except BaseException as error:
            self._socket.close()
            self._started.set_exception(error)
            return
        self._started.set_result((loop, stop))
        await stop.wait()
        # Python 3.11 loses, open, a connection that was taken just before its server is closed.
        loop.remove_reader(self._socket)
        await _settled()
        listening.close()
        transports = [each.transport for each in answering.connections if each.transport is not None]
        await runner.cleanup()
        # What a slow reader has not taken would keep its connection open, and the loop ends now.
        for transport in transports:
            transport.abort()
        await _settled()

    def _is_alive(self) -> bool:
        return time.monotonic() - self._beat < _STILL_SECONDS


async def _settled() -> None:
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)


class _Refusal(asyncio.Protocol):
    """Ends a connection as soon as it is made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End it."""
        cast(asyncio.Transport, transport).abort()


@contextlib.contextmanager
def serving(view: View, address: Address, token: str | None) -> Iterator[Server]:
    """A block in which the status page is served; see `Server`."""
    server = Server(view, address, token)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _listening(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        raise ConfigError(
            f"--http: found {address.host}:{address.port}, where nothing can listen "
            f"({error.strerror or error}); choose another address"
        ) from None
