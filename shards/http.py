"""Folders that a web server serves: read-only, whole files or ranges of bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import quote, unquote, urlsplit

import urllib3

from shards.buffers import scatter
from shards.connections import Exchange, pool_of, reason
from shards.retry import RefusedError

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 10.0
"""Seconds in which the head of an answer, or more of its body, must come."""
SLOWEST = 100_000
"""Bytes per second; an answer that takes SILENCE_SECONDS longer than this allows is given up."""
_CHUNK = 1 << 20


class HttpFolder:
    """Files below one URL; safe to use from several threads.

    An answer's head comes within CONNECT_SECONDS + SILENCE_SECONDS, and its body, of N bytes at most, within
    SILENCE_SECONDS + N / SLOWEST; else it is given up.

    Args:
        url: `http[s]://[user:password@]host[:port]/path[?query]`; the query goes with every file.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError("no host in the URL")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        host += f":{parts.port}" if parts.port else ""
        self._base = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
        self._query = f"?{parts.query}" if parts.query else ""
        headers = urllib3.make_headers(
            keep_alive=True,
            basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            if parts.username
            else None,
        )
        # Only redirects are followed here: everything else is tried again one level up.
        self._pool = pool_of(
            parts.scheme,
            host,
            maxsize=16,
            headers=headers,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=SILENCE_SECONDS),
            retries=urllib3.Retry(total=5, connect=0, read=0, status=0, other=0, raise_on_status=False),
        )

    def size(self, name: str) -> int:
        """Bytes of `name`, -1 if the server does not tell; FileNotFoundError if it is not there."""
        with self._request("HEAD", name, 0) as (response, _):
            length = response.headers.get("Content-Length", "")
            return int(length) if length.isdecimal() and len(length) < 20 else -1

    def read(self, name: str, most: int) -> bytes:
        """All bytes of `name`, at most so many; FileNotFoundError if it is not there."""
        with self._request("GET", name, most) as (_, body):
            data = bytearray()  # not a list of parts, which a server makes as small as it likes
            for part in body:
                data += part
            return bytes(data)

    def read_into(self, name: str, offset: int, buffers: Sequence[memoryview]) -> int:
        """Fill `buffers` with the bytes of `name` from `offset` on; returns how many there were."""
        length = sum(len(buffer) for buffer in buffers)
        byte_range = f"bytes={offset}-{offset + length - 1}"
        with self._request("GET", name, length, byte_range) as (response, body):
            if response.status == 416:
                response.close()  # whatever it says is of no use
                return 0
            if response.status != 206:
                raise RefusedError("the server does not serve ranges of bytes")
            if not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
                raise RefusedError("the server answers with another range of bytes")
            filled = 0
            for chunk in body:
                scatter(memoryview(chunk), buffers, filled)
                filled += len(chunk)
            return filled

    @contextmanager
    def _request(
        self, method: str, name: str, most: int, byte_range: str | None = None
    ) -> Iterator[tuple[urllib3.BaseHTTPResponse, Iterator[bytes]]]:
        """The answer, and its body of at most `most` bytes as it arrives."""
        url = f"{self._base}/{quote(name)}{self._query}"
        headers = dict(self._pool.headers)
        if byte_range is not None:
            headers["Range"] = byte_range
        exchange = Exchange(most, connect=CONNECT_SECONDS, silence=SILENCE_SECONDS, slowest=SLOWEST)
        try:
            response = self._pool.request(method, url, headers=headers, preload_content=False)
            try:
                exchange.answered()
                _check(response, name)
                yield response, _chunks(response, exchange)
                if not response.closed and response.read1(1, decode_content=False):
                    response.close()
            except BaseException:
                response.close()  # with the connection: what is left of the answer is of no use
                raise
            response.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise exchange.failure or ConnectionError(reason(error)) from None


def _check(response: urllib3.BaseHTTPResponse, name: str) -> None:
    status = response.status
    if status in (404, 410):
        raise FileNotFoundError(name)
    if status in (401, 403):
        raise PermissionError(f"access denied (HTTP status {status})")
    if status in (408, 425, 429) or status >= 500:
        raise ConnectionError(f"HTTP status {status}")
    if status not in (200, 206, 416):
        raise RefusedError(f"HTTP status {status}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise RefusedError("the server compresses its answer, which nobody asked for")


def _chunks(response: urllib3.BaseHTTPResponse, exchange: Exchange) -> Iterator[bytes]:
    """The body as it arrives.

    Raises:
        TimeoutError: it arrives too slowly.
        RefusedError: it is longer than expected.
        urllib3.exceptions.HTTPError: it ends early.
    """
    while chunk := response.read1(_CHUNK, decode_content=False):
        exchange.arrived(len(chunk))
        yield chunk
