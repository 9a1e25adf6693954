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
PART = "scores/2001-09-09T01-46-40.parquet"
THUMBNAIL, CLIP, LINK = (
    "thumbs/00000000000000bb.jpg",
    "clips/00000000000000cc.mp4",
    "clips/00000000000000dd.mp4",
)
STAYS = (
    "events.jsonl",
    "scores/2001-09-09T02-00-00.parquet.journal",
    "scores/mine.parquet",
    "thumbs/mine.jpg",
    "clips/mine.mp4",
    "clips/00000000000000CC.mp4",
    "clips/00000000000000cc.mp4.bak",
)
"""What is older than all that, and is not removed."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for inside in ("clips", "thumbs", "scores"):
        (tmp_path / inside).mkdir()
    for days, name in enumerate((PART, THUMBNAIL, CLIP, "clips/.tmp-d")):
        (tmp_path / name).write_bytes(b"x" * 1000)
        os.utime(tmp_path / name, (NOW - days * DAY, NOW - days * DAY))
    for name in STAYS:
        (tmp_path / name).write_bytes(b"{}\n")
        os.utime(tmp_path / name, (0, 0))
    return tmp_path


@pytest.mark.parametrize(
    ("days", "gigabytes", "gone"),
    [
        (None, None, []),
        (1.5, None, [CLIP]),
        (0.5, None, [CLIP, THUMBNAIL]),
        (None, 2e-6, [CLIP]),
        (None, 0.9e-6, [CLIP, THUMBNAIL, PART]),
        (10, 1, []),
    ],
)
def test_the_oldest_go_first(
    folder: Path, days: float | None, gigabytes: float | None, gone: list[str]
) -> None:
    removed = Retention([folder], days, gigabytes).clean(NOW)
    assert [str(path.relative_to(folder)) for path in removed] == gone
    assert not any(path.exists() for path in removed)
    assert (folder / "clips" / ".tmp-d").exists()
    assert all((folder / name).exists() for name in STAYS)


def test_links_are_left_alone(folder: Path, tmp_path: Path) -> None:
    (folder / LINK).symlink_to(folder / "events.jsonl")
    Retention([folder], 1e-9, None).clean(NOW)
    assert (folder / "events.jsonl").exists()
    assert (folder / LINK).is_symlink()


def test_what_goes_meanwhile_or_cannot_go_ends_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real_kept, real_unlink = retention._kept, Path.unlink

    def kept(folder: Path) -> list[Path]:
        found = list(real_kept(folder))
        (folder / CLIP).unlink(missing_ok=True)
        return found

    def unlink(self: Path, missing_ok: bool = False) -> None:
        if self == folder / THUMBNAIL:
            raise PermissionError(1, "Operation not permitted", str(self))
        real_unlink(self, missing_ok)

    monkeypatch.setattr(retention, "_kept", kept)
    monkeypatch.setattr(Path, "unlink", unlink)
    made = Retention([folder], 1e-9, None)
    assert [path.name for path in made.clean(NOW + DAY)] == [Path(PART).name]
    assert made.clean(NOW + DAY) == []
    (record,) = caplog.records
    assert f"{THUMBNAIL}: cannot be removed" in record.getMessage()


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
