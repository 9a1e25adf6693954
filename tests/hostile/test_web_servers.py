"""Web servers that never come to an end: each exchange is over within a stated time and number of bytes."""

import contextlib
import gzip
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.helpers.limits import limited
from tests.helpers.servers import answering

SILENCE = 0.5
"""Seconds in place of 10, and in place of 5 for a connection; each file is asked for twice, not six times."""
SECONDS = 2 * 2 * SILENCE + 3
MEGABYTES = 48
"""For answers of at most 4 MB."""

IMPORTS = f"""
import sys
import shards.http, shards.retry
from shards.storage import Storage
shards.http.SILENCE_SECONDS = shards.http.CONNECT_SECONDS = {SILENCE}
shards.retry.PAUSES = (0.01,)
"""
PATIENCE = 20
"""Seconds in place of SILENCE, where it is to be shown that an answer is not waited for."""
PATIENT = f"shards.http.SILENCE_SECONDS = shards.http.CONNECT_SECONDS = {PATIENCE}\n"
ACTIONS = {
    "read": 'Storage(sys.argv[1]).read("manifest.json", most=4 << 20)',
    "read little": 'Storage(sys.argv[1]).read("manifest.json", most=100_000)',
    "range": 'Storage(sys.argv[1]).read_into("a.tar", 0, [memoryview(bytearray(4 << 20))])',
    "size": 'Storage(sys.argv[1]).size("a.tar")',
}
START = b"HTTP/1.1 200 OK\r\n"
RANGE = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-4194303/9000000\r\n"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /set/elsewhere\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
PART = bytes(1 << 16)


def endless(start: bytes, again: bytes = PART) -> Callable[[socket.socket], None]:
    """`start`, and then `again` for ever."""

    def answer(client: socket.socket) -> None:
        client.sendall(start)
        while True:
            client.sendall(again)

    return answer


def dripping(start: bytes, again: bytes = b"a") -> Callable[[socket.socket], None]:
    """`start`, and then `again` for ever, long before anybody would call it silence."""

    def answer(client: socket.socket) -> None:
        client.sendall(start)
        for _ in itertools.count():
            client.sendall(again)
            time.sleep(SILENCE / 10)

    return answer


def silent(client: socket.socket) -> None:
    """Nothing, until the other side has gone."""
    client.recv(1)


def once(data: bytes) -> Callable[[socket.socket], None]:
    return lambda client: client.sendall(data)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


