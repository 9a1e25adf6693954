"""Video files of every kind: regular, irregular, damaged, and not video files at all."""

import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from pipeline.errors import SourceError
from pipeline.preprocess.run import Summary
from pipeline.preprocess.sources.source import list_tree
from shards.entries import Video
from tests.helpers import preprocessing
from tests.helpers.shards import stored_frames
from tests.helpers.videos import scene, write_images, write_video

SIZE = (64, 96)


def run(source: Path, **options: Any) -> Summary:
    return preprocessing.run(source, size=SIZE, **options)


def only(summary: Summary) -> Video:
    (video,) = summary.manifest.videos
    return video


def decoded(path: Path) -> np.ndarray:
    """All frames as PyAV gives them, resized: (frames, *SIZE, 3) BGR."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    return np.stack([cv2.resize(frame, SIZE[::-1], interpolation=cv2.INTER_LINEAR) for frame in frames])


def counter(frames: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Frames whose brightness says their number, which no lossy codec blurs away."""
    result = np.zeros((frames, *size, 3), np.uint8)
    result += (40 + 4 * np.arange(frames, dtype=np.uint8))[:, None, None, None]
    return result


def numbers(frames: np.ndarray) -> list[int]:
    """Inverse of `counter`."""
    return [int(value) for value in (frames.mean(axis=(1, 2, 3)) - 36) // 4]  # codecs darken by 1 to 3


def remuxed(path: Path, target: Path, *, shift: float = 0.0, fast_start: bool = False) -> Path:
    """The same packets in another file, `shift` seconds earlier: an edit list cuts what falls before 0."""
    options = {"movflags": "faststart"} if fast_start else {}
    with av.open(str(path)) as source, av.open(str(target), "w", options=options) as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        assert source.streams.video[0].time_base is not None
        ticks = round(shift / source.streams.video[0].time_base)
        for packet in source.demux(video=0):
            if packet.dts is not None and packet.pts is not None:
                packet.pts, packet.dts = packet.pts - ticks, packet.dts - ticks
                packet.stream = stream
                copy.mux(packet)
    return target


def patched(path: Path, change: Callable[[bytearray], None]) -> Path:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    return path


def cut_to(fraction: float) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        del data[int(fraction * len(data)) :]

    return change


def flip_pixels(data: bytearray) -> None:
    """Damage some bytes in the middle of an mp4's pictures."""
    start = data.index(b"mdat")
    for position in range(start + 3000, start + 6000, 150):
        data[position] ^= 0x55


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


@pytest.mark.parametrize(
    ("name", "options", "size"),
    [
        ("a.mp4", {"options": {"g": "12", "bf": "3"}}, (120, 160)),
        ("a.mkv", {}, (120, 160)),
        ("a.ts", {}, (120, 160)),
        ("a.avi", {"codec": "mpeg4"}, (120, 160)),
        ("a.mov", {"codec": "mjpeg", "pixels": "yuvj420p"}, (120, 160)),
        ("a.mpg", {"codec": "mpeg2video"}, (120, 160)),
        ("a.mp4", {"pixels": "yuv420p10le"}, (120, 160)),
        ("a.mp4", {"pixels": "gray"}, (120, 160)),
        ("a.avi", {"codec": "mpeg4"}, (24, 32)),
        ("odd.avi", {"codec": "mjpeg", "pixels": "yuvj444p"}, (33, 47)),
        ("odd.avi", {"codec": "rawvideo", "pixels": "bgr24"}, (49, 51)),
        ("raw.avi", {"codec": "rawvideo", "pixels": "bgr24"}, (48, 48)),
    ],
    ids=[
        "b-frames",
        "mkv",
        "ts",
        "mpeg4",
        "mjpeg",
        "mpeg2",
        "10-bit",
        "gray",
        "small",
        "odd",
        "odd-raw",
        "raw",
    ],
)
def test_every_frame_once_in_order_equal_to_its_resized_decoding(
    folder: Path, name: str, options: dict[str, Any], size: tuple[int, int]
) -> None:
    path = write_video(folder / name, scene(40, size=size), **options)
    video = only(run(folder))
    expected = decoded(path)
    assert video.frames == len(expected) == 40
    np.testing.assert_array_equal(stored_frames(folder.parent / "shards", "training", video.name), expected)
    channels = {s.channels for shard in video.shards for s in shard.segments}
    assert channels == ({1} if options.get("pixels") == "gray" else {3})


def test_every_file_is_read_by_pyav_unless_decord_is_asked_for(folder: Path, tmp_path: Path) -> None:
    write_video(folder / "a.mp4", scene(12, size=(120, 160)))
    found = {
        decoder: only(run(folder, decoder=decoder, shards=str(tmp_path / decoder)))
        for decoder in ("auto", "pyav", "decord")
    }
    assert [video.source["decoder"] for video in found.values()] == ["pyav", "pyav", "decord"]
    assert len({tuple(shard.name for shard in video.shards) for video in found.values()}) == 1
    facts = found["auto"].source
    assert (facts["frames_header"], facts["packets"], facts["rate"], facts["even"]) == (12, 12, 25.0, True)


def test_frames_cut_by_an_edit_list_are_neither_shown_nor_repeated(folder: Path, tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4", counter(50), options={"g": "10", "crf": "2"})
    path = remuxed(whole, folder / "cut.mp4", shift=0.6)
    video = only(run(folder))
    assert video.source["discarded"] > 0
    shown = numbers(stored_frames(folder.parent / "shards", "training", "cut"))
    assert shown == list(range(15, 50))
    with pytest.raises(SourceError, match=r"found .*an edit list; .*use --decoder auto"):
        run(folder, decoder="decord", shards=str(tmp_path / "other"))
    assert path.exists()


def test_uneven_timestamps_lose_no_frame_and_are_noted(folder: Path) -> None:
    times = [40 * n + (300 if n > 20 else 0) for n in range(40)]
    write_video(folder / "vfr.mp4", counter(40), times=times, options={"crf": "2"})
    summary = run(folder)
    assert numbers(stored_frames(folder.parent / "shards", "training", "vfr")) == list(range(40))
    assert only(summary).source["even"] is False
    assert any("unequally long" in note for note in summary.notes)


def test_a_wrong_header_count_is_noted_and_frames_are_counted(folder: Path) -> None:
    def claim_more(data: bytearray) -> None:
        at = data.index(b"strh") + 8 + 32
        assert struct.unpack_from("<I", data, at) == (20,)
        struct.pack_into("<I", data, at, 50)

    patched(write_video(folder / "a.avi", counter(20), codec="mpeg4"), claim_more)
    summary = run(folder)
    assert only(summary).frames == 20
    assert only(summary).source["frames_header"] == 50
    assert any("the header says 50 frames, 20 were decoded" in note for note in summary.notes)


def test_a_rotation_flag_turns_the_frames(folder: Path) -> None:
    def turn(data: bytearray) -> None:
        at = data.index(b"tkhd") + 4 + 40
        struct.pack_into(">9i", data, at, 0, 1 << 16, 0, -(1 << 16), 0, 0, 120 << 16, 0, 1 << 30)

    path = patched(write_video(folder / "a.mp4", scene(6, size=(120, 160))), turn)
    run(folder)
    with av.open(str(path)) as container:
        upright = [np.rot90(f.to_ndarray(format="bgr24"), -1) for f in container.decode(video=0)]
    expected = np.stack([cv2.resize(frame, SIZE[::-1]) for frame in upright])
    np.testing.assert_array_equal(stored_frames(folder.parent / "shards", "training", "a"), expected)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (flip_pixels, "damaged frames, the first at frame"),
        (cut_to(0.6), "packets that cannot be decoded"),
    ],
    ids=["flipped", "truncated"],
)
def test_damage_is_an_error_or_kept_and_counted(
    folder: Path, tmp_path: Path, damage: Callable[[bytearray], None], found: str
) -> None:
    plain = write_video(tmp_path / "a.mp4", scene(40, size=(120, 160)), options={"g": "12", "crf": "10"})
    patched(remuxed(plain, folder / "a.mp4", fast_start=True), damage)
    with pytest.raises(SourceError, match=rf"a\.mp4: .*{found}.*--on-damage keep"):
        run(folder)
    summary = run(folder, on_damage="keep")
    facts = only(summary).source
    assert facts["decoder"] == "pyav"
    assert facts["damaged_frames"] + facts["lost_packets"] > 0
    assert any("kept with damage" in note for note in summary.notes)


