"""A full disk costs pictures and rows, and no alarm: whoever is to be told is told, and the watch goes on."""

import errno
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.scoring.rows import read_rows
from pipeline.watch import camera as camera_module
from pipeline.watch.camera import WatchedCamera
from pipeline.watch.disk import Disk
from pipeline.watch.plan import watch_config
from pipeline.watch.run import watch
from rtsp import camera
from shards.errors import StorageError
from shards.storage import Storage
from tests.helpers.commands import TIMEOUT
from tests.helpers.receivers import Receiver, receiver, until
from tests.helpers.watching import events_of, watching, without_skipping
from tests.helpers.yard import World

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mount") is None, reason="only root may mount a small disk"
)
BYTES = 3 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={BYTES}"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=False).returncode:
        pytest.skip("this machine mounts no small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(disk: Path) -> None:
    """Take all the room that there is."""
    with (disk / "ballast").open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC


def kinds(hook: Receiver) -> list[str]:
    """What the receiver was told of alarms: beginnings and ends."""
    return [
        "new" if b'"type":"new"' in body else "end"
        for _, _, body in list(hook.requests)
        if b'"kind":"anomaly"' in body
    ]


@pytest.mark.slow
def test_a_disk_that_fills_up_costs_no_alarm_and_what_was_missed_is_made_up_for(
    world: World, disk: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(camera_module, "_DRIFT_SECONDS", 0.5)
    monkeypatch.setattr("pipeline.scoring.journal.HELD_SECONDS", 0.0)
    without_skipping(monkeypatch)
    out, scored = disk / "out", itertools.count(1)
    see = WatchedCamera.see

    def seen(self: WatchedCamera, *given: Any) -> None:
        see(self, *given)
        if next(scored) == 4:  # frame 7, in the thread that would write of the first event, at frame 12
            fill(disk)

    monkeypatch.setattr(WatchedCamera, "see", seen)
    with (
        receiver() as hook,
        camera(world.video, speed=20) as source,
        watching(world, out, source.url, webhook=hook.url) as engine,
    ):
        until(lambda: kinds(hook)[:2] == ["new", "end"], TIMEOUT)
        snapshot = engine.view.snapshot("yard")
        assert "No space left on device" in snapshot.unwritten
        assert snapshot.write_failures > 0
        assert [each.type for each in events_of(out)] == []
        until(lambda: len(kinds(hook)) > 2, TIMEOUT)
        (disk / "ballast").unlink()
        until(lambda: not engine.view.snapshot("yard").unwritten, TIMEOUT)
        until(lambda: events_of(out), TIMEOUT)
        before = len(kinds(hook))
        until(lambda: len(kinds(hook)) > before + 1, TIMEOUT)
    logged = [event for event in events_of(out) if event.kind == "anomaly"]
    assert [event.type for event in logged] == ["end"] * len(logged)
    keys = [headers["Idempotency-Key"] for _, headers, _ in hook.requests]
    assert len(keys) == len(set(keys))
    assert logged[0].files.thumbnail is None and logged[0].files.clip is None
    assert any(event.files.clip is not None for event in logged)
    frames = read_rows(Storage(str(out / "yard")))["frame"].to_pylist()
    assert frames == sorted(frames) and len(frames) > 6
    told = [record for record in caplog.records if "results are left out" in record.getMessage()]
    assert len(told) == 1
    assert "results can be written again" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("state", ["full", "read-only"])
def test_a_watch_starts_on_such_a_disk_and_tells_of_alarms(world: World, disk: Path, state: str) -> None:
    out = disk / "out"
    plan: dict[str, Any] = {"checkpoint": str(world.run), "out": str(out), "name": "yard", "device": "cpu"}
    watch(watch_config(url=str(world.video), **plan))
    shutil.rmtree(out / "yard" / "scores")
    (out / "yard" / "events.jsonl").write_bytes(b"")
    shutil.rmtree(out / "yard" / "delivered", ignore_errors=True)
    (out / ".tmp-left").touch()
    (out / "yard" / "clips" / ".tmp-left").touch()
    if state == "full":
        fill(disk)
    else:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    said: list[str] = []
    with receiver() as hook:
        watch(watch_config(url=str(world.video), webhook=hook.url, **plan), said.append)
        assert kinds(hook) == ["new", "end"] * 2
    assert any("config.toml: cannot be written: " in line for line in said)


def test_a_first_start_on_a_full_disk_leaves_nothing_that_the_next_one_refuses(
    world: World, disk: Path
) -> None:
    out = disk / "out"
    out.mkdir()
    fill(disk)
    plan = watch_config(
        url=str(world.video), checkpoint=str(world.run), out=str(out), name="yard", device="cpu"
    )
    with pytest.raises(StorageError, match=r"config\.toml: cannot be written: No space left on device"):
        watch(plan)
    (disk / "ballast").unlink()
    watch(plan)
    assert [event.type for event in events_of(out)] == ["end", "end"]


@pytest.mark.slow
def test_retention_makes_the_room_that_the_start_needs(world: World, disk: Path) -> None:
    out = disk / "out"
    plan: dict[str, Any] = {"checkpoint": str(world.run), "out": str(out), "name": "yard", "device": "cpu"}
    watch(watch_config(url=str(world.video), **plan))
    old = out / "yard" / "clips" / "0123456789abcdef.mp4"
    old.write_bytes(bytes(1 << 20))
    os.utime(old, (0, 0))
    fill(disk)
    said: list[str] = []
    watch(watch_config(url=str(world.video), retain_days=1, **plan), said.append)
    assert not old.exists()
    assert not any("cannot be written" in line for line in said)


def test_what_cannot_be_written_is_told_once_until_it_can_be(
    tmp_path: Path, disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = Disk("yard", Storage(str(disk)))
    fill(disk)
    for _ in range(3):
        with made.trying("thumbs"):
            Storage(str(disk)).write("thumbs/a.jpg", bytes(100_000))
    made.look()
    assert made.fails("thumbs") and not made.fails("clips")
    assert made.failures == 3 and "No space left" in made.reason
    (disk / "ballast").unlink()
    made.look()
    assert not made.fails("thumbs") and made.reason == ""
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert [path.name for path in disk.rglob("*") if path.is_file()] == []
