"""Files of cameras go by age and by size, the oldest first; events stay."""

import os
from pathlib import Path

import pytest

from pipeline.watch.retention import Retention

NOW = 1e9
DAY = 86_400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for inside in ("clips", "thumbs", "scores"):
        (tmp_path / inside).mkdir()
    for days, name in enumerate(("scores/a.parquet", "thumbs/b.jpg", "clips/c.mp4", "clips/.tmp-d")):
        (tmp_path / name).write_bytes(b"x" * 1000)
        os.utime(tmp_path / name, (NOW - days * DAY, NOW - days * DAY))
    (tmp_path / "scores/now.parquet.journal").write_bytes(b"x")
    os.utime(tmp_path / "scores/now.parquet.journal", (0, 0))
    (tmp_path / "events.jsonl").write_text("{}\n")
    os.utime(tmp_path / "events.jsonl", (0, 0))
    return tmp_path


@pytest.mark.parametrize(
    ("days", "gigabytes", "gone"),
    [
        (None, None, []),
        (1.5, None, ["c.mp4"]),
        (0.5, None, ["c.mp4", "b.jpg"]),
        (None, 2e-6, ["c.mp4"]),
        (None, 0.9e-6, ["c.mp4", "b.jpg", "a.parquet"]),
        (10, 1, []),
    ],
)
def test_the_oldest_go_first(
    folder: Path, days: float | None, gigabytes: float | None, gone: list[str]
) -> None:
    removed = Retention([folder], days, gigabytes).clean(NOW)
    assert [path.name for path in removed] == gone
    assert not any(path.exists() for path in removed)
    assert (folder / "events.jsonl").exists()
    assert (folder / "clips" / ".tmp-d").exists()
    assert (folder / "scores" / "now.parquet.journal").exists()


def test_links_are_left_alone(folder: Path, tmp_path: Path) -> None:
    (folder / "clips" / "link.mp4").symlink_to(folder / "events.jsonl")
    Retention([folder], 1e-9, None).clean(NOW)
    assert (folder / "events.jsonl").exists()
    assert (folder / "clips" / "link.mp4").is_symlink()
