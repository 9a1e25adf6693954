"""Clips are made of a second stream where there is one, and of the one that is watched while that is gone."""

import threading
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.video.live import LivePacket, LiveStream
from pipeline.watch import readers
from pipeline.watch.plan import watch_config
from pipeline.watch.run import watch
from rtsp import camera
from tests.helpers.commands import TIMEOUT
from tests.helpers.receivers import until
from tests.helpers.videos import write_video
from tests.helpers.watching import events_of, watching, without_skipping
from tests.helpers.yard import RATE, World, abnormal_video

SPEED = 10


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same scene at twice the size, with a key frame every second."""
    frames = np.repeat(np.repeat(abnormal_video(), 2, 1), 2, 2)
    path = tmp_path_factory.mktemp("large") / "large.mp4"
    return write_video(path, frames, rate=RATE, options={"g": str(RATE), "bf": "0"})


def clips(out: Path) -> list[str]:
    """Of the events that are over."""
    return [str(each.files.clip) for each in events_of(out) if each.kind == "anomaly" and each.type == "end"]


def width(path: Path) -> int:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) >= 6
    return frames[0].width


@pytest.mark.slow
def test_clips_are_of_the_second_stream_while_it_comes(
    world: World, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "FIRST_PAUSE", 0.1)
    monkeypatch.setenv("LARGE", "hunter2")
    without_skipping(monkeypatch)
    out, comes = tmp_path / "out", threading.Event()
    real = LiveStream.packets

    def packets(self: LiveStream) -> Iterator[LivePacket]:
        for packet in real(self):
            comes.set()
            yield packet

    monkeypatch.setattr(LiveStream, "packets", packets)
    with (
        camera(world.video, speed=SPEED, fault="refuse") as small,
        camera(large, speed=SPEED, login="user:hunter2") as source,
        watching(
            world, out, small.url, record_url=f"rtsp://user:${{LARGE}}@127.0.0.1:{source.port}/stream"
        ) as engine,
    ):
        until(comes.is_set, TIMEOUT)
        small.fault = "none"
        until(lambda: clips(out), TIMEOUT)
        assert engine.view.snapshot("yard").notes == ()
        source.fault = "drop"
        until(lambda: engine.view.snapshot("yard").notes != (), TIMEOUT)
        (note,) = engine.view.snapshot("yard").notes
        assert note.startswith("clips are of the stream that is watched; of record_url: ")
        # The next that ends may have begun before the stream was gone, and the clip of the one after it shows
        # 5 s before it, which may be hardly later. The third begins 42 s later.
        before = len(clips(out))
        until(lambda: len(clips(out)) >= before + 3, TIMEOUT)
    assert width(out / "yard" / clips(out)[0]) == 144
    assert width(out / "yard" / clips(out)[-1]) == 72
    told = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert b"hunter2" not in told


def test_a_second_stream_is_of_one_live_camera(world: World, tmp_path: Path) -> None:
    given = {"checkpoint": str(world.run), "out": str(tmp_path / "out"), "device": "cpu"}
    plan = watch_config(url=str(world.video), record_url="rtsp://host/large", **given)
    with pytest.raises(ConfigError, match=r"camera camera: record_url: found a video file"):
        watch(plan)
    cameras = tmp_path / "cameras.toml"
    cameras.write_text('[watch]\nrecord_url = "rtsp://host/a"\n[watch.cameras.yard]\nurl = "rtsp://host/b"\n')
    with pytest.raises(ConfigError, match=r"no option 'record_url'"):
        watch_config(config=str(cameras), **given)
    cameras.write_text('[watch.cameras.yard]\nurl = "rtsp://host/b"\nrecord_url = "rtsp://host/a"\n')
    assert watch_config(config=str(cameras), **given).cameras[0].record_url == "rtsp://host/a"
    with pytest.raises(ConfigError, match=r"found --record-url and --config"):
        watch_config(config=str(cameras), record_url="rtsp://host/a", **given)
