"""The table of a camera: a part for each hour, whatever its clock does, and what can be written of it."""

import errno
import os
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.scoring import journal
from pipeline.scoring.rows import Row, read_rows
from pipeline.watch.disk import Disk
from pipeline.watch.parts import PART, Parts
from shards.localfiles import regular_file
from shards.storage import Storage

START = datetime(2026, 3, 1, 11, tzinfo=UTC)


def row(time: datetime | None, frame: int) -> Row:
    """A row that says little."""
    given: dict[str, Any] = dict.fromkeys(Row.__dataclass_fields__, 0.0)
    given |= {"video": "yard", "frame": frame, "time": time, "event": None, "profile": None}
    given |= {"memory_updated": False, "alarm": False, "gap": False, "rarity_hours": None, "p": None}
    return Row(**given)


def made(folder: Path) -> tuple[Parts, Disk]:
    """The table in a folder."""
    out = Storage(str(folder))
    disk = Disk("yard", out)
    return Parts(out, disk), disk


def frames(folder: Path) -> list[int]:
    """All that are in the table."""
    found: list[int] = read_rows(Storage(str(folder)))["frame"].to_pylist()
    return found


def test_a_clock_that_is_set_back_writes_over_no_part(tmp_path: Path) -> None:
    parts, _ = made(tmp_path)
    # 11:00 to 11:25; then the clock is set back to 10:30, comes to 11:00 again, and is set back once more.
    times = [START + timedelta(minutes=minute) for minute in (0, 25, -30, -1, 0, 10, -30, 0)]
    for number, time in enumerate(times):
        parts.append(row(time, number))
    parts.close()
    again, _ = made(tmp_path)
    again.append(row(START, len(times)))
    again.close()
    assert sorted(frames(tmp_path)) == list(range(len(times) + 1))
    assert (tmp_path / "scores" / "2026-03-01T11-00-00.parquet").exists()


def test_a_journal_that_is_left_is_written_over_by_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "HELD_SECONDS", 0.0)
    parts, disk = made(tmp_path)
    parts.append(row(START, 0))
    real = journal.publish

    def full(out: Storage, name: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(journal, "publish", full)
    parts.append(row(START + timedelta(hours=1), 1))  # the part of the first hour cannot be written
    assert disk.fails("scores") and disk.failures == 1
    parts.append(row(START, 2))  # left out
    monkeypatch.setattr(journal, "publish", real)
    disk.look()
    parts.append(row(START, 3))
    parts.close()
    assert frames(tmp_path) == [0, 3]
    assert not list((tmp_path / "scores").glob("*.journal"))


def test_a_journal_that_cannot_be_read_now_keeps_no_row_from_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "HELD_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(journal, "publish", lambda out, name: None)
        for number in range(2):  # two programs that were killed
            parts, _ = made(tmp_path)
            parts.append(row(START + timedelta(hours=number), number))
            assert parts._journal is not None
            parts._journal.abandon()
    first = f"{START:%Y-%m-%dT%H-%M-%S}.parquet{journal.SUFFIX}"

    def refused(path: str, *, follow: bool = True) -> AbstractContextManager[int]:
        if path.endswith(first):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return regular_file(path, follow=follow)

    with monkeypatch.context() as patch:
        patch.setattr(journal, "regular_file", refused)
        parts, disk = made(tmp_path)
        assert f"{first}: Input/output error" in disk.reason and not disk.fails("scores")
        assert frames(tmp_path) == [1]
        parts.append(row(START + timedelta(hours=2), 2))
        parts.append(row(START + timedelta(hours=3), 3))
        assert disk.failures == 3  # at the start, and with each part
        disk.look()
        assert disk.reason == "" and (tmp_path / "scores" / first).exists()
    parts.append(row(START + timedelta(hours=4), 4))
    parts.close()
    assert frames(tmp_path) == list(range(5))
    assert not list((tmp_path / "scores").glob("*.journal"))


def test_the_table_of_a_file_is_one_and_written_anew(tmp_path: Path) -> None:
    for number in range(2):
        parts, _ = made(tmp_path)
        parts.append(row(None, number))
        parts.close()
    assert [path.name for path in (tmp_path / "scores").iterdir()] == ["scores.parquet"]
    assert pq.read_metadata(tmp_path / "scores" / "scores.parquet").num_rows == 1


def test_every_part_is_called_as_one(tmp_path: Path) -> None:
    times = [START, START + timedelta(hours=1), START]  # the last: a clock that was set back
    parts, _ = made(tmp_path)
    for frame, time in enumerate(times):
        parts.append(row(time, frame))
    parts.close()
    of_file, _ = made(tmp_path)
    of_file.append(row(None, 0))
    of_file.close()
    names = [path.name for path in (tmp_path / "scores").iterdir()]
    assert len(names) == 4
    assert all(PART.fullmatch(name) for name in names)
