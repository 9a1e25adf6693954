"""Clips hold the source's own frames, from a key frame on, whatever the file and whatever is asked for."""

import errno
import os
import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.video import remux
from pipeline.video.pyav_frames import Findings, frames
from pipeline.video.remux import Clip, clip
from pipeline.video.timed import TimedFrame, timed_frames
from shards.errors import StorageError
from shards.steady import SteadyFile
from shards.storage import Storage
from tests.helpers.mutation import mutated_bytes
from tests.helpers.videos import scene, write_video

SECONDS_PER_FRAME = 1 / 25
KINDS = {
    "a.mp4": ("libx264", {"g": "12", "bf": "3"}),
    "open.mp4": (
        "libx264",
        {"g": "12", "bf": "3", "x264-params": "open-gop=1:bframes=3:b-adapt=0:log-level=none"},
    ),
    "a.mkv": ("libx264", {"g": "12", "bf": "3"}),
    "a.ts": ("libx264", {"g": "12", "bf": "3"}),
    "hevc.mkv": ("libx265", {"x265-params": "log-level=0:keyint=12"}),
    "a.avi": ("mpeg4", {"g": "12"}),
    "a.mpg": ("mpeg2video", {"g": "12", "bf": "2"}),
    "a.webm": ("libvpx-vp9", {"g": "12"}),
    "vp8.webm": ("libvpx", {"g": "12"}),
    "ffv1.mkv": ("ffv1", {}),
    "a.mov": ("mjpeg", {}),
}


class Sources(dict[str, tuple[Path, list[TimedFrame]]]):
    """Path and frames of the source files, by name."""

    __repr__ = object.__repr__  # hypothesis would spell all pixels out


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    folder = tmp_path_factory.mktemp("sources")
    found = Sources()
    for name, (codec, options) in KINDS.items():
        pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        path = write_video(folder / name, scene(60), codec=codec, options=options, pixels=pixels)
        found[name] = (path, list(timed_frames(path, name)))
    return found


def cut(path: Path, span: tuple[float, float], out: Path) -> tuple[Clip, list[np.ndarray]]:
    """A clip, and its frames, which have to be sound."""
    made = clip(path, path.name, span, Storage(out), "clip")
    findings = Findings()
    decoded = list(frames(out / made.name, made.name, findings))
    # Of the group before an open one, its first picture takes back references that the clip never had.
    assert (findings.damaged, findings.lost, findings.error) in [
        (0, 0, ""),
        (0, 0, "mmco: unref short failure"),
    ]
    return made, decoded


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=12, deadline=None)
@given(begin=st.floats(-0.4, 1), length=st.floats(0, 1))
def test_a_clip_decodes_to_the_frames_of_the_source(
    sources: Sources,
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    begin: float,
    length: float,
) -> None:
    path, source = sources[name]
    start = begin * source[-1].seconds
    end = max(start, 0) + length * 2.5
    made, decoded = cut(path, (start, end), tmp_path_factory.mktemp("out"))
    first = next(frame.number for frame in source if abs(frame.seconds - made.start) < SECONDS_PER_FRAME / 2)
    assert made.start <= max(start, 0) + 0.002
    assert made.start > start - 12 * SECONDS_PER_FRAME - 0.002
    needed = [frame for frame in source if made.start - 0.002 <= frame.seconds <= end]
    assert len(decoded) >= len(needed)
    for one, other in zip(decoded, source[first:], strict=False):
        if other.seconds > end:
            break
        assert np.array_equal(one, other.picture)


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.mp4", ".mp4"), ("a.ts", ".mp4"), ("a.webm", ".mp4"), ("vp8.webm", ".mkv")]
)
def test_the_container_is_one_that_holds_the_codec(
    sources: Sources, tmp_path: Path, name: str, suffix: str
) -> None:
    made, _ = cut(sources[name][0], (0.5, 1.0), tmp_path)
    assert made.name == f"clip{suffix}"
    assert [path.name for path in tmp_path.iterdir()] == [made.name]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_times_of_a_clip_are_those_of_the_source(sources: Sources, tmp_path: Path, name: str) -> None:
    made, _ = cut(sources[name][0], (1.0, 1.5), tmp_path)
    times = [frame.seconds for frame in timed_frames(tmp_path / made.name, made.name)]
    assert times[:10] == pytest.approx([SECONDS_PER_FRAME * number for number in range(10)], abs=0.0011)
    assert made.end - made.start == pytest.approx(times[-1], abs=0.0011)


