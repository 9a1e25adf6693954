"""No secret of a location appears in anything that is printed, logged, raised or written."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shards.retry
from cli import main
from pipeline.config import dump_config, recordable
from pipeline.evaluate.config import EvaluateConfig
from pipeline.train.config import train_config
from shards.errors import ShardError
from shards.locations import shown
from shards.storage import Storage
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.servers import KEY, SECRET, answering, held_port, nginx
from tests.helpers.shards import make_set, smooth_frames

MARKS = ("qx7", "Kv9", "wZ4")
"""Pieces of secrets, too short for anybody to look for them by chance, and in no word of ours."""
REGION = "region=nowhere&endpoint_override=127.0.0.1:1&scheme=http"


def marks_in(*texts: object) -> list[str]:
    return [mark for mark in MARKS if any(mark.lower() in str(text).lower() for text in texts)]


def escaped(text: str, spelling: str) -> str:
    """A secret as people write it: percent-encoded in capitals, in small letters, in part, or not at all."""
    if spelling == "none":
        return text
    whole = quote(text, safe="" if spelling != "partly" else "/@")
    return whole.lower() if spelling == "lower" else whole


@st.composite
def locations(draw: st.DrawFn) -> str:
    """URLs of http(s) and object stores with secrets in user, password, query, or all, oddly written."""
    scheme = draw(st.sampled_from(("http", "https", "HTTP", "Https", "s3", "gs", "ftp", "rtsp", "mqtt")))
    slashes = draw(st.sampled_from(("://", "://", "://", ":/", ":", ":///"))) if scheme != "ftp" else "://"
    separators = st.sampled_from(("", "@", "/", "?", "#", ":", "+", "%", " ", "=", "&", "[", "]", "\\", "é"))
    spelling = draw(st.sampled_from(("upper", "lower", "partly", "none")))
    password = draw(separators).join(MARKS[:2]) + draw(separators)
    user = draw(st.sampled_from(("bob", "b", "Kv9")))
    who = draw(st.sampled_from((f"{user}:{escaped(password, spelling)}@", "qx7@", ":qx7@", "")))
    host = draw(st.sampled_from(("127.0.0.1:1", "localhost:1", "[::1]:1", "bucket")))
    if scheme in ("s3", "gs"):
        host = "bucket"
    path = draw(st.sampled_from(("", "/", "/set", "/a/set/", "/a b")))
    token = escaped("wZ4" + draw(separators) + "qx7", spelling)
    query = draw(st.sampled_from(("", f"?token={token}", f"?{token}", f"?a=1&sig={token}&b", f"#{token}")))
    if scheme in ("s3", "gs"):
        query = f"?{REGION}&access={token}" if query else f"?{REGION}"
    before = draw(st.sampled_from(("", "", "", " ", "--validate=")))
    return f"{before}{scheme}{slashes}{who}{host}{path}{query}"


@given(location=locations())
@settings(max_examples=2000, deadline=None)
def test_what_is_shown_of_a_location_holds_no_secret(location: str) -> None:
    assert marks_in(shown(location)) == []
    config = EvaluateConfig(shards=location, checkpoint="run")
    assert marks_in(recordable(config), dump_config("evaluate", config), config.output()) == []
    trained = train_config(shards="set", run=location, validate=location)
    assert marks_in(dump_config("train", trained)) == []


@given(location=locations().filter(lambda location: not location.startswith("--")))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_location_that_cannot_be_read_is_named_without_its_secrets(
    location: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards.retry, "PAUSES", (0.0,))
    caplog.set_level(logging.INFO)
    try:
        storage = Storage(location)
        assert marks_in(str(storage)) == []
        if storage.can_list:  # nobody needs to wait for an object store that is not there
            return
        with pytest.raises((ShardError, FileNotFoundError)) as error:
            storage.read("manifest.json", most=1 << 30)
        assert marks_in(error.value) == []
    except ShardError as error:
        assert marks_in(error) == []
    assert marks_in(*(record.getMessage() for record in caplog.records)) == []


ODD = [
    "http://bob:qx7@Kv9@127.0.0.1:1/set",
    "http://bob:qx7%2fKv9%40@127.0.0.1:1/set?token=wZ4",
    "http://bob:qx7/Kv9@127.0.0.1:1/set",
    "http:/bob:qx7@127.0.0.1:1/set",
    "http:bob:qx7@127.0.0.1:1/set",
    "http://bob:qx7?Kv9@127.0.0.1:1/set",
    "http://qx7@127.0.0.1:1/set",
    "HTTP://bob:qx7@127.0.0.1:1/set?wZ4",
    "https://127.0.0.1:1/set?sig=wZ4%3d",
    "https://bob:qx7@127.0.0.1:port/set",
    "s3://key:qx7/Kv9@",
    "s3:/key:qx7@bucket/set",
    "ftp://bob:qx7@host/set",
]


@pytest.mark.slow
@pytest.mark.parametrize("location", ODD)
def test_no_command_prints_or_writes_a_secret(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards.retry, "PAUSES", (0.0,))
    monkeypatch.chdir(tmp_path)
    run, made = str(tmp_path / "run"), str(tmp_path / "set")
    for command in (
        ("preprocess", location, made),
        ("preprocess", str(tmp_path), made, "--labels", location),
        ("inspect", location),
        ("inspect", made, location),
        ("verify", location),
        ("train", location, run),
        ("train", made, location),
        ("train", made, run, f"--validat={location}"),
        ("evaluate", location, run),
        ("evaluate", made, location),
        ("sweep", location, run, f"--validate={location}"),
        ("report", location),
        ("import-reference", location, "keys.pt", "out.safetensors"),
        ("--config", location, "train", made, run),
        (location,),
    ):
        done = CliRunner().invoke(main, command)
        assert done.exit_code != 0
        raised = "" if isinstance(done.exception, SystemExit) else done.exception
        assert marks_in(done.output, done.stderr, raised) == [], (command, done.output)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert marks_in(*(path.read_bytes() for path in written)) == []


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a web server that gives a set in `/private/set` to who knows the password."""
    root = tmp_path_factory.mktemp("root")
    frames = smooth_frames(12, (16, 16))
    make_set(root / "set", {"training": [frames], "testing": [frames]})
    with nginx(root, tmp_path_factory.mktemp("nginx")) as port:
        yield port


