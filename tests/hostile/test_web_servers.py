"""Web servers that never come to an end: each exchange is over within a stated time and number of bytes."""

import gzip
import itertools
import socket
import time
from collections.abc import Callable, Iterator

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


def once(data: bytes) -> Callable[[socket.socket], None]:
    return lambda client: client.sendall(data)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


BOMB = gzip.compress(bytes(1 << 28))
ATTACKS: dict[str, tuple[str, Callable[[socket.socket], None]]] = {
    "silence": ("read", dripping(b"", b"")),
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
        found = limited(body, f"http://127.0.0.1:{port}/set", imports=IMPORTS)
    assert found.error is None
    assert found.seconds < 2 * SILENCE
    assert found.peak < MEGABYTES << 20


@pytest.fixture
def steady() -> Iterator[int]:
    """A server whose answer takes long, but comes all the time: 3 seconds for 2 MB."""

    def answer(client: socket.socket) -> None:
        client.sendall(START + b"Content-Length: 2000000\r\n\r\n")
        for _ in range(20):
            client.sendall(bytes(100_000))
            time.sleep(0.15)

    with answering(answer) as port:
        yield port


def test_an_answer_that_is_long_but_steady_is_read(steady: int) -> None:
    body = f"assert len({ACTIONS['read']}) == 2_000_000"
    found = limited(body, f"http://127.0.0.1:{steady}/set", imports=IMPORTS)
    assert found.error is None
    assert found.seconds > 4 * SILENCE
