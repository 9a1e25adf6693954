"""Masks: what is white is looked at, brought to the size of the frames; anything else is one line."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError, UserError
from pipeline.video.masks import read_mask
from shards.errors import ShardError
from tests.helpers.mutation import mutated_bytes

SIZE = (16, 24)


def written(path: Path, levels: np.ndarray) -> str:
    assert cv2.imwrite(str(path), levels)
    return str(path)


def test_white_is_looked_at(tmp_path: Path) -> None:
    levels = np.full((160, 240), 255, np.uint8)
    levels[:50] = 0
    found = read_mask(written(tmp_path / "a.png", levels), SIZE)
    assert found.keep.shape == SIZE
    assert not found.keep[:5].any()
    assert found.keep[5:].all()
    assert read_mask(written(tmp_path / "a.bmp", levels), SIZE).digest == found.digest


def test_a_pixel_counts_by_most_of_what_it_covers(tmp_path: Path) -> None:
    levels = np.full((160, 240, 3), 255, np.uint8)
    levels[:, :116] = 0  # 11.6 pixels of the frame
    assert read_mask(written(tmp_path / "a.png", levels), SIZE).keep[0].tolist() == [False] * 12 + [True] * 12
    levels[:, :114] = 0
    levels[:, 114:] = 255
    assert read_mask(written(tmp_path / "a.png", levels), SIZE).keep[0].tolist() == [False] * 11 + [True] * 13


def test_digests_differ_where_masks_do(tmp_path: Path) -> None:
    levels = np.full((16, 24), 255, np.uint8)
    path = written(tmp_path / "a.png", levels)
    one = read_mask(path, SIZE).digest
    assert read_mask(path, (24, 16)).digest != one
    levels[3, 4] = 0
    assert read_mask(written(tmp_path / "a.png", levels), SIZE).digest != one


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        (np.zeros((8, 8), np.uint8), "found black alone"),
        (np.linspace(0, 255, 4096).astype(np.uint8).reshape(64, 64), "of its pixels gray"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path: Path, levels: np.ndarray, words: str) -> None:
    with pytest.raises(SourceError, match=rf"a\.png: .*{words}"):
        read_mask(written(tmp_path / "a.png", levels), SIZE)


def test_a_file_that_is_missing_or_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.png: not found"):
        read_mask(str(tmp_path / "a.png"), SIZE)
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(SourceError, match=r"a\.png: found 5 bytes .*give a whole image of black and white"):
        read_mask(str(tmp_path / "a.png"), SIZE)


def test_a_damaged_image_is_refused(tmp_path: Path) -> None:
    blocks = np.random.default_rng(0).integers(0, 2, (60, 60), np.uint8)
    levels = np.kron(blocks, np.full((8, 8), 255, np.uint8))
    path = Path(written(tmp_path / "a.jpg", levels))
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"a\.jpg: damaged"):
        read_mask(str(path), SIZE)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_one_line_or_a_mask(tmp_path: Path, data: st.DataObject) -> None:
    levels = np.full((16, 24), 255, np.uint8)
    levels[:5] = 0
    good = Path(written(tmp_path / "good.png", levels)).read_bytes()
    (tmp_path / "a.png").write_bytes(data.draw(mutated_bytes(good)))
    try:
        assert read_mask(str(tmp_path / "a.png"), SIZE).keep.shape == SIZE
    except (UserError, ShardError) as error:
        assert "\n" not in str(error)
