"""Which of several video tracks is read, by the audit and by decoding alike."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from pipeline.errors import SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from pipeline.video.audit import audit
from tests.helpers.counted import decode, write_tracks
from tests.helpers.videos import write_video

DARK, BRIGHT = np.full((10, 48, 64, 3), 40, np.uint8), np.full((10, 64, 96, 3), 200, np.uint8)
NONE, DEFAULT = Disposition(0), Disposition.default


def track_read(path: Path) -> int:
    """The one that frames come from, which must be the one that was audited."""
    audited = audit(path, path.name, lambda frames, expected: None)
    pictures, _ = decode(path)
    assert {picture.shape[:2] for picture in pictures} == {(audited.height, audited.width)}
    assert audited.packets == len(pictures) == 10
    assert len(audited.other_tracks) == 1
    assert (pictures[0].mean() > 120) == (audited.height == 64)
    return audited.track


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "libx264"), ("a.mp4", "libx264"), ("a.mov", "mpeg4"), ("a.webm", "libvpx-vp9")],
)
@pytest.mark.parametrize(
    ("marks", "track"),
    [((DEFAULT, NONE), 0), ((NONE, DEFAULT), 1), ((DEFAULT, DEFAULT), 0), ((NONE, NONE), 0)],
    ids=["first", "second", "both", "neither"],
)
def test_the_first_track_that_is_marked_as_default_is_read(
    tmp_path: Path, name: str, codec: str, marks: tuple[Disposition, ...], track: int
) -> None:
    path = write_tracks(tmp_path / name, [DARK, BRIGHT], codec=codec, dispositions=marks)
    assert track_read(path) == track


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.ts", "mpeg2video"), ("a.mpg", "mpeg2video"), ("a.vob", "mpeg2video"), ("a.avi", "mpeg4")],
)
@pytest.mark.parametrize("tracks", [[DARK, BRIGHT], [BRIGHT, DARK]], ids=["small-first", "large-first"])
def test_without_marks_the_first_track_is_read(
    tmp_path: Path, name: str, codec: str, tracks: list[np.ndarray]
) -> None:
    assert track_read(write_tracks(tmp_path / name, tracks, codec=codec)) == 0


@pytest.mark.parametrize("cover_first", [True, False])
def test_a_cover_is_neither_read_nor_named(tmp_path: Path, cover_first: bool) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        kinds = ["png", "libx264"] if cover_first else ["libx264", "png"]
        streams: dict[str, av.VideoStream] = {}
        for kind in kinds:
            stream = container.add_stream(kind, rate=25)
            assert isinstance(stream, av.VideoStream)
            streams[kind] = stream
            stream.height, stream.width = 64, 96
            stream.pix_fmt = "rgb24" if kind == "png" else "yuv420p"
        streams["png"].disposition = Disposition.attached_pic
        cover = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 99, np.uint8), format="rgb24")
        container.mux(streams["png"].encode(cover))
        for picture in BRIGHT:
            container.mux(streams["libx264"].encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(streams["libx264"].encode(None))
    audited = audit(path, "a", lambda frames, expected: None)
    assert (audited.codec, audited.packets, audited.other_tracks) == ("h264", 10, ())
    pictures, _ = decode(path)
    assert [round(float(picture.mean()), -1) for picture in pictures] == [200] * 10


def test_the_track_that_is_not_read_is_noted_and_decord_refuses_the_file(tmp_path: Path) -> None:
    path = write_tracks(tmp_path / "a.mkv", [DARK, BRIGHT], dispositions=(NONE, DEFAULT))
    config: dict[str, Any] = {"source": str(path), "size": (48, 64), "workers": 1}
    summary = preprocess(PreprocessConfig(shards=str(tmp_path / "shards"), **config))
    assert summary.notes == (
        "training/a: of its 2 video tracks stream 1 was read, not stream 0 (h264 48x64)",
    )
    with pytest.raises(SourceError, match=r"found 2 video tracks; .*use --decoder auto"):
        preprocess(PreprocessConfig(shards=str(tmp_path / "other"), decoder="decord", **config))


def test_a_track_of_an_unknown_codec_is_passed_over_or_named(tmp_path: Path) -> None:
    both = write_tracks(tmp_path / "both.mp4", [DARK, BRIGHT], dispositions=(DEFAULT, NONE))
    alone = write_video(tmp_path / "alone.mp4", DARK)
    for path in (both, alone):
        path.write_bytes(path.read_bytes().replace(b"avc1\0", b"zzzz\0", 1))
    assert audit(both, "a", lambda frames, expected: None).track == 1
    with pytest.raises(SourceError, match=r"alone\.mp4: found video of a codec that FFmpeg does not know"):
        audit(alone, "alone.mp4", lambda frames, expected: None)
