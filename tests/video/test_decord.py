"""`--decoder decord`: regular files alone, and only as long as its frames are those of PyAV."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.stream import Disposition

from pipeline.errors import SourceError
from pipeline.video.audit import audit
from pipeline.video.decord_check import checked, ends, refuse_irregular
from pipeline.video.decord_frames import frames
from tests.helpers.counted import counter, decode, numbers, write_tracks
from tests.helpers.divx import pack_b_frames
from tests.helpers.videos import scene, write_video

SIZE = (120, 160)


def read(path: Path) -> list[np.ndarray]:
    """All frames by decord, BGR, if it may read the file and reads it rightly."""
    audited = audit(path, path.name, _still)
    refuse_irregular(audited, path.name)
    expected = ends(path, path.name, _still)
    decoded = frames(path, path.name, (audited.height, audited.width))
    return [frame[:, :, ::-1] for frame in checked(decoded, expected, audited.packets, path.name)]


def _still(frames: int, expected: int) -> None:
    pass


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
@pytest.mark.parametrize(
    "options",
    [{"g": "1"}, {"g": "12", "bf": "3"}, {"g": "250"}, {"g": "12", "x264-params": "open-gop=1"}],
    ids=["intra", "b-frames", "one-group", "open-groups"],
)
def test_regular_files_come_out_as_by_pyav(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    path = write_video(tmp_path / name, scene(40, size=SIZE), options=options)
    np.testing.assert_array_equal(read(path), decode(path)[0])


def packed(path: Path) -> Path:
    plain = write_video(path.with_name("plain.avi"), counter(20), codec="mpeg4", options={"bf": "1"})
    return pack_b_frames(plain, path, trailing=2)


@pytest.mark.parametrize(
    ("name", "make", "found"),
    [
        ("a.mpg", lambda path: write_video(path, counter(9), codec="mpeg2video"), "container mpeg"),
        ("a.ts", lambda path: write_video(path, counter(9)), "container mpegts"),
        ("a.h264", lambda path: write_video(path, counter(9)), "container h264"),
        ("a.avi", packed, "container avi"),
        (
            "a.mkv",
            lambda path: write_video(path, counter(9, (65, 97)), codec="ffv1", pixels="yuv420p"),
            "65 rows",
        ),
        ("a.mp4", lambda path: write_video(path, counter(9), pixels="yuv420p10le"), "10 bits per channel"),
        (
            "a.mkv",
            lambda path: write_video(path, counter(9), times=[0, 40, 80, 120, 500, 540, 580, 620, 660]),
            "uneven timestamps",
        ),
        (
            "a.mp4",
            lambda path: write_video(path, counter(9), options={"x264-params": "tff=1"}),
            "interlaced",
        ),
        (
            "a.mov",
            lambda path: write_tracks(
                path, [counter(9)] * 2, dispositions=[Disposition.default, Disposition(0)]
            ),
            "2 video tracks",
        ),
    ],
    ids=["mpg", "ts", "raw", "avi", "odd", "10-bit", "vfr", "interlaced", "two-tracks"],
)
def test_irregular_files_are_refused_in_one_line(tmp_path: Path, name: str, make: Any, found: str) -> None:
    path = make(tmp_path / name)
    with pytest.raises(SourceError, match=rf"^{name}: found .*{found}.*; use --decoder auto$"):
        read(path)


def lossy(decoded: Iterator[np.ndarray], change: str) -> list[np.ndarray]:
    """Frames as a decoder gives them that loses, repeats or changes some."""
    every = list(decoded)
    if change == "first group lost, last frame repeated":
        return every[12:] + [every[-1]] * 12
    if change == "last frame repeated":
        return [*every[:-2], every[-2], every[-2]]
    if change == "a level in the first frame":
        return [every[0] ^ 1, *every[1:]]
    if change == "rows and columns swapped":
        return [frame.transpose(1, 0, 2) for frame in every]
    assert change == "one frame short"
    return every[:-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("first group lost, last frame repeated", "frame 0 by decord is not the one by PyAV"),
        ("last frame repeated", "frame 39 by decord is not the one by PyAV"),
        ("a level in the first frame", "frame 0 by decord is not the one by PyAV"),
        ("rows and columns swapped", "frame 0 by decord is not the one by PyAV"),
        ("one frame short", "decord gave 39 frames of 40 packets"),
    ],
)
def test_other_frames_than_those_of_pyav_are_an_error(tmp_path: Path, change: str, message: str) -> None:
    path = write_video(tmp_path / "a.mp4", scene(40, size=SIZE), options={"g": "12"})
    wrong = lossy(frames(path, "a.mp4", SIZE), change)
    with pytest.raises(SourceError, match=rf"a\.mp4: {message}; use --decoder auto"):
        list(checked(wrong, ends(path, "a.mp4", _still), 40, "a.mp4"))


def test_the_ends_are_the_first_and_the_last_group(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", counter(40, SIZE), options={"g": "12", "sc_threshold": "0"})
    found = ends(path, "a.mp4", _still)
    assert (len(found.first), len(found.last)) == (12, 4)
    assert numbers(read(path)) == list(range(40))
