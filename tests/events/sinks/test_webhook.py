"""Events at a web server, real ones with real faults."""

import hashlib
import hmac
import time
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.events.event import from_json
from pipeline.events.sinks.sink import UndeliverableError, UnreachableError
from pipeline.events.sinks.webhook import Webhook
from tests.helpers.events import event
from tests.helpers.receivers import receiver
from tests.helpers.servers import held_port


def test_the_body_is_the_event_and_the_key_stays_the_same() -> None:
    with receiver() as web:
        for one in (event(1, type="new"), event(1), event(1), event(1, label="normal")):
            Webhook(web.url).send(one)
    path, headers, body = web.requests[0]
    assert path == "/events"
    assert headers["Content-Type"] == "application/json"
    assert from_json(body, "body") == event(1, type="new")
    keys = [headers["Idempotency-Key"] for _, headers, _ in web.requests]
    name = event(1).id
    assert keys == [f"{name}-new", f"{name}-end", f"{name}-end", f"{name}-end-normal"]
    assert not any(header.startswith("X-MNAD") for header in headers)


def test_a_secret_signs_body_and_time() -> None:
    with receiver() as web:
        Webhook(web.url, "s3cret").send(event())
    ((_, headers, body),) = web.requests
    stamp = headers["X-MNAD-Timestamp"]
    assert abs(int(stamp) - time.time()) < 60
    expected = hmac.new(b"s3cret", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-MNAD-Signature"] == f"sha256={expected}"
    assert b"s3cret" not in body


def test_user_and_password_go_into_a_header_and_into_no_message() -> None:
    with receiver(500) as web:
        sink = Webhook(web.url.replace("//", "//user:pa%40ss@"))
        with pytest.raises(UnreachableError, match="answers 500") as failed:
            sink.send(event())
    headers = {name.lower(): value for name, value in web.requests[0][1].items()}
    assert headers["authorization"] == "Basic dXNlcjpwYUBzcw=="
    assert "pa@ss" not in str(failed.value) and "pa%40ss" not in str(failed.value)


@pytest.mark.parametrize("code", [301, 302, 307, 401, 403, 404, 408, 429, 500, 502, 503])
def test_what_may_be_mended_is_tried_again_and_no_redirect_is_followed(code: int) -> None:
    with receiver(code) as web, pytest.raises(UnreachableError, match=f"answers {code}"):
        Webhook(web.url).send(event())
    assert [path for path, *_ in web.requests] == ["/events"]


@pytest.mark.parametrize("code", [400, 410, 413, 415, 422])
def test_what_the_server_refuses_for_what_it_is_is_left_out(code: int) -> None:
    with receiver(code) as web, pytest.raises(UndeliverableError, match=f"answers {code}"):
        Webhook(web.url).send(event())


def test_nobody_listens() -> None:
    with held_port() as port, pytest.raises(UnreachableError, match="no connection"):
        Webhook(f"http://127.0.0.1:{port}/").send(event())


def trickle(handler: Any) -> None:
    """Headers without end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    try:
        while True:
            handler.wfile.write(b"X-Pad: " + b"a" * 60_000 + b"\r\n")
    except OSError:
        handler.close_connection = True


def test_an_answer_without_end_is_given_up() -> None:
    with receiver(trickle) as web, pytest.raises(UnreachableError):
        Webhook(web.url).send(event())


def long_body(handler: Any) -> None:
    """A good answer with a body that nobody reads."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nx")
    handler.close_connection = True


def test_the_body_of_an_answer_is_not_waited_for() -> None:
    with receiver(long_body) as web:
        Webhook(web.url).send(event())
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    "url", ["ftp://host/", "host/path", "http://", "https://host/a b", "file:///etc/passwd"]
)
def test_what_is_no_url_of_a_web_server_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="expected a URL"):
        Webhook(url)
