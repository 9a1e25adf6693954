"""Files of cameras go by age and by size, the oldest first; events stay."""

import os
from pathlib import Path

import pytest

from pipeline.events.log import writing
from pipeline.watch import retention
from pipeline.watch.retention import Retention, left_behind
from shards.storage import Storage
from tests.helpers.events import event

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


def test_what_goes_meanwhile_or_cannot_go_ends_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real_kept, real_unlink = retention._kept, Path.unlink

    def kept(folder: Path) -> list[Path]:
        found = list(real_kept(folder))
        (folder / "clips" / "c.mp4").unlink(missing_ok=True)
        return found

    def unlink(self: Path, missing_ok: bool = False) -> None:
        if self.name == "b.jpg":
            raise PermissionError(1, "Operation not permitted", str(self))
        real_unlink(self, missing_ok)

    monkeypatch.setattr(retention, "_kept", kept)
    monkeypatch.setattr(Path, "unlink", unlink)
    made = Retention([folder], 1e-9, None)
    assert [path.name for path in made.clean(NOW + DAY)] == ["a.parquet"]
    assert made.clean(NOW + DAY) == []
    (record,) = caplog.records
    assert "thumbs/b.jpg: cannot be removed" in record.getMessage()


def test_cameras_that_are_watched_no_more_are_cleaned_and_nothing_else_is(tmp_path: Path) -> None:
    """A folder that a person has put there, or moved, or a link to one, is not of a camera."""
    for name, camera in {"yard": "yard", "gate": "gate", "gate-old": "gate"}.items():
        with writing(Storage(str(tmp_path / name))) as log:
            log.append(event(camera=camera))
    for name in ("empty", "mine", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "empty" / "events.jsonl").touch()
    (tmp_path / "mine" / "events.jsonl").write_text("my own notes\n")
    (tmp_path / "results" / "events.jsonl").touch()
    (tmp_path / "results" / "config.toml").touch()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    (tmp_path / "no camera!").mkdir()
    (tmp_path / "no camera!" / "events.jsonl").touch()
    (tmp_path / "config.toml").touch()
    assert left_behind(tmp_path, ["yard"]) == [tmp_path / "empty", tmp_path / "gate"]
