"""Files that are cut off, in containers of which FFmpeg does not tell."""

from pathlib import Path

import av
import pytest

from pipeline.errors import SourceError
from pipeline.video.endings import missing_end
from pipeline.video.files import decoded_file
from pipeline.video.pyav_frames import Findings, frames
from tests.helpers.videos import scene, write_video

KINDS = {
    "a.y4m": ("rawvideo", "yuv420p"),
    "a.mxf": ("mpeg2video", "yuv420p"),
    "jpeg.avi": ("mjpeg", "yuvj420p"),
    "h264.avi": ("libx264", "yuv420p"),
}


@pytest.fixture(params=KINDS)
def whole(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    codec, pixels = KINDS[request.param]
    return write_video(tmp_path / request.param, scene(20), codec=codec, pixels=pixels)


def drawn(path: Path, *, keep_damage: bool = False) -> tuple[int, list[str]]:
    """How many frames there are, and the complaints in the manifest."""
    with decoded_file(
        path, path.name, by_decord=False, keep_damage=keep_damage, heartbeat=lambda *_: None
    ) as file:
        count = sum(1 for _ in file.frames)
    return count, file.facts()["complaints"]


def after(path: Path, packets: int) -> int:
    """The place where so many packets end, and the next begins."""
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.pos is not None]
    return sorted(places)[packets]


def test_a_whole_file_is_in_order(whole: Path) -> None:
    assert drawn(whole) == (20, [])


def test_a_file_that_is_cut_off_is_damaged(whole: Path) -> None:
    end = after(whole, 12) + (10 if whole.suffix == ".y4m" else 0)  # in which each frame stands for itself
    whole.write_bytes(whole.read_bytes()[:end])
    with pytest.raises(SourceError, match=r"the file ends (after|with) \d+ bytes"):
        drawn(whole)
    count, complaints = drawn(whole, keep_damage=True)
    assert 8 <= count < 20
    findings = Findings()
    assert sum(1 for _ in frames(whole, whole.name, findings)) == count
    assert findings.complaints == complaints


def test_an_avi_without_its_index_alone_has_all_its_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", scene(20), codec="mjpeg", pixels="yuvj420p")
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"idx1")])
    assert drawn(path) == (20, [])


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_a_recorder_that_was_switched_off_has_said_no_length(length: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", scene(20), codec="mjpeg", pixels="yuvj420p")
    data = path.read_bytes()[: after(path, 12)]
    path.write_bytes(data[:4] + length.to_bytes(4, "little") + data[8:])
    assert drawn(path) == (12, [])


@pytest.mark.parametrize("container", ["avi", "mxf", "yuv4mpegpipe"])
def test_rubbish_is_looked_at_in_vain(container: str, tmp_path: Path) -> None:
    start = bytes.fromhex("060e2b34020501010d0102010102")
    for data in (
        b"",
        b"RIFF",
        b"RIFF\x01\0\0\0AVI ",
        start,
        start + b"\4\0\xff",
        start + b"\4\0\x84" + bytes(9),
    ):
        (tmp_path / "a").write_bytes(data)
        missing_end(tmp_path / "a", container, None)
        missing_end(tmp_path / "a", container, (0, 5))
