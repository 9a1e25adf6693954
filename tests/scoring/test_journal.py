"""What was written down of a table is there after a kill, and becomes a table once."""

import errno
import os
import resource
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.scoring import journal
from pipeline.scoring.journal import SUFFIX, Journal, recover
from pipeline.scoring.rows import FOLDER, read_rows
from shards.arrowmessages import next_message
from shards.errors import StorageError
from shards.storage import Storage
from tests.scoring.test_rows import row

NAME = f"{FOLDER}/a.parquet"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row is written down at once."""
    monkeypatch.setattr(journal, "HELD_SECONDS", 0.0)


def left(folder: Path, count: int) -> bytes:
    """What a program that is killed leaves of some rows."""
    made = Journal(Storage(str(folder)), NAME)
    for frame in range(count):
        made.append(row(frame))
    made._file.close()
    return (folder / f"{NAME}{SUFFIX}").read_bytes()


def frames(folder: Path) -> list[int]:
    found: list[int] = read_rows(Storage(str(folder)))["frame"].to_pylist()
    return found


def test_a_journal_becomes_a_table_of_some_thousand_rows_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Journal(Storage(str(tmp_path)), NAME)
    for frame in range(5000):
        monkeypatch.setattr(journal, "HELD_SECONDS", 1e9 if frame % 1500 else 0.0)
        made.append(row(frame))
    assert not (tmp_path / NAME).exists()
    made.finish()
    assert frames(tmp_path) == list(range(5000))
    assert pa.parquet.ParquetFile(tmp_path / NAME).num_row_groups == 2
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["a.parquet"]


@pytest.mark.usefixtures("impatient")
def test_what_was_written_down_before_a_kill_at_any_byte_is_there(tmp_path: Path) -> None:
    whole = left(tmp_path, 5)
    seen = []
    for length in [*range(0, len(whole), 97), len(whole)]:
        (tmp_path / f"{NAME}{SUFFIX}").write_bytes(whole[:length])
        recover(Storage(str(tmp_path)))
        assert not (tmp_path / f"{NAME}{SUFFIX}").exists()
        seen.append(len(frames(tmp_path)) if (tmp_path / NAME).exists() else 0)
        assert not seen[-1] or frames(tmp_path) == list(range(seen[-1]))
        (tmp_path / NAME).unlink(missing_ok=True)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 5)


@pytest.mark.usefixtures("impatient")
def test_a_kill_before_a_journal_goes_changes_nothing(tmp_path: Path) -> None:
    whole = left(tmp_path, 5)
    recover(Storage(str(tmp_path)))
    (tmp_path / f"{NAME}{SUFFIX}").write_bytes(whole)
    recover(Storage(str(tmp_path)))
    recover(Storage(str(tmp_path)))
    assert frames(tmp_path) == list(range(5))
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["a.parquet"]


def test_rows_are_held_no_longer_than_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    made = Journal(Storage(str(tmp_path)), NAME)
    for frame in range(125):
        made.append(row(frame))
        now[0] += 1.0
    made._file.close()
    recover(Storage(str(tmp_path)))
    assert frames(tmp_path) == list(range(122))


def test_something_else_is_no_journal_and_a_place_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / f"{NAME}{SUFFIX}").write_bytes(b"ARROW1 or not" * 99)
    recover(Storage(str(tmp_path)))
    assert list((tmp_path / FOLDER).iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        Journal(Storage(str(tmp_path / "file")), NAME)


@pytest.mark.usefixtures("impatient")
def test_a_journal_that_cannot_be_opened_now_is_told_of_and_published_later(tmp_path: Path) -> None:
    whole, out = left(tmp_path, 5), Storage(str(tmp_path))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))  # no descriptor is free
        with pytest.raises(StorageError, match=r"a\.parquet\.journal: Too many open"):
            journal.publish(out, NAME)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert (tmp_path / f"{NAME}{SUFFIX}").read_bytes() == whole
    recover(out)
    assert frames(tmp_path) == list(range(5))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("error", [OSError(errno.EIO, os.strerror(errno.EIO)), pa.ArrowMemoryError("all")])
def test_a_journal_that_can_be_read_in_part_is_told_of_and_published_later(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out, calls = left(tmp_path, 5), Storage(str(tmp_path)), list[str]()

    def failing(reader: Any, kind: str) -> Any:
        calls.append(kind)
        if len(calls) == 4:
            raise error
        return next_message(reader, kind)

    with monkeypatch.context() as patch, pytest.raises(StorageError, match=r"a\.parquet\.journal: "):
        patch.setattr(journal, "next_message", failing)
        recover(out)
    assert (tmp_path / f"{NAME}{SUFFIX}").read_bytes() == whole
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == [f"a.parquet{SUFFIX}"]
    recover(out)
    assert frames(tmp_path) == list(range(5))


@pytest.mark.usefixtures("impatient")
def test_the_name_of_a_folder_in_another_code_costs_no_row(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    left(folder, 5)
    recover(Storage(str(folder)))
    assert frames(folder) == list(range(5))