def test_an_evaluation_over_http_writes_no_secret(private: int, tmp_path: Path) -> None:
    password = quote(SECRET, safe="").lower()
    location = f"http://{KEY}:{password}@127.0.0.1:{private}/private/set?token=qx7"
    make_checkpoint(tmp_path / "model.safetensors", size=(16, 16))
    done = CliRunner().invoke(main, ["evaluate", location, str(tmp_path / "model.safetensors")])
    assert done.exit_code == 0, done.output
    secrets = (KEY, SECRET, password, "qx7")
    written = [path for path in (tmp_path / "evaluation-set").rglob("*") if path.is_file()]
    assert {"metrics.json", "config.toml", "report.html"} <= {path.name for path in written}
    for secret in secrets:
        assert secret not in done.output + done.stderr
        assert [path for path in written if secret.encode() in path.read_bytes()] == []


def test_a_server_cannot_have_a_token_printed(capfd: pytest.CaptureFixture[str]) -> None:
    def answer(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 2\r\n\r\n{}")

    with answering(answer) as port:
        assert Storage(f"http://127.0.0.1:{port}/set?token=qx7").read("a", most=1 << 30) is not None
    assert marks_in(*capfd.readouterr()) == []


def test_a_proxy_that_is_not_there_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards.retry, "PAUSES", ())
    with held_port() as port:
        monkeypatch.setenv("http_proxy", f"http://bob:qx7@Kv9@127.0.0.1:{port}")
        with pytest.raises(ShardError, match=r"http://server\.invalid/set/a: .*through the proxy") as error:
            Storage("http://server.invalid/set").read("a", most=1 << 30)
    assert marks_in(error.value) == []
    monkeypatch.setenv("http_proxy", "socks5://bob:qx7@127.0.0.1:1")
    with pytest.raises(
        ShardError, match=r"HTTP_PROXY: found socks5://127\.0\.0\.1:1, expected an address"
    ) as error:
        Storage("http://server.invalid/set")
    assert marks_in(error.value) == []
