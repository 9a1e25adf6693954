"""Display matrices: all eight orientations, in the function and in files of every kind that carries one."""

import itertools
import struct
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from pipeline.errors import SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from pipeline.video.orientation import Orientation, orientation
from tests.helpers.counted import decode
from tests.helpers.shards import stored_frames
from tests.helpers.videos import write_video

ONE = 1 << 16
MATRICES = [
    (a, b, c, d)
    for a, b, c, d in itertools.product((-1, 0, 1), repeat=4)
    if a * d - b * c and not (a or d) * (b or c)
]
"""The eight that map a square's edges onto its edges, as (a, b, c, d)."""
EXIF = [
    *((1, 0, 0, 1), (-1, 0, 0, 1), (-1, 0, 0, -1), (1, 0, 0, -1)),
    *((0, 1, 1, 0), (0, 1, -1, 0), (0, -1, -1, 0), (0, -1, 1, 0)),
]
"""The matrices of the orientations 1 to 8 of Exif."""


def full(matrix: tuple[int, int, int, int], scale: float = 1.0) -> tuple[int, ...]:
    """A display matrix as FFmpeg gives it."""
    a, b, c, d = (round(value * scale * ONE) for value in matrix)
    return a, b, 0, c, d, 0, 0, 0, 1 << 30


def shown(picture: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Each pixel put where the definition of the matrix puts it."""
    a, b, c, d = matrix
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    x, y = a * columns + c * rows, b * columns + d * rows
    x, y = x - x.min(), y - y.min()
    result = np.zeros((y.max() + 1, x.max() + 1, 3), np.uint8)
    result[y, x] = picture
    return result


def corners(height: int = 48, width: int = 64) -> np.ndarray:
    """A picture that no turn and no mirror leaves the same: red above, green at the left."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, :, 2] = 220
    picture[:, : width // 3, 1] = 200
    return picture


def is_alike(found: np.ndarray, expected: np.ndarray) -> bool:
    """Up to what a codec does to edges of colours."""
    return found.shape == expected.shape and float(np.abs(found.astype(int) - expected).mean()) < 12


def test_there_are_eight_matrices_and_they_give_eight_orientations() -> None:
    assert len(MATRICES) == 8
    assert len({orientation(full(matrix)) for matrix in MATRICES}) == 8
    assert orientation(full((1, 0, 0, 1))) == Orientation()


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("scale", [1.0, 0.5, 3.0])
def test_a_picture_is_shown_as_the_matrix_defines(matrix: tuple[int, int, int, int], scale: float) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    np.testing.assert_array_equal(orientation(full(matrix, scale)).upright(picture), shown(picture, matrix))


@pytest.mark.parametrize(("degrees", "nearest"), [(5, 0), (44, 0), (46, 90), (170, 180), (-80, 270)])
def test_an_angle_between_is_rounded_to_a_quarter_turn(degrees: int, nearest: int) -> None:
    def turned(angle: float) -> tuple[int, ...]:
        sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
        return tuple(round(ONE * value) for value in (cosine, sine, 0, -sine, cosine, 0, 0, 0, 1))

    assert orientation(turned(degrees)) == orientation(turned(nearest))


def test_a_matrix_of_zeros_changes_nothing() -> None:
    assert orientation((0,) * 9) == Orientation()


def patch_track_header(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write a matrix into the header of the first track of an MP4 or MOV."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd")
    start = at + 8 + (20 if data[at + 4] == 0 else 32) + 16
    struct.pack_into(">9i", data, start, *full(matrix))
    path.write_bytes(data)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mov", "mpeg4")])
def test_mp4_and_mov_are_shown_as_their_track_header_says(
    tmp_path: Path, name: str, codec: str, matrix: tuple[int, int, int, int]
) -> None:
    path = write_video(tmp_path / name, [corners()] * 4, codec=codec)
    patch_track_header(path, matrix)
    pictures, _ = decode(path)
    assert len(pictures) == 4
    assert all(is_alike(picture, shown(corners(), matrix)) for picture in pictures)


@pytest.mark.parametrize("matrix", MATRICES)
def test_matroska_is_turned_and_mirrored_as_its_projection_says(
    tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.set_display_matrix(full(matrix))
        container.mux(stream.encode(av.VideoFrame.from_ndarray(corners(), format="bgr24")))
        container.mux(stream.encode(None))
    (picture,), _ = decode(path)
    assert is_alike(picture, shown(corners(), matrix))


@pytest.mark.parametrize("number", range(1, 9))
def test_a_stream_of_jpegs_is_shown_as_its_exif_tag_says(tmp_path: Path, number: int) -> None:
    jpeg = cv2.imencode(".jpg", corners(), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    maker = struct.pack("<HHI4s", 0x010F, 2, 4, b"abc\0")
    tag = struct.pack("<HHIHH", 0x0112, 3, 1, number, 0)
    body = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + maker + tag + bytes(4)
    tagged = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
    (tmp_path / "a.mjpeg").write_bytes(3 * tagged)
    pictures, _ = decode(tmp_path / "a.mjpeg")
    assert len(pictures) == 3
    assert all(is_alike(picture, shown(corners(), EXIF[number - 1])) for picture in pictures)


def test_a_mirrored_file_is_stored_as_it_is_shown_and_refused_with_decord(tmp_path: Path) -> None:
    path = write_video(tmp_path / "source" / "a.mp4", [corners()] * 8)
    patch_track_header(path, (-1, 0, 0, 1))
    config: dict[str, Any] = {"source": str(path), "size": (48, 64), "workers": 1}
    preprocess(PreprocessConfig(shards=str(tmp_path / "shards"), **config))
    assert is_alike(stored_frames(tmp_path / "shards", "training", "a")[0], corners()[:, ::-1])
    with pytest.raises(SourceError, match=r"a\.mp4: frame 0 by decord .*; use --decoder auto"):
        preprocess(PreprocessConfig(shards=str(tmp_path / "other"), decoder="decord", **config))