BOMB = gzip.compress(bytes(1 << 28))
ATTACKS: dict[str, tuple[str, Callable[[socket.socket], None]]] = {
    "silence": ("read", silent),
    "slow headers": ("read", dripping(START + b"X: ")),
    "slow status": ("size", dripping(b"HTTP/1.1 200 O")),
    "endless header": ("read", endless(START + b"X: ")),
    "endless headers": ("read", endless(START, b"X: y\r\n" * 1000)),
    "endless continue": ("read", endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)),
    "endless continue to HEAD": ("size", endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)),
    "slow continue": ("read", dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
    "endless body": ("read", endless(START + b"\r\n")),
    "endless chunks": ("read", endless(START + CHUNKED, chunk(PART))),
    "endless tiny chunks": ("read little", endless(START + CHUNKED, chunk(b"x") * 1000)),
    "endless chunk size": ("read", endless(START + CHUNKED + b"1;", b"x" * 10_000)),
    "endless trailers": ("read", endless(START + CHUNKED + chunk(b"{}") + b"0\r\n", b"X: y\r\n" * 1000)),
    "slow trailers": ("read", dripping(START + CHUNKED + chunk(b"{}") + b"0\r\n", b"X: y\r\n")),
    "slow body": ("read", dripping(START + b"Content-Length: 4000000\r\n\r\n")),
    "slow chunks": ("read", dripping(START + CHUNKED, chunk(b"x"))),
    "slow range": ("range", dripping(RANGE + b"Content-Length: 4194304\r\n\r\n")),
    "endless range": ("range", endless(RANGE + CHUNKED, chunk(PART))),
    "endless redirect": ("read", endless(REDIRECT + b"\r\n")),
    "slow redirect": ("read", dripping(REDIRECT + b"\r\n")),
    "redirect to itself": ("read", once(REDIRECT + b"Content-Length: 0\r\nConnection: close\r\n\r\n")),
    "endless error": ("read", endless(b"HTTP/1.1 500 Broken\r\n\r\n")),
    "gzip bomb": (
        "read",
        once(START + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB),
    ),
    "no HTTP": ("read", endless(b"", b"SSH-2.0-x\r\n" * 100)),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_answer_without_end_is_given_up(name: str) -> None:
    action, answer = ATTACKS[name]
    with answering(answer) as port:
        found = limited(ACTIONS[action], f"http://127.0.0.1:{port}/set", imports=IMPORTS, seconds=60)
    assert found.error is not None, "was read"
    kind, message = found.error
    assert kind == "StorageError", found
    assert message.startswith(f"http://127.0.0.1:{port}/set/"), message
    assert "\n" not in message
    assert found.seconds < SECONDS
    assert found.peak < MEGABYTES << 20


@pytest.mark.parametrize("answer", [endless, dripping])
def test_an_endless_body_beside_a_range_that_is_not_there_is_not_read(answer: Callable[..., object]) -> None:
    start = b"HTTP/1.1 416 Range Not Satisfiable\r\n\r\n"
    with answering(answer(start)) as port:  # type: ignore[arg-type]
        body = f"assert {ACTIONS['range']} == (0, None)"
        found = limited(body, f"http://127.0.0.1:{port}/set", imports=IMPORTS + PATIENT)
    assert found.error is None
    assert found.seconds < PATIENCE
    assert found.peak < MEGABYTES << 20


@pytest.fixture
def steady() -> Iterator[int]:
    """A server whose answer takes long, but comes all the time: 2.5 seconds for 2 MB."""

    def answer(client: socket.socket) -> None:
        client.sendall(START + b"Content-Length: 2000000\r\n\r\n")
        for _ in range(50):
            client.sendall(bytes(40_000))
            time.sleep(0.05)

    with answering(answer) as port:
        yield port


def test_an_answer_that_is_long_but_steady_is_read(steady: int) -> None:
    body = f"assert len({ACTIONS['read']}) == 2_000_000"
    found = limited(body, f"http://127.0.0.1:{steady}/set", imports=IMPORTS)
    assert found.error is None
    assert found.seconds > 4 * SILENCE


@contextlib.contextmanager
def endless_file(announced: int | None, there: int | None, most: int | None = None) -> Iterator[int]:
    """A server of one file.

    Args:
        announced: bytes that it says the file has; None says nothing.
        there: bytes that it has; None has every range that is asked for.
        most: bytes that it gives at a time, whatever is asked for.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            if announced is not None:
                self.send_header("Content-Length", str(announced))
            self.end_headers()

        def do_GET(self) -> None:
            first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
            end = last + 1 if there is None else min(last + 1, there)
            end = end if most is None else min(end, first + most)
            if first >= end:
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{end - 1}/{announced or '*'}")
            self.send_header("Content-Length", str(end - first))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(bytes(end - first))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


FETCHES = {
    "footage": "with found([sys.argv[1] + '/x.mp4'])[0].local() as path:",
    "source": "with Source(sys.argv[1]).local('x.mp4') as path:",
}
FETCH_IMPORTS = """
import sys
import shards.storage
from pipeline.preprocess.sources.source import Source
from pipeline.video.footage import found
if hasattr(shards.storage, "MOST_UNANNOUNCED_BYTES"):
    shards.storage.MOST_UNANNOUNCED_BYTES = 10 << 20
"""


@pytest.mark.parametrize("fetch", FETCHES)
@pytest.mark.parametrize(
    ("announced", "there", "words"),
    [
        (1000, None, "found more than 1000 bytes, expected that"),
        (8 << 20, None, "found more than 8388608 bytes, expected that"),
        (None, None, "found more than 10485760 bytes, expected at most that of a file whose size is not"),
        (5000, 1000, "found 1000 bytes, expected 5000, as were announced"),
    ],
)
def test_a_file_ends_where_it_was_announced_to(
    fetch: str, announced: int | None, there: int | None, words: str
) -> None:
    with endless_file(announced, there) as port:
        url = f"http://127.0.0.1:{port}"
        body = f"{FETCHES[fetch]}\n    pass"
        measured = limited(body, url, imports=FETCH_IMPORTS, seconds=20)
    assert measured.error is not None, "was fetched"
    assert measured.error[0] == "StorageError"
    assert measured.error[1].startswith(f"{url}/x.mp4: {words}"), measured.error
    assert measured.peak < MEGABYTES << 20


@pytest.mark.parametrize("most", [None, 1 << 20])
@pytest.mark.parametrize("announced", [None, 8 << 20])
def test_a_file_is_fetched_whole_however_little_a_server_gives_at_a_time(
    announced: int | None, most: int | None
) -> None:
    with endless_file(announced, 8 << 20, most) as port:
        body = f"{FETCHES['footage']}\n    assert path.stat().st_size == 8 << 20"
        assert limited(body, f"http://127.0.0.1:{port}", imports=FETCH_IMPORTS).error is None
