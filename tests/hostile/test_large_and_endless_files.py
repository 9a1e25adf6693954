"""Files of gigabytes that take no room on the disk, and pipes and devices in the place of files."""

import os
import socket
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.preprocess.jobs import PART_SUFFIX, PARTS
from pipeline.video import footage
from tests.helpers.limits import limited
from tests.helpers.servers import answering

SPARSE = 3_000_000_000
MEGABYTES = 100
SECONDS = 60
"""After which a process that waits for the other end of a pipe is killed."""

READERS = {
    "metrics.jsonl": "overview(folder)",
    "metrics.jsonl of a training": "metrics_log(folder, 0, quiet=False).__enter__()",
    "config.toml": "recorded_options(folder, 'train')",
    "config.toml of others": "refuse_foreign_config(folder, 'train')",
    "exhibits/part-00000-of-00001.npz": "read_exhibits(folder, 1, '')",
    "maps/a-00000000.npz": "read_maps(folder, 'a', np.arange(1), '', (32, 32))",
    "events/a.jpg": "list(_events(shown, folder))",
    "int8/model.json": "int8_record(str(folder))",
    "metrics.json": "load_record(folder)",
}
"""Who reads a file of a stranger's folder; the first word is its name."""
IMPORTS = """
from types import SimpleNamespace as Any
import numpy as np
from pipeline.errors import ReportError
from pipeline.inspect.overview import overview
from pipeline.runs.evaluation import load_record
from pipeline.runs.ownership import recorded_options, refuse_foreign_config
from pipeline.score.page import _events
from pipeline.scoring.exhibits import read_exhibits
from pipeline.scoring.maps import read_maps
from pipeline.scoring.runtime import int8_record
from pipeline.train.metrics import metrics_log
from shards.errors import StorageError
from shards.storage import Storage

peak = Any(evidence=1.0, seconds=0.0)
files = Any(thumbnail="events/a.jpg", clip=None)
shown = Any(events=[Any(id="a", peak=peak, start_seconds=0.0, files=files)])
"""


def refused(name: str, reader: str, errors: str, *claims: str) -> str:
    """Code that reads something, and fails unless one of `errors` comes of which all claims are true."""
    checks = "".join(f"    assert {claim}, refusal\n" for claim in claims)
    return (
        f"try:\n    {reader}\nexcept {errors} as refusal:\n{checks}"
        f"else:\n    raise RuntimeError({name!r} + ' was read')\n"
    )


def test_a_file_of_gigabytes_is_refused_by_its_size(tmp_path: Path) -> None:
    body = "folder = Storage(sys.argv[1])\n"
    for name, reader in READERS.items():
        path = tmp_path / name.split()[0]
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.truncate(SPARSE)
        body += refused(
            name,
            reader,
            "(ReportError, StorageError)",
            f"f'{{folder}}/{name.split()[0]}: ' in str(refusal)",
            f"'found {SPARSE} bytes, expected ' in str(refusal)",
            "' at most ' in str(refusal) and chr(10) not in str(refusal)",
        )
    found = limited(body, tmp_path, imports=IMPORTS, seconds=SECONDS)
    assert found.error is None
    assert found.peak < MEGABYTES << 20


def test_large_files_beside_a_shard_set_count_as_damaged(tmp_path: Path) -> None:
    (tmp_path / PARTS).mkdir()
    for name in (f"{PARTS}/a{PART_SUFFIX}", "stamps"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(SPARSE)
    body = """
    folder, damage = Storage(sys.argv[1]), []
    state.stamps_name = lambda tables: "stamps"
    assert state._stamps_of(folder, [], damage) == []
    state._refuse_other_options = lambda *_: None
    found = state.load_state(folder, None, None)
    assert found.parts == {}
    for line in (*damage, *found.damage):
        assert "found 3000000000 bytes, expected at most" in line and "again" in line, line
    assert (len(damage), len(found.damage)) == (1, 1)
    """
    imports = "from pipeline.preprocess import state\nfrom shards.storage import Storage"
    found = limited(body, tmp_path, imports=imports, seconds=SECONDS)
    assert found.error is None
    assert found.peak < MEGABYTES << 20


def test_many_short_lines_of_metrics_take_no_more_memory_than_the_file(tmp_path: Path) -> None:
    last = b'{"kind": "step", "step": 10, "total": 0.5}\n'
    (tmp_path / "metrics.jsonl").write_bytes(last + b"1234567\n" * (2 << 20) + last)
    body = """
    folder = Storage(sys.argv[1])
    with metrics_log(folder, 10, quiet=False):
        pass
    assert [line["step"] for _, line in metrics_lines(folder)] == [10, 10]
    """
    imports = f"{IMPORTS}\nfrom pipeline.runs.metricslines import metrics_lines"
    found = limited(body, tmp_path, imports=imports, seconds=SECONDS)
    assert found.error is None
    assert found.peak < 64 << 20


PIPES = {
    "scores/part-00000-of-00001.parquet": (
        "list(StreamedScores(out=folder, provenance={'processes': 1}, order=['a']))"
    ),
    "maps/a-00000000.npz": "has_maps(folder, 'a', np.arange(1), '')",
    "a.mp4": "found([folder.path('a.mp4')])",
    "hashed.mp4": "_digest(pathlib.Path(folder.path('hashed.mp4')))",
    "a.png": "read_image(pathlib.Path(folder.path('a.png')), folder.path('a.png'))",
    "b.png": "Source(folder.path('')).read('b.png')",
}
"""Who opens a file."""
PIPE_IMPORTS = """
import numpy as np
from pipeline.calibrate.material import _digest
from pipeline.errors import SourceError
from pipeline.preprocess.sources.source import Source
from pipeline.scoring.maps import has_maps
from pipeline.scoring.table import StreamedScores
from pipeline.video.footage import found
from pipeline.video.images import read_image
from shards.errors import StorageError
from shards.storage import Storage

WORDS = "cannot be read: Not a regular file; ", "found a pipe, device or folder, expected "
"""


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_regular_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    body = "folder = Storage(sys.argv[1])\n"
    for name, reader in PIPES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
        body += refused(
            name,
            reader,
            "(SourceError, StorageError)",
            f"str(refusal).startswith(f'{{folder}}/{name}: ')",
            "any(each in str(refusal) for each in WORDS)",
        )
    found = limited(body, tmp_path, imports=PIPE_IMPORTS, seconds=SECONDS)
    assert found.error is None
    assert found.peak < MEGABYTES << 20


@pytest.mark.parametrize("name", ["a.mp4", "a.png"])
def test_what_is_no_regular_file_in_a_folder_is_left_out_and_told(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"0{name}")
    (tmp_path / f"1{name}").symlink_to("/dev/zero")
    told = rf"neither .* \(left out pipes, sockets and devices: 0{name}, 1{name}\)"
    with pytest.raises(SourceError, match=told):
        footage.found([str(tmp_path)])


def test_a_checkpoint_whose_server_does_not_tell_its_size_is_refused() -> None:
    def answer(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")

    with answering(answer) as port:
        where = f"http://127.0.0.1:{port}/a.safetensors"
        found = limited(
            "read_header(storage_of(sys.argv[1])[0], 'a.safetensors', sys.argv[1])",
            where,
            imports="from pipeline.runs.header import read_header\nfrom shards.storage import storage_of",
            seconds=SECONDS,
        )
    assert found.error == (
        "CheckpointError",
        f"{where}: found an answer without Content-Length, expected the size of the file; fetch it, and give "
        "the local one",
    )
