"""Connections to web servers, through the proxies that the environment names, and bounded in time and bytes.

A timeout of a socket alone bounds nothing: a server may send a byte before each ends, answer `100 Continue`
for ever, or go on with headers and trailers. So each exchange has a deadline and a number of bytes, and
every read from a socket is counted against them.
"""

import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from shards.errors import StorageError
from shards.locations import shown
from shards.retry import RefusedError

HEAD_BYTES = 1 << 20
"""The most bytes that may come before an answer's body: all its headers, interim answers and redirects
together."""
_FRAMING = 2
"""Bytes that may come per byte of a body; chunks of a byte each would need 6, real ones need 1.01."""

# Its warnings quote whole URLs, with their user and query.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class Exchange:
    """One request and its answer, in one thread.

    Args:
        most: bytes of a body.
        connect: seconds in which a connection is made.
        silence: seconds in which the head comes, and from one part of a body to the next.
        slowest: bytes of a body per second, on average, that are enough after `silence`.
    """

    def __init__(self, most: int, *, connect: float, silence: float, slowest: float) -> None:
        self.failure: OSError | None = None
        self._most, self._silence, self._slowest = most, silence, slowest
        self._left = HEAD_BYTES
        self._started = time.monotonic()
        self._deadline = self._started + connect + silence
        self._received = 0
        _thread.exchange = self

    def answered(self) -> None:
        """The head has come."""
        self._left += _FRAMING * self._most
        self._started = time.monotonic()
        self._deadline = self._started + self._silence

    def arrived(self, size: int) -> None:
        """A part of the body has come."""
        self._received += size
        if self._received > self._most:
            raise RefusedError(f"the server sends more than the {self._most} bytes that are expected at most")
        average = self._started + self._silence + self._received / self._slowest
        self._deadline = min(time.monotonic() + self._silence, average)

    def seconds(self) -> float:
        """That the next read may take."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            self.failure = TimeoutError(
                f"no answer for {self._silence:g} s, or one of less than {self._slowest / 1000:g} kB/s"
            )
            raise self.failure
        return min(seconds, self._silence)

    def read(self, size: int) -> None:
        """Bytes have come, of whatever kind."""
        self._left -= size
        if self._left < 0:
            self.failure = RefusedError("the server sends more than an answer")
            raise self.failure


class _Thread(threading.local):
    """The exchange under way in a thread."""

    exchange: Exchange


_thread = _Thread()


class _PlainSocket(socket.socket):
    def recv_into(self, *arguments: Any) -> int:
        return _counted(self, super().recv_into, *arguments)


class _TlsSocket(ssl.SSLSocket):
    def recv_into(self, *arguments: Any) -> int:
        return _counted(self, super().recv_into, *arguments)


def _counted(own: socket.socket, receive: Callable[..., int], *arguments: Any) -> int:
    """What a socket receives, counted against the exchange of the thread."""
    own.settimeout(_thread.exchange.seconds())
    count = receive(*arguments)
    _thread.exchange.read(count)
    return count


class _PlainConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _counting(super()._new_conn())


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _counting(super()._new_conn())


def _counting(made: socket.socket) -> _PlainSocket:
    """The same connection as a socket of another class."""
    timeout = made.gettimeout()
    counted = _PlainSocket(made.family, made.type, made.proto, made.detach())
    counted.settimeout(timeout)
    return counted


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def pool_of(scheme: str, host: str, **options: Any) -> urllib3.PoolManager:
    """Connections to a server and to where it redirects, direct or through a proxy.

    HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say which, in either case, as for other programs.

    Args:
        scheme, host: of the server; the host may have a port.
        options: of every pool.

    Raises:
        StorageError: the proxy is no HTTP proxy.
    """
    context = create_urllib3_context()
    context.load_default_certs()
    context.sslsocket_class = _TlsSocket
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if proxy is None or proxy_bypass(host):
        manager = urllib3.PoolManager(ssl_context=context, **options)
    else:
        address, headers = _proxy(proxy, scheme)
        manager = urllib3.ProxyManager(
            address, proxy_headers=headers, proxy_ssl_context=context, ssl_context=context, **options
        )
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
    return manager


def _proxy(url: str, scheme: str) -> tuple[str, dict[str, str]]:
    """The address of a proxy, and the headers that open it."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        port = 0
    if parts.scheme not in ("http", "https") or not parts.hostname or not port:
        raise StorageError(
            f"{scheme.upper()}_PROXY: found {shown(url)}, expected an address as http://host:port; "
            "give an HTTP proxy, or name the server in NO_PROXY"
        )
    headers = {}
    if parts.username:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers = dict(urllib3.make_headers(proxy_basic_auth=secret))
    return f"{parts.scheme}://{_host(parts.hostname)}:{port}", headers


def _host(name: str) -> str:
    return f"[{name}]" if ":" in name else name


def reason(error: urllib3.exceptions.HTTPError) -> str:
    """What went wrong, in words of our own: the library's would quote the URL, and with it secrets."""
    cause: BaseException = error
    if isinstance(cause, urllib3.exceptions.MaxRetryError) and cause.reason is not None:
        cause = cause.reason
    through = ""
    if isinstance(cause, urllib3.exceptions.ProxyError):
        through, cause = " through the proxy", cause.original_error
    match cause:
        case urllib3.exceptions.NameResolutionError():
            words = "the host is not known by its name"
        case urllib3.exceptions.NewConnectionError():
            words = "no connection"
        case urllib3.exceptions.ConnectTimeoutError():
            words = "no connection within the time for it"
        case urllib3.exceptions.ReadTimeoutError():
            words = "no answer within the time for it"
        case urllib3.exceptions.SSLError():
            words = f"no TLS connection ({_tls_reason(cause)})"
        case urllib3.exceptions.ResponseError():
            words = "too many redirects"
        case urllib3.exceptions.LocationValueError() | urllib3.exceptions.URLSchemeUnknown():
            words = "redirected to what is no http(s) URL"
        case urllib3.exceptions.IncompleteRead() | urllib3.exceptions.ProtocolError():
            words = "the connection was cut, or the answer is no HTTP"
        case _:
            words = f"no connection ({type(cause).__name__})"
    system = _system_error(cause)
    return f"{words}{through}{f': {os.strerror(system)}' if system else ''}"


def _causes(error: BaseException | None) -> list[BaseException]:
    """An error, what it was raised from, and what it carries."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting and len(found) < 10:
        each = waiting.pop()
        if each is not None and each not in found:
            found.append(each)
            waiting += [each.__cause__, each.__context__]
            waiting += [part for part in each.args if isinstance(part, BaseException)]
    return found


def _system_error(error: BaseException) -> int | None:
    numbers = (
        each.errno for each in _causes(error) if type(each) is not ssl.SSLError and isinstance(each, OSError)
    )
    return next((number for number in numbers if isinstance(number, int) and number > 0), None)


def _tls_reason(error: BaseException) -> str:
    reasons = (each.reason for each in _causes(error) if isinstance(each, ssl.SSLError))
    return next((each for each in reasons if each), "no reason given")
