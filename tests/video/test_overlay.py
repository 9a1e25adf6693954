"""Overlays as files: what was drawn is what is shown, at its time; whole or not there."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.video import overlay as overlay_module
from pipeline.video.drawing import Scale, Strip, composed
from pipeline.video.overlay import Moment, thumbnail, writing_overlay
from pipeline.video.timed import TimedFrame, timed_frames
from shards.errors import StorageError
from shards.opencv import cv2
from shards.steady import SteadyFile
from shards.storage import Storage
from tests.helpers.commands import ROOT
from tests.helpers.videos import scene

SIZE = (240, 320)
SCALE = Scale(least_hours=0.001, limit_hours=1.0)
WRITE = (
    "import sys, time\n"
    "from pipeline.video.overlay import writing_overlay\n"
    "from shards.storage import Storage\n"
    "from tests.video.test_overlay import SCALE, moments\n"
    "with writing_overlay(Storage(sys.argv[1]), 'overlay.mp4', rate=25, scale=SCALE) as overlay:\n"
    "    for moment in moments(12):\n"
    "        overlay.observe(moment)\n"
    "    print('written', flush=True); time.sleep(60)\n"
)


def moments(count: int, size: tuple[int, int] = SIZE) -> list[Moment]:
    """A block crosses from frame 4 on, and an alarm is on from 6 on."""
    error_map = np.full((48, 64), -40.0)
    error_map[16:24, 16:32] = -8.0
    return [
        Moment(
            frame=frame,
            seconds=0.25 * number,
            error_map=error_map if number >= 4 else None,
            box=(0.25, 0.33, 0.25, 0.17) if number >= 4 else None,
            rarity_hours=None if number == 0 else 0.01 if number < 4 else 6.0,
            censored=number >= 8,
            alarm=number >= 6,
        )
        for number, frame in enumerate(scene(count, size=size, abnormal=(4, count)))
    ]


def written(out: Path, story: list[Moment]) -> list[TimedFrame]:
    with writing_overlay(Storage(out), "overlay.mp4", rate=4, scale=SCALE) as overlay:
        for moment in story:
            overlay.observe(moment)
    assert [path.name for path in out.iterdir()] == ["overlay.mp4"]
    return list(timed_frames(out / "overlay.mp4", "overlay.mp4"))


@pytest.mark.parametrize("codec", range(len(overlay_module._CODECS)))
def test_what_was_drawn_is_what_is_shown_at_its_time(
    tmp_path: Path, codec: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay_module, "_CODECS", overlay_module._CODECS[codec:])
    story = moments(12)
    shown = written(tmp_path, story)
    assert [frame.seconds for frame in shown] == pytest.approx([moment.seconds for moment in story])
    for number, frame in enumerate(shown):
        past = story[: number + 1]
        rarities = [np.nan if one.rarity_hours is None else one.rarity_hours for one in past]
        strip = Strip(
            seconds=np.array([one.seconds for one in past]),
            rarity_hours=np.array(rarities),
            censored=np.array([one.censored for one in past]),
            alarm=np.array([one.alarm for one in past]),
            scale=SCALE,
            span_seconds=10.0,
        )
        moment = past[-1]
        drawn = composed(moment.frame, moment.error_map, moment.box, strip)
        assert np.abs(frame.picture.astype(float) - drawn).mean() < 4


@pytest.mark.parametrize("colour", [(40, 40, 220), (40, 220, 40), (220, 40, 40)])
def test_colours_are_kept(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    frame = np.full((*SIZE, 3), colour, np.uint8)
    moment = Moment(
        frame=frame, seconds=0, error_map=None, box=None, rarity_hours=None, censored=False, alarm=False
    )
    (shown,) = written(tmp_path, [moment])
    assert np.abs(shown.picture[100:200, 20:300].astype(int) - colour).max() <= 6


def test_browsers_are_told_the_colours(tmp_path: Path) -> None:
    written(tmp_path, moments(3))
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)


def test_a_frame_of_another_size_is_fitted_in(tmp_path: Path) -> None:
    shown = written(tmp_path, [*moments(3), *moments(5, (480, 640))[3:]])
    assert len({frame.picture.shape for frame in shown}) == 1
    assert len(shown) == 5


def test_times_that_stand_still_still_give_every_frame(tmp_path: Path) -> None:
    story = moments(6)
    still = [Moment(**{**vars(moment), "seconds": 1.0}) for moment in story]
    assert len(written(tmp_path, still)) == 6


def test_the_strip_forgets_what_it_no_longer_shows(tmp_path: Path) -> None:
    (moment,) = moments(1, (64, 64))
    with writing_overlay(Storage(tmp_path), "overlay.mp4", rate=25, scale=SCALE, span_seconds=2.0) as overlay:
        for number in range(200):
            overlay.observe(Moment(**{**vars(moment), "seconds": number / 25}))
        assert len(overlay._recent) == 51


def test_without_a_frame_there_is_no_file(tmp_path: Path) -> None:
    with writing_overlay(Storage(tmp_path), "overlay.mp4", rate=25, scale=None):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError),
        writing_overlay(Storage(tmp_path), "overlay.mp4", rate=25, scale=None) as overlay,
    ):
        overlay.observe(moments(1)[0])
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: SteadyFile, data: object) -> int:
        raise file._refused(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    monkeypatch.setattr(SteadyFile, "write", full)
    with pytest.raises(StorageError, match=r"overlay\.mp4: cannot be written: No space left"):
        written(tmp_path, moments(12))
    assert list(tmp_path.iterdir()) == []


def test_sigkill_leaves_no_half_overlay_under_its_name(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    try:
        assert writer.stdout.readline() == "written\n"
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
    assert Storage(tmp_path).names() == []
    assert [path.name[:5] for path in tmp_path.iterdir()] == [".tmp-"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    story = moments(50)
    with writing_overlay(
        Storage(tmp_path), "overlay.mp4", rate=25, scale=SCALE, span_seconds=10.0
    ) as overlay:
        for number in range(1600):
            if number == 400:
                before = resident()
            overlay.observe(Moment(**{**vars(story[number % 50]), "seconds": number / 25}))
        assert resident() - before < 16 << 20


@pytest.mark.parametrize(("size", "shown"), [((240, 320), (240, 320)), ((1080, 1920), (270, 480))])
def test_a_thumbnail_is_a_small_jpeg_with_the_heat(size: tuple[int, int], shown: tuple[int, int]) -> None:
    moment = moments(6, size)[5]
    data = thumbnail(moment.frame, moment.error_map, moment.box)
    assert data.startswith(b"\xff\xd8\xff")
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (*shown, 3)
    blue, _, red = picture[int(0.41 * shown[0]), int(0.37 * shown[1])].astype(int)
    assert red - blue > 60