@pytest.mark.parametrize("name", ["open.mp4", "a.mpg"])
def test_pictures_that_need_the_group_before_are_left_out(
    sources: Sources, tmp_path: Path, name: str
) -> None:
    """Those of an open group that are shown before its key frame."""
    made, _ = cut(sources[name][0], (1.0, 1.5), tmp_path)
    assert made.start > 0.4
    with av.open(str(tmp_path / made.name)) as container:
        shown = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert min(shown) == shown[0] == 0


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.webm"])
def test_a_file_that_can_be_sought_is_not_read_from_its_beginning(
    sources: Sources, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = []
    real = remux._packets

    def recorded(source: Any, stream: Any, place: int | None) -> Any:
        places.append(place)
        return real(source, stream, place)

    monkeypatch.setattr(remux, "_packets", recorded)
    cut(sources[name][0], (1.6, 2.0), tmp_path)
    assert places
    assert None not in places


def test_a_clip_of_the_beginning_has_what_an_edit_list_hides(sources: Sources, tmp_path: Path) -> None:
    """Its packets are copied, so what is decoded before the first frame that is shown is in it."""
    path, whole = sources["a.mp4"]
    edited = tmp_path / "edited.mp4"
    with av.open(str(path)) as source, av.open(str(edited), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None and packet.pts is not None:
                packet.pts, packet.dts = packet.pts - 5 * 512, packet.dts - 5 * 512
                packet.stream = stream
                copy.mux(packet)
    shown = list(timed_frames(edited, "edited.mp4"))
    assert len(shown) == len(whole) - 5
    made, decoded = cut(edited, (0.0, 1.0), tmp_path / "out")
    assert made.start == pytest.approx(-5 * SECONDS_PER_FRAME)
    for one, other in zip(decoded[:30], whole[:30], strict=True):
        assert np.array_equal(one, other.picture)


def test_a_clip_is_turned_as_its_source_is(tmp_path: Path) -> None:
    plain = write_video(tmp_path / "plain.mp4", scene(30, size=(48, 64)), options={"g": "10"})
    turned = tmp_path / "turned.mp4"
    matrix = np.array([[0, 1 << 16, 0], [-(1 << 16), 0, 0], [0, 0, 1 << 30]], ">i4").tobytes()
    data = plain.read_bytes()
    unity = np.array([[1 << 16, 0, 0], [0, 1 << 16, 0], [0, 0, 1 << 30]], ">i4").tobytes()
    at = data.index(unity, data.index(b"tkhd"))
    turned.write_bytes(data[:at] + matrix + data[at + len(matrix) :])
    with av.open(str(turned)) as container:
        assert container.streams.video[0].height == 48
    _, decoded = cut(turned, (0.5, 1.0), tmp_path / "out")
    assert decoded[0].shape == (64, 48, 3)


@pytest.mark.parametrize("name", ["a.mp4", "a.ts"])
def test_nothing_is_shown_then(sources: Sources, tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=rf"^{name}: no clip .*: no frame is shown then; convert"):
        cut(sources[name][0], (60.0, 61.0), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_codec_that_no_clip_holds_is_one_line(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.wmv", scene(20), codec="wmv2")
    with pytest.raises(SourceError, match=r"^a\.wmv: no clip .*neither MP4 nor Matroska holds wmv2; convert"):
        cut(path, (0.1, 0.2), tmp_path / "out")


def test_a_file_without_timestamps_is_one_line(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.h264", scene(20))
    with pytest.raises(SourceError, match=r"^a\.h264: no clip can be copied out of it: [^\n]*timestamp"):
        cut(path, (0.1, 0.2), tmp_path / "out")
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_a_playlist_is_not_followed(tmp_path: Path) -> None:
    write_video(tmp_path / "real.ts", scene(20))
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nreal.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(SourceError, match=r"^list\.mp4: found \d+ bytes that are no video file"):
        clip(tmp_path / "list.mp4", "list.mp4", (0, 1), Storage(tmp_path / "out"), "clip")


def test_a_full_disk_is_one_line_and_leaves_nothing(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: SteadyFile, data: object) -> int:
        raise file._refused(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    monkeypatch.setattr(SteadyFile, "write", full)
    with pytest.raises(StorageError, match=r"clip\.mp4: cannot be written: No space left"):
        cut(sources["a.mp4"][0], (0.5, 1.0), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_file_gives_a_clip_or_one_line(
    sources: Sources,
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    (folder / name).write_bytes(data.draw(mutated_bytes(sources[name][0].read_bytes())))
    out = folder / "out"
    try:
        made = clip(folder / name, name, (0.8, 1.6), Storage(out), "clip")
    except SourceError as error:
        assert re.match(rf"{re.escape(name)}: [^\n]+$", str(error))
        assert not out.exists() or list(out.iterdir()) == []
    else:
        assert [path.name for path in out.iterdir()] == [made.name]
        assert made.start <= made.end
