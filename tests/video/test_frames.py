"""The right frames: each once, in order, from the kinds of files that decoders lose or repeat frames of."""

import tempfile
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.codec.context import Flags
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.video.audit import audit
from pipeline.video.files import decoded_file
from tests.helpers.counted import counter, decode, numbers
from tests.helpers.divx import pack_b_frames
from tests.helpers.mutation import mutated_bytes
from tests.helpers.videos import scene, write_video


def still(frames: int, expected: int) -> None:
    """A heartbeat that nobody hears."""


SILENT = {"x265-params": "log-level=none"}


@pytest.mark.parametrize("name", ["a.mpg", "a.mpeg", "a.ts", "a.m2ts", "a.vob"])
@pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video"])
@pytest.mark.parametrize("group", [1, 12, 50])
def test_mpeg_keeps_its_first_group_of_pictures(tmp_path: Path, name: str, codec: str, group: int) -> None:
    options = {"g": str(group), "bf": "2" if group > 1 else "0", "b": "4000000"}
    path = write_video(tmp_path / name, counter(50), codec=codec, options=options)
    pictures, findings = decode(path)
    assert numbers(pictures) == list(range(50))
    assert not findings.damaged
    audited = audit(path, name, still)
    assert (audited.frames_header, audited.packets, audited.even) == (0, 50, True)


@pytest.mark.parametrize("trailing", [0, 2])
def test_packed_b_frames_are_taken_apart_and_places_without_picture_give_none(
    tmp_path: Path, trailing: int
) -> None:
    options = {"bf": "1", "g": "12", "qscale": "2"}
    plain = write_video(tmp_path / "plain.avi", scene(40), codec="mpeg4", options=options)
    packed = pack_b_frames(plain, tmp_path / "packed.avi", trailing=trailing)
    assert audit(packed, "a", still).frames_header == 40 + trailing
    pictures, findings = decode(packed)
    np.testing.assert_array_equal(pictures, decode(plain)[0])
    assert (len(pictures), findings.damaged, findings.lost) == (40, 0, 0)


