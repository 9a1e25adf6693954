"""The status page of `watch` against other sites, other machines, forged logs and foreign text."""

import contextlib
import gzip
import http.client
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.errors import ConfigError
from pipeline.events.event import Event, Files
from pipeline.watch.web import server as page_server
from pipeline.watch.web.guard import Guard
from pipeline.watch.web.server import Server
from tests.helpers.events import peak
from tests.helpers.statuspage import TOKEN, ask, fake, live_event, page_of, streamed

HTML = {"Accept": "text/html"}
GETS = (
    "/",
    "/cameras/yard",
    "/cameras/yard/picture",
    "/cameras/yard/live",
    "/stream",
    "/page.js",
    "/api/cameras",
    "/api/events",
    "/api/stream",
    "/metrics",
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with page_of({"yard": fake(tmp_path, events=[live_event()])}) as running:
        yield running


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Server]:
    with page_of({"yard": fake(tmp_path, events=[live_event()])}, TOKEN) as running:
        yield running


def raw(server: Server, data: bytes, *, is_over: bool = False) -> bytes:
    """What the server answers to some bytes, to its end; nothing follows them if they are all."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        answer = b""
        with contextlib.suppress(OSError):  # a server that has answered may close before it has read all
            connection.sendall(data)
            if is_over:
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                answer += piece
    return answer


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """What was logged, but for the client of the tests."""
    lines = [record.getMessage() for record in caplog.records if not record.name.startswith("urllib3")]
    return "\n".join(lines)


# Another name of this machine, as a page with a rebound name has it.


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "192.168.0.4:80",
        "0.0.0.0",
        "127.0.0.1@evil.example",
        "[::",
        "",
    ],
)
def test_without_a_token_only_names_of_this_machine_are_served(server: Server, host: str) -> None:
    for path in ("/", "/api/cameras", "/healthz", "/nothing"):
        assert ask(server, path, headers={"Host": host}).status == 421
    form = {"seconds": "60"}
    assert ask(server, "/cameras/yard/snooze", headers={"Host": host}, form=form).status == 421
    assert ask(server, "/", headers={"Host": "localhost:9000"}).status == 200  # through a tunnel


def test_a_request_without_a_host_is_refused(server: Server) -> None:
    assert b" 421 " in raw(server, b"GET / HTTP/1.0\r\n\r\n").splitlines()[0]
    assert b" 400 " in raw(server, b"GET / HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n").splitlines()[0]


# Pages of other sites.


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://localhost:1", "file://", "http://"]
)
def test_forms_of_other_sites_do_nothing(tmp_path: Path, origin: str) -> None:
    happened = live_event()
    camera = fake(tmp_path, events=[happened])
    with page_of({"yard": camera}) as server:
        for path, form in (
            ("/cameras/yard/snooze", {"seconds": "3600"}),
            (f"/cameras/yard/events/{happened.id}/label", {"label": "normal"}),
            ("/login", {"token": TOKEN}),
        ):
            assert ask(server, path, headers={"Origin": origin}, form=form).status == 403
    assert camera.shown.snoozed_until is None
    assert camera.happened == [happened]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_show_and_fetch_nothing_but_may_link_here(server: Server, site: str) -> None:
    for mode in ("no-cors", "cors", "websocket"):
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
        assert [path for path in GETS if ask(server, path, headers=headers).status != 403] == []
    link = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
    assert ask(server, "/", headers=link).status == 200
    posted = ask(server, "/cameras/yard/snooze", headers=link, form={"seconds": "60"})
    assert posted.status == 403


def test_nothing_is_ever_allowed_to_other_sites(server: Server) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    for method in ("OPTIONS", "GET", "POST"):
        answer = ask(server, "/api/cameras", headers=headers, method=method)
        assert answer.status == 403
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert ask(server, "/api/cameras", method="OPTIONS").status == 405


def test_every_answer_forbids_what_it_does_not_need(server: Server) -> None:
    answers = [ask(server, path) for path in ("/", "/nothing", "/metrics", "/healthz")]
    answers += [ask(server, "/", method="PUT"), ask(server, "/", headers={"Host": "evil.example"})]
    with streamed(server, "/stream") as stream:
        for answer in (*answers, stream):
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none';")
            assert "script-src 'self';" in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Server"] == "mnad"


# The token.


def test_nothing_is_told_without_the_token(locked: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": TOKEN},
        {"Cookie": f"mnad={TOKEN}"},
    )
    for headers in wrong:
        for path in (*GETS, f"/?token={TOKEN}", "/nothing"):
            answer = ask(locked, path, headers=headers)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert answer.data == b"A token is asked for.\n"
        assert ask(locked, "/cameras/yard/snooze", headers=headers, form={"seconds": "60"}).status == 401
    assert ask(locked, "/", headers=HTML).headers["Location"] == "/login"
    assert ask(locked, "/healthz").data == b"ok\n"
    assert TOKEN not in logged(caplog)


def test_the_token_lets_programs_in(locked: Server) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert ask(locked, "/metrics", headers=headers).status == 200
    answer = ask(locked, "/cameras/yard/snooze", headers=headers, form={"seconds": "60"})
    assert answer.status == 303


def test_whoever_logs_in_gets_a_cookie_that_does_not_hold_the_token(
    locked: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = ask(locked, "/login", form={"token": "wrong"})
    assert (wrong.status, wrong.headers.get("Set-Cookie")) == (403, None)
    answer = ask(locked, "/login", form={"token": TOKEN})
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie, *about = answer.headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= set(about)
    pages = [ask(locked, path, headers={"Cookie": cookie}) for path in ("/", "/api/cameras", "/metrics")]
    assert [page.status for page in pages] == [200, 200, 200]
    assert not [page for page in pages if TOKEN in page.data.decode() + str(page.headers)]
    assert ask(locked, "/", headers={"Cookie": cookie[:-1] + "x"}).status == 401
    assert ask(locked, "/", headers={"Cookie": "mnad="}).status == 401
    assert TOKEN not in logged(caplog) + cookie


def test_any_name_is_served_with_a_token_for_the_token_guards_it(locked: Server) -> None:
    headers = {"Host": "cameras.example", "Authorization": f"Bearer {TOKEN}"}
    assert ask(locked, "/api/cameras", headers=headers).status == 200
    assert ask(locked, "/api/cameras", headers={"Host": "cameras.example"}).status == 401


def test_a_token_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ConfigError, match="found a token of 7 characters, expected at least 16"):
        Guard("hunter2")


# Files.


@pytest.mark.parametrize("name", ["link.mp4", "pipe.mp4", "folder.mp4", "config.toml", "x" * 4000])
def test_a_forged_log_gives_no_other_file_away(tmp_path: Path, name: str) -> None:
    """What lies right in `clips/` and `thumbs/`, and is no clip and no thumbnail."""
    folder, secret = tmp_path / "yard", tmp_path / "secret.mp4"
    secret.write_bytes(b"secret")
    for inside in ("clips", "thumbs"):
        (folder / inside / "folder.mp4").mkdir(parents=True)
        (folder / inside / "link.mp4").symlink_to(secret)
        (folder / inside / "config.toml").write_text("secret")
        os.mkfifo(folder / inside / "pipe.mp4")
    happened = live_event(files=Files(clip=f"clips/{name}", thumbnail=f"thumbs/{name}"))
    with page_of({"yard": fake(folder, events=[happened])}) as server:
        for part in ("clip", "thumbnail"):
            answer = ask(server, f"/cameras/yard/events/{happened.id}/{part}")
            assert answer.status == 404
            assert b"secret" not in answer.data
        assert ask(server, "/").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/cameras/..%2f..%2fetc/picture",
        "/cameras/%2e%2e/live",
        "/cameras/yard/events/..%2f..%2fsecret.mp4/clip",
        "/cameras/yard/../../secret.mp4",
        "//etc/passwd",
        "/page.js%00",
        "/cameras/yard%00/picture",
    ],
)
def test_no_path_of_an_address_becomes_a_path_of_a_file(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    with page_of({"yard": fake(tmp_path / "yard", events=[live_event()])}) as server:
        parts = urlsplit(server.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        connection.putrequest("GET", path)
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 404
        assert b"secret" not in answer.read()
        connection.close()


# Requests that are too much.


def test_large_and_odd_bodies_are_refused(tmp_path: Path) -> None:
    camera = fake(tmp_path)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    bomb = gzip.compress(b"seconds=3600&a=" + bytes(50_000_000))
    bodies: tuple[tuple[dict[str, str], bytes, int], ...] = (
        (form, b"seconds=3600&a=" + b"x" * 100_000, 413),
        ({**form, "Content-Encoding": "gzip"}, bomb, 413),
        ({**form, "Content-Encoding": "gzip"}, gzip.compress(b"seconds=3600"), 400),
        ({"Content-Type": "application/x-www-form-urlencoded; charset=nothing"}, b"seconds=3600", 400),
        ({"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, b"seconds=\xff", 400),
        ({"Content-Type": "multipart/form-data; boundary=a"}, b"--a\r\n", 415),
        ({"Content-Type": "text/plain"}, b"seconds=3600", 415),
        ({}, b"seconds=3600", 415),
    )
    with page_of({"yard": camera}) as server:
        for headers, body, status in bodies:
            answer = ask(server, "/cameras/yard/snooze", headers=headers, method="POST", body=body)
            assert answer.status == status, headers
        assert ask(server, "/").status == 200
    assert camera.shown.snoozed_until is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET " + b"/x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: " + b"b" * 100_000 + b"\r\n\r\n",
        b"POST /cameras/yard/snooze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: mnad=\xff\xfe\x00\r\n\r\n",
        bytes(range(256)),
    ],
)
def test_what_is_no_request_ends_no_page(server: Server, data: bytes) -> None:
    answer = raw(server, data, is_over=True)
    assert not answer or answer.startswith(b"HTTP/1.")
    assert b"Traceback" not in answer
    assert ask(server, "/").status == 200


def test_connections_that_nobody_needs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_server, "_MOST_CONNECTIONS", 3)
    with page_of({"yard": fake(tmp_path)}) as server, ExitStack() as stack:
        parts = urlsplit(server.url)

        def answered() -> tuple[socket.socket, bytes]:
            where = (parts.hostname or "", parts.port or 0)
            connection = stack.enter_context(socket.create_connection(where, timeout=20))
            return connection, exchanged(connection)

        def exchanged(connection: socket.socket) -> bytes:
            try:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return connection.recv(65536)[:12]
            except ConnectionError:
                return b""

        opened = [answered() for _ in range(6)]
        assert [answer for _, answer in opened] == [b"HTTP/1.1 200"] * 3 + [b""] * 3
        assert exchanged(opened[0][0]) == b"HTTP/1.1 200"


# Foreign text.

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='x",
    "</div></main>",
    "\u202egnp.exe",
    "\x1b[2J",
    "a\nevent: part\ndata: {}",
)


class Tags(HTMLParser):
    """The elements of a page with the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def told(folder: Path, text: str) -> tuple[str, str, str]:
    """A page, its parts, and metrics of a camera that holds a text wherever a text can be."""
    happened: Event = live_event(
        camera=text,
        peak=replace(live_event().peak or peak(), zone=text),
    )
    given = dict.fromkeys(("name", "source", "reason", "words", "missing", "promise", "drift"), text)
    camera = fake(folder, events=[happened], **given)
    with page_of({"yard": camera, "gate": fake(folder)}) as server:
        with streamed(server, "/stream") as answer:
            stream = next(answer.read_chunked()).decode()  # all that there is, in one
        pages = ask(server, "/").data.decode() + ask(server, "/cameras/yard").data.decode()
        return pages, stream, ask(server, "/metrics").data.decode()


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_stays_text(tmp_path: Path, text: str) -> None:
    plain = told(tmp_path / "a", "harmless")
    found = told(tmp_path / "b", text)
    assert Tags(found[0]).found == Tags(plain[0]).found
    for control in ("\u202e", "\x1b"):
        assert control not in found[0] + found[1]
    count = [page.count("\nevent: ") for page in (found[1], plain[1])]
    assert count[0] == count[1]
    assert found[2].count("\n") == plain[2].count("\n")


def test_the_thread_of_the_page_is_the_only_one_it_leaves_none(tmp_path: Path) -> None:
    names = {thread.name for thread in threading.enumerate()}
    with page_of({"yard": fake(tmp_path)}) as server:
        ask(server, "/cameras/yard/picture")
        assert "page" in {thread.name for thread in threading.enumerate()}
    assert {thread.name for thread in threading.enumerate()} <= names
