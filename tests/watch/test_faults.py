"""A camera that fails in every way comes back, raises no alarm by it, and tells no secret."""

import logging
import threading
from pathlib import Path

import numpy as np
import pytest

from pipeline.watch import readers
from rtsp import Fault, camera
from tests.helpers.receivers import until
from tests.helpers.videos import write_video
from tests.helpers.watching import events_of, watching
from tests.helpers.yard import RATE, World, normal_video

SPEED = 10


@pytest.fixture(scope="module")
def normal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Walkers alone, with a key frame every second."""
    frames = np.concatenate([normal_video()[:50]] * 2)
    folder = tmp_path_factory.mktemp("normal")
    return write_video(folder / "normal.mp4", frames, rate=RATE, options={"g": str(RATE), "bf": "0"})


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "FIRST_PAUSE", 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["refuse", "drop", "stall", "corrupt", "back", "leap"])
def test_a_camera_comes_back_after_each_fault_and_no_alarm_comes_of_it(
    world: World, normal: Path, tmp_path: Path, fault: Fault
) -> None:
    with (
        camera(normal, speed=SPEED) as source,
        watching(world, tmp_path, source.url) as engine,
    ):

        def seen() -> int:
            return engine.view.snapshot("yard").scored

        until(lambda: seen() >= 10, 40)
        if fault == "refuse":
            source.fault = "drop"
            until(lambda: engine.view.snapshot("yard").state == "down", 40)
        source.fault = fault
        sent = source.sent
        if fault in ("drop", "stall", "refuse"):
            until(lambda: engine.view.snapshot("yard").state == "down", 40)
            assert engine.view.snapshot("yard").reason
        else:
            until(lambda: source.sent >= sent + 20, 40)
        source.fault = "none"
        before = seen()
        until(lambda: seen() >= before + 20, 40)
        snapshot = engine.view.snapshot("yard")
        assert snapshot.state == "up"
        assert (snapshot.reconnects > 0) == (fault in ("drop", "stall", "refuse"))
    assert [event for event in events_of(tmp_path) if event.kind == "anomaly"] == []


@pytest.mark.slow
def test_no_thread_and_no_descriptor_is_left_of_a_drop(world: World, normal: Path, tmp_path: Path) -> None:
    def held() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    with (
        camera(normal, speed=SPEED) as source,
        watching(world, tmp_path, source.url) as engine,
    ):
        until(lambda: engine.view.snapshot("yard").scored >= 10, 40)  # all that scoring opens is open
        counts = []
        for cycle in range(8):
            source.fault = "none"
            until(lambda cycle=cycle: engine.view.snapshot("yard").reconnects >= cycle, 40)  # type: ignore[misc]
            until(lambda: engine.view.snapshot("yard").state == "up", 40)
            source.fault = "drop"
            until(lambda: engine.view.snapshot("yard").state == "down", 40)
            counts.append(held())
    threads, descriptors = zip(*counts, strict=True)
    assert max(threads[2:]) <= max(threads[:2]) + 1  # the server's own come and go
    assert max(descriptors[2:]) <= max(descriptors[:2]) + 3


@pytest.mark.slow
def test_a_covered_lens_is_one_event_which_ends_when_it_is_uncovered(world: World, tmp_path: Path) -> None:
    lit = normal_video()[:40]
    frames = np.concatenate([lit, np.zeros((70, *lit.shape[1:]), np.uint8), lit])
    video = write_video(tmp_path / "a.mp4", frames, rate=RATE, options={"g": str(RATE), "bf": "0"})
    out = tmp_path / "out"
    with camera(video, speed=SPEED) as source, watching(world, out, source.url):
        until(lambda: [each.type for each in events_of(out) if each.kind == "black"][:1] == ["end"], 60)
    assert not any(each.kind == "frozen" for each in events_of(out))


@pytest.mark.slow
def test_another_resolution_begins_windows_anew(world: World, normal: Path, tmp_path: Path) -> None:
    large = write_video(
        tmp_path / "large.mp4",
        np.repeat(np.repeat(normal_video()[:50], 2, 1), 2, 2),
        rate=RATE,
        options={"g": str(RATE), "bf": "0"},
    )
    with (
        camera(normal, speed=SPEED) as source,
        watching(world, tmp_path / "out", source.url) as engine,
    ):
        until(lambda: engine.view.snapshot("yard").scored >= 10, 40)
        source.path, source.fault = large, "drop"
        until(lambda: engine.view.snapshot("yard").state == "down", 40)
        source.fault = "none"
        before = engine.view.snapshot("yard").scored
        until(lambda: engine.view.snapshot("yard").scored >= before + 20, 40)
        picture = engine.view.picture("yard")
    assert picture is not None and picture.startswith(b"\xff\xd8")
    assert [event for event in events_of(tmp_path / "out") if event.kind == "anomaly"] == []


@pytest.mark.slow
def test_no_secret_of_a_location_is_told_anywhere(
    world: World,
    normal: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("YARD", "hunter2")
    caplog.set_level(logging.DEBUG)
    with camera(normal, speed=SPEED, login="user:hunter2") as source:
        url = f"rtsp://user:${{YARD}}@127.0.0.1:{source.port}/stream"
        with watching(world, tmp_path, url) as engine:
            until(lambda: engine.view.snapshot("yard").scored >= 5, 40)
            source.login = "user:other"
            source.fault = "drop"
            until(lambda: engine.view.snapshot("yard").state == "down", 40)
            source.fault = "none"
            until(lambda: "401" in engine.view.snapshot("yard").reason, 40)
            told = repr(engine.view.snapshot("yard"))
    told += caplog.text + "".join(capfd.readouterr())
    told += "".join(path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file())
    assert "yard" in told
    assert "hunter2" not in told