@pytest.mark.parametrize("on_damage", ["fail", "keep"])
def test_a_file_without_a_frame_that_can_be_decoded_is_an_error(folder: Path, on_damage: str) -> None:
    options = {"g": "100", "sc_threshold": "0"}
    path = write_video(folder / "a.ts", scene(60, size=(120, 160)), options=options)
    data = path.read_bytes()
    path.write_bytes(data[len(data) // 2 // 188 * 188 :])  # begins behind its only key frame
    with pytest.raises(SourceError, match=r"a\.ts: .*packets .*--on-error skip$"):
        run(folder, on_damage=on_damage)


@pytest.mark.parametrize("name", ["cut.avi", "cut.mkv"])
def test_a_file_that_ends_early_is_an_error(folder: Path, name: str) -> None:
    patched(write_video(folder / name, scene(40, size=(120, 160)), codec="mpeg4"), cut_to(0.6))
    with pytest.raises(SourceError, match=rf"{name}: .*--on-damage keep"):
        run(folder)


def audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def no_frames(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), "found 0 bytes that are no video file"),
        (lambda path: path.write_text("hello " * 99), "found 594 bytes that are no video file"),
        (audio_only, "found audio streams, expected video"),
        (no_frames, "a.mp4"),
        (lambda path: patched(write_video(path, scene(9)), cut_to(0.5)), "no video file"),
    ],
    ids=["empty", "text", "audio", "zero-frames", "index-cut-off"],
)
def test_what_is_no_video_is_one_clear_error(
    folder: Path, make: Callable[[Path], object], message: str
) -> None:
    make(folder / "a.mp4")
    with pytest.raises(SourceError, match=message) as caught:
        run(folder)
    assert "a.mp4" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_image_that_is_none_is_named(folder: Path) -> None:
    write_images(folder / "clip", scene(4))
    (folder / "clip" / "002.png").write_bytes(b"\x89PNG")
    with pytest.raises(SourceError, match=r"clip/002\.png: found 4 bytes that are no image"):
        run(folder)


@pytest.mark.parametrize(
    "name", ["with space", "dots.in.it", "ünïcode 視頻", "x" * 200, "quote'\"&;$(x)", "-dash", "new\nline"]
)
def test_any_name_that_a_file_can_have(folder: Path, name: str) -> None:
    write_video(folder / f"{name}.mp4", scene(6))
    assert only(run(folder)).name == name


def test_a_name_that_is_not_utf8(folder: Path) -> None:
    write_images(folder / os.fsdecode(b"caf\xe9"), scene(6))
    video = only(run(folder))
    assert video.frames == 6
    assert video.name.encode()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give up root's right to read everything")
def test_an_unreadable_file_is_one_clear_error() -> None:
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o755)
        (Path(root) / "a.mp4").touch(0)
        tree = list_tree(root)
        os.seteuid(65534)
        try:
            with pytest.raises(SourceError, match=r"a\.mp4: cannot be read: Permission denied; make it"):
                tree.source.read("a.mp4")
        finally:
            os.seteuid(0)


def test_files_are_listed_without_reading_them(folder: Path) -> None:
    os.mkfifo(folder / "pipe.mp4")
    write_video(folder / "a.mp4", scene(6))
    assert list(list_tree(str(folder)).files) == ["a.mp4"]