def interlaced(path: Path, codec: str, pixels: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = 64, 96, pixels
        stream.codec_context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        for picture in counter(20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.ts", "libx264", "yuv420p"),
        ("a.mpg", "mpeg2video", "yuv420p"),
        ("a.m2ts", "mpeg2video", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.mov", "prores_ks", "yuv422p10le"),
    ],
)
def test_interlaced_frames_are_counted(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    pictures, findings = decode(interlaced(tmp_path / name, codec, pixels))
    assert numbers(pictures) == list(range(20))
    assert findings.interlaced == 20
    assert decode(write_video(tmp_path / "b.mp4", counter(20)))[1].interlaced == 0


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.ts", {"options": {"bf": "3"}}),
        ("a.h264", {"options": {"bf": "3"}}),
        ("a.hevc", {"codec": "libx265", "options": SILENT}),
        ("a.mpg", {"codec": "mpeg1video", "options": {"bf": "2", "b": "4000000"}}),
        ("a.mpg", {"codec": "mpeg2video", "options": {"bf": "2", "b": "4000000"}}),
        ("a.vob", {"codec": "mpeg2video", "options": {"bf": "0", "b": "4000000"}}),
        ("a.ts", {"codec": "mpeg2video", "options": {"bf": "2", "b": "4000000"}}),
        ("a.ts", {"codec": "mpeg4", "options": {"bf": "2", "b": "4000000"}}),
        ("a.mjpeg", {"codec": "mjpeg", "pixels": "yuvj420p"}),
    ],
    ids=["h264-ts", "h264", "hevc", "mpeg1", "mpeg2", "vob", "mpeg2-ts", "mpeg4-ts", "mjpeg"],
)
def test_a_stream_that_changes_size_loses_no_frame(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    parts = [
        write_video(tmp_path / f"{number}-{name}", counter(10, size), **options)
        for number, size in enumerate([(64, 96), (120, 160), (64, 96)])
    ]
    (tmp_path / name).write_bytes(b"".join(part.read_bytes() for part in parts))
    pictures, _ = decode(tmp_path / name)
    assert numbers(pictures) == 3 * list(range(10))
    assert [picture.shape[:2] for picture in pictures] == 10 * [(64, 96)] + 10 * [(120, 160)] + 10 * [
        (64, 96)
    ]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mov", {"codec": "qtrle", "pixels": "argb"}),
        ("a.mov", {"codec": "png", "pixels": "rgba"}),
        ("a.mkv", {"codec": "ffv1", "pixels": "gray"}),
        ("a.mkv", {"codec": "ffv1", "pixels": "gray16le"}),
        ("a.mkv", {"codec": "ffv1", "pixels": "yuv420p10le"}),
        ("a.mp4", {"pixels": "yuvj420p"}),
        ("a.mov", {"codec": "prores_ks", "pixels": "yuva444p10le"}),
        ("a.y4m", {"codec": "rawvideo"}),
        ("a.h264", {}),
        ("a.hevc", {"codec": "libx265", "options": SILENT}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_alpha_depth_gray_range_and_files_without_container_keep_levels(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    pictures, findings = decode(write_video(tmp_path / name, counter(20), **options))
    assert numbers(pictures) == list(range(20))
    assert {picture.shape for picture in pictures} == {(64, 96, 3)}
    assert not findings.errors


def largest_packet(path: Path) -> tuple[int, int]:
    """Where in the file the packet of most bytes begins, and how many it has."""
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    position, size = max(packets, key=lambda packet: packet[1])
    assert position is not None
    return position, size


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mpg", {"codec": "mpeg1video"}),
        ("a.mpg", {"codec": "mpeg2video"}),
        ("a.avi", {"codec": "mpeg4"}),
        ("a.mkv", {"codec": "ffv1"}),
    ],
    ids=["h264", "mpeg1", "mpeg2", "mpeg4", "ffv1"],
)
def test_most_changes_of_bytes_that_change_pictures_are_found(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    # Not all: most formats have no checksum, and changed bytes may be a sound picture. Of 20 places, 15 to 20
    # changed the pictures, and 80 to 100 % of these were found.
    path = write_video(tmp_path / name, scene(40, size=(120, 160)), **options)
    whole = path.read_bytes()
    before, _ = decode(path)
    start, size = largest_packet(path)
    changed = found = 0
    for place in range(12):
        data = bytearray(whole)
        for position in range(start + size * place // 12 + 8, start + size * place // 12 + 14):
            data[position] ^= 0x5A
        path.write_bytes(data)
        after, findings = decode(path)
        if len(before) != len(after) or not np.array_equal(before, after):
            changed += 1
            found += findings.damaged + findings.lost > 0 and findings.first is not None
    assert changed >= 6
    assert found > changed / 2


@pytest.mark.parametrize("end", [b"", b"\xff\xd9"], ids=["cut", "closed"])
def test_a_jpeg_cut_short_in_a_stream_of_them_is_damage_every_time(tmp_path: Path, end: bytes) -> None:
    jpegs = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in scene(12, size=(120, 160))]
    jpegs[4] = jpegs[4][: len(jpegs[4]) // 2] + end
    (tmp_path / "a.mjpeg").write_bytes(b"".join(jpegs))
    for _ in range(2):
        pictures, findings = decode(tmp_path / "a.mjpeg")
        assert (len(pictures), findings.damaged, findings.first) == (12, 1, 4)
    # The container has its decoder's name: what the latter said is no complaint of the former.
    with decoded_file(
        tmp_path / "a.mjpeg", "a", by_decord=False, keep_damage=True, heartbeat=still
    ) as decoded:
        assert len([*decoded.frames]) == 12
    assert decoded.facts()["complaints"] == list(audit(tmp_path / "a.mjpeg", "a", still).complaints)


def test_what_was_found_in_a_file_does_not_change_once_it_is_closed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", scene(20), rate=10)
    other = write_video(tmp_path / "b.mkv", scene(2), rate=30)
    with decoded_file(path, "a", by_decord=False, keep_damage=False, heartbeat=still) as decoded:
        assert len([*decoded.frames]) == 20
        found = decoded.facts()
    for _ in range(20):  # takes the memory that was freed
        audit(other, "b", still)
        assert decoded.facts() == found
    assert found["rate"] == 10


def without_picture(path: Path, kinds: tuple[int, ...], number: int) -> None:
    """Take one picture out of a raw HEVC stream, counted among those of some NAL unit types."""
    data = path.read_bytes()
    starts = [at for at in range(len(data) - 3) if data[at : at + 3] == b"\0\0\1"] + [len(data)]
    pictures = [n for n in range(len(starts) - 1) if data[starts[n] + 3] >> 1 in kinds]
    lost = pictures[number]
    path.write_bytes(data[: starts[lost]] + data[starts[lost + 1] :])


def test_hevc_frames_that_are_dropped_for_a_missing_reference_are_counted_as_lost(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.hevc", scene(40), codec="libx265", options=SILENT)
    packets = audit(path, "a", still).packets
    without_picture(path, (1,), 1)  # other pictures refer to it
    pictures, findings = decode(path)
    assert len(pictures) < packets - 1
    assert findings.lost == packets - 1 - len(pictures)
    assert "ref" in findings.error


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video"])
def test_a_transport_stream_that_begins_between_key_frames_has_lost_nothing(
    tmp_path: Path, codec: str
) -> None:
    options = {"x265-params": "log-level=none:keyint=12"} if codec == "libx265" else {"g": "12"}
    path = write_video(tmp_path / "a.ts", counter(60), codec=codec, options=options)
    data = path.read_bytes()
    path.write_bytes(data[len(data) // 3 // 188 * 188 :])
    pictures, findings = decode(path)
    found = numbers(pictures)
    assert found == list(range(found[0], 60))
    assert (findings.damaged, findings.lost) == (0, 0)


def test_a_chunk_without_bytes_in_an_avi_ends_nothing(tmp_path: Path) -> None:
    write_video(tmp_path / "plain.avi", counter(20), codec="mpeg4", options={"g": "5"})
    with av.open(str(tmp_path / "plain.avi")) as source, av.open(str(tmp_path / "a.avi"), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        shift = 0
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                assert packet.dts is not None
                packet.dts, packet.pts = packet.dts + shift, (packet.pts or packet.dts) + shift
                shift += packet.dts == 9  # the muxer writes an empty chunk for the time that is missing
                copy.mux(packet)
    pictures, _ = decode(tmp_path / "a.avi")
    assert numbers(pictures) == list(range(20))


def test_pixels_of_a_reserved_colour_space_are_one_clear_error(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mov", counter(3), codec="prores_ks", pixels="yuv422p10le")
    data = bytearray(path.read_bytes())
    data[data.index(b"icpf") + 20] = 3  # the matrix coefficients in the header of the first frame
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"^a\.mov: found yuv422p10le pixels of colour space 3, expected"):
        decode(path)


KINDS: dict[str, dict[str, Any]] = {
    "a.mp4": {},
    "a.ts": {},
    "a.mpg": {"codec": "mpeg2video"},
    "a.avi": {"codec": "mpeg4"},
    "a.mkv": {"codec": "ffv1"},
    "a.mov": {"codec": "prores_ks", "pixels": "yuv422p10le"},
    "a.webm": {"codec": "libvpx-vp9"},
    "a.mjpeg": {"codec": "mjpeg", "pixels": "yuvj420p"},
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("good")
    return {
        name: write_video(folder / name, scene(6, size=(48, 64)), **options).read_bytes()
        for name, options in KINDS.items()
    }


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_file_gives_frames_or_one_line(
    name: str, good: dict[str, bytes], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data.draw(mutated_bytes(good[name])))
        try:
            audited = audit(path, name, still)
            with decoded_file(path, name, by_decord=False, keep_damage=True, heartbeat=still) as decoded:
                pictures = [*decoded.frames]
        except SourceError as error:
            assert str(error).startswith(f"{name}: ")
            assert "\n" not in str(error)
        else:
            assert all(picture.ndim == 3 and picture.dtype == np.uint8 for picture in pictures)
            assert decoded.facts() == decoded.facts() | audited.facts()  # which decoding does not change
