"""Locations that strangers write down and names in buckets: no other server gets the user's credentials."""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from pipeline.calibrate.config import CalibrateConfig
from pipeline.calibrate.run import calibrate
from pipeline.errors import ConfigError
from pipeline.export.config import ExportConfig
from pipeline.export.run import export
from pipeline.preprocess.sources.source import list_tree
from pipeline.runs.trainedon import trained_on
from pipeline.video.footage import found
from tests.helpers.checkpoints import golden_checkpoint

DATA = b"a video"


@contextlib.contextmanager
def store(keys: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """A server that says it is an object store with these keys; yields its port and what it was asked for."""
    asked: list[str] = []

    def listing(prefix: str) -> bytes:
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"x"</ETag><Size>{len(DATA)}</Size></Contents>'
            for key in keys
            if key.startswith(prefix)
        )
        return (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>b</Name><KeyCount>{len(keys)}</KeyCount><MaxKeys>1000</MaxKeys>"
            f"<IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        ).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(200, b"")

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            is_list = "list-type" in query
            self.answer(*((200, listing(query.get("prefix", [""])[0])) if is_list else (206, DATA)))

        def answer(self, status: int, body: bytes) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body or DATA)))
            self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
            if status == 206:
                self.send_header("Content-Range", f"bytes 0-{len(DATA) - 1}/{len(DATA)}")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()


def in_bucket(port: int, folder: str = "cam") -> str:
    return f"s3://key:secret@b/{folder}?scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1"


@pytest.mark.parametrize("scheme", ["s3", "gs"])
@pytest.mark.parametrize(
    "command",
    [
        lambda run, out: calibrate(CalibrateConfig(run=run, device="cpu")),
        lambda run, out: export(ExportConfig(checkpoint=run, out=out, format="torch")),
    ],
    ids=["calibrate", "export"],
)
def test_a_run_that_names_a_server_sends_nothing_there(
    command: Callable[[str, str], object], scheme: str, tmp_path: Path
) -> None:
    origin = {"data": trained_on(25.0, ())}
    checkpoint = dataclasses.replace(golden_checkpoint("pred", 32), origin=origin)
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints/model-00000001.safetensors").write_bytes(checkpoint.to_bytes())
    with store(()) as (port, asked):
        options = f"scheme=http&endpoint_override=127.0.0.1:{port}"
        (run / "config.toml").write_text(f'[train]\nshards = "{scheme}://b/set?{options}"\n')
        with pytest.raises(ConfigError, match=rf"config.toml: found shards {scheme}://b/set .* --shards$"):
            command(str(run), str(tmp_path / "out"))
    assert asked == []


def test_the_name_of_an_object_is_nothing_but_a_name() -> None:
    with store(()) as (stranger, asked_stranger):
        options = f"endpoint_override=127.0.0.1:{stranger}&scheme=http&region=us-east-1"
        keys = tuple(f"cam/{n}" for n in (f"a?{options}#.mp4", f"b?{options}/c.mp4", "d #%41%.mp4", "e.mp4"))
        with store(keys) as (port, asked):
            videos = found([in_bucket(port)])
            for video in videos:
                assert video.stamp() == {"bytes": len(DATA)}
                with video.local() as path:
                    assert path.read_bytes() == DATA
            tree = list_tree(in_bucket(port))
            assert [tree.source.read(path) for path in tree.files] == [DATA] * len(keys)
            alone = list_tree(in_bucket(port, "cam/d%20%23%2541%25.mp4"))
            assert list(alone.files) == ["d #%41%.mp4"]
    assert {unquote(path) for path in asked if "list-type=2" not in path} >= {f"/b/{key}" for key in keys}
    assert asked_stranger == []
