"""Where the page listens, and who reaches it there."""

import pytest

from pipeline.errors import ConfigError
from pipeline.watch.address import Address, address, is_loopback, named
from pipeline.watch.plan import watch_config


@pytest.mark.parametrize(
    ("text", "host", "port", "url"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, "http://127.0.0.1:8080/"),
        ("[::1]:0", "::1", 0, "http://[::1]:0/"),
        ("cam-1.local:80", "cam-1.local", 80, "http://cam-1.local:80/"),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int, url: str) -> None:
    assert address(text) == Address(host, port)
    assert address(text).url == url


@pytest.mark.parametrize(
    "text", ["8080", ":8080", "host", "host:99999", "host:-1", "::1:80", "[::g]:80", "a b:80", "h:80/x", 80]
)
def test_what_is_no_address_is_refused(text: object) -> None:
    with pytest.raises(ValueError):
        address(text)


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.4", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.nip.example", False),
        ("2130706433", False),
    ],
)
def test_loopback_is_told_from_all_else(host: str, is_here: bool) -> None:
    assert is_loopback(host) is is_here


def test_a_host_header_is_read_without_its_port() -> None:
    assert [named(text) for text in ("localhost:80", "[::1]:80", "a_b.example", "", "a@b", "a:b", "a b")] == [
        "localhost",
        "::1",
        "a_b.example",
        None,
        None,
        None,
        None,
    ]


def test_an_address_of_other_machines_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"url": "rtsp://h/s", "checkpoint": "runs/a", "out": "watched"}
    assert watch_config(**given, http="127.0.0.1:8080").config.http == "127.0.0.1:8080"
    with pytest.raises(ConfigError, match=r"found http 0\.0\.0\.0:8080, .* without a token"):
        watch_config(**given, http="0.0.0.0:8080")
    with pytest.raises(ConfigError, match="an http_token that is written out"):
        watch_config(**given, http="0.0.0.0:8080", http_token="hunter2hunter2hunter2")
    with pytest.raises(ConfigError, match="found no variable PAGE_TOKEN"):
        watch_config(**given, http="0.0.0.0:8080", http_token="${PAGE_TOKEN}")
    with pytest.raises(ConfigError, match="--http: found '8080', expected a host and a port"):
        watch_config(**given, http="8080")
    monkeypatch.setenv("PAGE_TOKEN", "hunter2hunter2hunter2")
    plan = watch_config(**given, http="0.0.0.0:8080", http_token="${PAGE_TOKEN}")
    assert "hunter2" not in plan.recorded() + repr(plan)
