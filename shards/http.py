"""Folders that a web server serves: read-only, whole files or ranges of bytes."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import quote, unquote, urlsplit

import urllib3

from shards.retry import RefusedError

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 10.0
"""A server that sends nothing for so long is given up."""
SLOWEST = 100_000
"""Bytes per second; an answer that takes SILENCE_SECONDS longer than this allows is given up."""
_CHUNK = 1 << 20


class HttpFolder:
    """Files below one URL; safe to use from several threads.

    Args:
        url: `http[s]://[user:password@]host[:port]/path[?query]`; the query goes with every file.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError("no host in the URL")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._base = (
            f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path.rstrip('/')}"
        )
        self._query = f"?{parts.query}" if parts.query else ""
        headers = urllib3.make_headers(
            keep_alive=True,
            basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            if parts.username
            else None,
        )
        # Only redirects are followed here: everything else is tried again one level up.
        self._pool = urllib3.PoolManager(
            maxsize=16,
            headers=headers,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=SILENCE_SECONDS),
            retries=urllib3.Retry(total=5, connect=0, read=0, status=0, other=0, raise_on_status=False),
        )

    def size(self, name: str) -> int:
        """Bytes of `name`; FileNotFoundError if it is not there."""
        with self._request("HEAD", name) as response:
            return int(response.headers.get("Content-Length", -1))

    def read(self, name: str) -> bytes:
        """All bytes of `name`; FileNotFoundError if it is not there."""
        with self._request("GET", name) as response:
            return b"".join(_chunks(response))

    def read_into(self, name: str, offset: int, buffers: Sequence[memoryview]) -> int:
        """Fill `buffers` with the bytes from `offset` on; returns how many there were."""
        length = sum(len(buffer) for buffer in buffers)
        with self._request("GET", name, f"bytes={offset}-{offset + length - 1}") as response:
            if response.status == 416:
                return 0
            if response.status != 206:
                raise RefusedError("the server does not serve ranges of bytes")
            if not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
                raise RefusedError("the server answers with another range of bytes")
            filled = 0
            for chunk in _chunks(response):
                if filled + len(chunk) > length:
                    raise RefusedError("the server sends more than the range it was asked for")
                scatter(memoryview(chunk), buffers, filled)
                filled += len(chunk)
            return filled

    @contextmanager
    def _request(
        self, method: str, name: str, byte_range: str | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        url = f"{self._base}/{quote(name)}{self._query}"
        headers = dict(self._pool.headers)
        if byte_range is not None:
            headers["Range"] = byte_range
        try:
            response = self._pool.request(method, url, headers=headers, preload_content=False)
            try:
                _check(response.status, name)
                yield response
            except BaseException:
                response.close()  # with the connection: what is left of the answer is of no use
                raise
            response.drain_conn()
            response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionError(str(error)) from error


def scatter(data: memoryview, buffers: Sequence[memoryview], offset: int) -> None:
    """Copy `data` into consecutive `buffers`, `offset` bytes after the start of the first."""
    for buffer in buffers:
        if offset < len(buffer):
            part = min(len(data), len(buffer) - offset)
            buffer[offset : offset + part] = data[:part]
            data = data[part:]
            offset = 0
            if not data:
                return
        else:
            offset -= len(buffer)


def _check(status: int, name: str) -> None:
    if status in (404, 410):
        raise FileNotFoundError(name)
    if status in (401, 403):
        raise PermissionError(f"access denied (HTTP status {status})")
    if status in (408, 425, 429) or status >= 500:
        raise ConnectionError(f"HTTP status {status}")
    if status not in (200, 206, 416):
        raise RefusedError(f"HTTP status {status}")


def _chunks(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """The body as it arrives.

    Raises:
        TimeoutError: it arrives too slowly.
        urllib3.exceptions.HTTPError: it ends early.
    """
    started = time.monotonic()
    received = 0
    while chunk := response.read1(_CHUNK):
        received += len(chunk)
        if time.monotonic() - started > SILENCE_SECONDS + received / SLOWEST:
            raise TimeoutError(f"the answer arrives at less than {SLOWEST // 1000} kB/s")
        yield chunk
