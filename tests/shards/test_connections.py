"""Web servers with TLS, and proxies: who is asked, how, and what is said of it."""

import base64
import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import shards.http
import shards.retry
from shards.errors import StorageError
from shards.storage import Storage
from tests.helpers.servers import held_port

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
CONTENT = bytes(range(256)) * 1000


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without proxies of the machine's own, and without patience."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(shards.retry, "PAUSES", ())
    monkeypatch.setattr(shards.http, "SILENCE_SECONDS", 2)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers everything with CONTENT, as a server or as a proxy, and notes what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Proxy-Authorization")))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def do_CONNECT(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Proxy-Authorization")))  # type: ignore[attr-defined]
        self.send_error(502)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[tuple[str, str | None]]]]:
    """The port of a server or proxy on loopback, and what it was asked."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        asked: list[tuple[str, str | None]] = []
        server.asked = asked  # type: ignore[attr-defined]
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate for 127.0.0.1 that it has signed."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x")
    name = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", path.with_suffix(".crt"))
    subprocess.run([program, *request, *name], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


def test_a_server_with_tls_is_read_where_its_certificate_is_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(context) as (port, _):
        location = f"https://127.0.0.1:{port}/set"
        with pytest.raises(StorageError, match=r"no TLS connection \(CERTIFICATE_VERIFY_FAILED\)"):
            Storage(location).read("a", most=1 << 30)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
        storage = Storage(location)
        assert [storage.read("a", most=1 << 30) for _ in range(3)] == [CONTENT] * 3
    with serving() as (port, _), pytest.raises(StorageError, match="no TLS connection"):
        Storage(f"https://127.0.0.1:{port}/set").read("a", most=1 << 30)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_the_proxy_that_the_environment_names_is_asked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as (port, asked):
        monkeypatch.setenv(name, f"http://bob:p%40ss@127.0.0.1:{port}")
        assert Storage("http://server.invalid/set").read("a", most=1 << 30) == CONTENT
    password = "Basic " + base64.b64encode(b"bob:p@ss").decode()
    assert asked == [("http://server.invalid/set/a", password)]


def test_a_proxy_may_be_named_without_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as (port, asked):
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{port}")
        assert Storage("http://server.invalid/set").read("a", most=1 << 30) == CONTENT
    assert asked == [("http://server.invalid/set/a", None)]


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize("value", ["127.0.0.1", "elsewhere.invalid, 127.0.0.1", "*"])
def test_no_proxy_is_asked_for_the_servers_that_are_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with held_port() as proxy, serving() as (port, asked):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy}")
        assert Storage(f"http://127.0.0.1:{port}/set").read("a", most=1 << 30) == CONTENT
    assert asked == [("/set/a", None)]


def test_tls_goes_through_the_proxy_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as (port, asked):
        monkeypatch.setenv("https_proxy", f"http://bob:qx7@127.0.0.1:{port}")
        with pytest.raises(StorageError, match="through the proxy") as error:
            Storage("https://server.invalid/set").read("a", most=1 << 30)
    assert asked[0][0] == "server.invalid:443"
    assert asked[0][1] is not None
    assert "qx7" not in str(error.value)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://", "http://host:port", "127.0.0.1:99999"])
def test_what_is_no_http_proxy_is_refused(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(StorageError, match=r"^HTTP_PROXY: found .*expected an address as http://host:port"):
        Storage("http://server.invalid/set")


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://server.invalid/set", "the host is not known by its name"),
        ("http://127.0.0.1:{}/set", "no connection: Connection refused"),
    ],
)
def test_what_fails_is_said_in_words(location: str, message: str) -> None:
    words = f"failed 1 times, the last time with: {message}; "
    with held_port() as port, pytest.raises(StorageError, match=words):
        Storage(location.format(port)).read("a", most=1 << 30)
