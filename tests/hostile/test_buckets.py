"""Object stores that never come to an end: what is asked of one is over within a stated time."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from tests.helpers.limits import limited

BYTES = 100_000
SILENCE = 0.5
"""Seconds in place of 10, and in place of 60 for a call."""
SECONDS = 60
"""In which each process has ended, on a busy machine: without a bound none ever does."""
MEGABYTES = 300
IMPORTS = f"""
import sys
import shards.bucket, shards.limits, shards.retry
from shards.storage import Storage
shards.bucket.SILENCE_SECONDS = {SILENCE}
shards.bucket.MOST_LISTING_BYTES = 50 << 20
shards.bucket.SLOWEST = 1e6
shards.retry.PAUSES = (0.01,)
"""
CALL, LISTING = f"shards.bucket.CALL_SECONDS = {SILENCE}", "shards.bucket.LISTING_SECONDS = 2"
NAMES = b"".join(
    b"<Contents><Key>cam/" + b"v" * 900 + b"%d.mp4</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
    b'<ETag>"x"</ETag><Size>5</Size></Contents>' % number
    for number in range(1000)
)
PAGE = (
    b'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
    b"<KeyCount>1000</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated>"
    b"<NextContinuationToken>t</NextContinuationToken>" + NAMES + b"</ListBucketResult>"
)


@contextlib.contextmanager
def store(slow: str) -> Iterator[str]:
    """A store whose lists have no end; yields a location in it.

    Args:
        slow: what takes for ever: `body` of a file, `head` of one, or `page` of a list; or nothing.
    """
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(200, BYTES, b"", is_slow=slow == "head")

        def do_GET(self) -> None:
            if "list-type" in urlsplit(self.path).query:
                self.answer(200, len(PAGE), PAGE, is_slow=slow == "page")
            else:
                self.answer(206, BYTES, bytes(BYTES), is_slow=slow == "body")

        def answer(self, status: int, length: int, body: bytes, *, is_slow: bool) -> None:
            if is_slow and not body:
                self.drip(b"HTTP/1.1 200 OK\r\nX: ")
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            self.send_header("Content-Range", f"bytes 0-{length - 1}/{length}")
            self.end_headers()
            if is_slow:
                self.drip(body[:100])
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def drip(self, start: bytes) -> None:
            with contextlib.suppress(OSError):
                self.wfile.write(start)
                while not over.wait(SILENCE / 5):
                    self.wfile.write(b"x")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            host = f"endpoint_override=127.0.0.1:{server.server_port}"
            yield f"s3://key:secret@b/cam?scheme=http&{host}&region=us-east-1"
        finally:
            over.set()
            server.shutdown()


@pytest.mark.parametrize(
    ("slow", "action", "words"),
    [
        (
            "body",
            'read("a.tar", most=1 << 20)',
            "failed 2 times, the last time with: no whole answer within 1 s",
        ),
        ("body", 'read_into("a.tar", 0, [memoryview(bytearray(1000))])', "failed 2 times"),
        ("head", 'size("a.tar")', "failed 2 times, the last time with: no whole answer within 0 s"),
        ("head", 'read("a.tar", most=1 << 20)', "failed 2 times"),
        ("page", "names()", "no whole answer within 2 s; check"),
        ("", "names()", "an answer of more than 50 MiB; check"),
    ],
)
def test_an_answer_without_end_is_given_up_and_the_process_ends(slow: str, action: str, words: str) -> None:
    with store(slow) as location:
        imports = IMPORTS + {"head": CALL, "page": LISTING}.get(slow, "")
        found = limited(f"Storage(sys.argv[1]).{action}", location, imports=imports, seconds=SECONDS)
    assert found.error is not None
    kind, message = found.error
    assert kind == "StorageError", message
    assert words in message, message
    assert "secret" not in message
    assert found.peak < MEGABYTES << 20


def test_what_comes_in_time_is_read() -> None:
    with store("") as location:
        body = f"""
        assert len(Storage(sys.argv[1]).read("a.tar", most=1 << 20)) == {BYTES}
        assert Storage(sys.argv[1]).read_into("a.tar", 0, [memoryview(bytearray({BYTES}))])[0] == {BYTES}
        """
        imports = IMPORTS.partition("shards.bucket.SILENCE")[0]
        assert limited(body, location, imports=imports).error is None
