"""Sources and masks in other places whose files have the names, sizes and times of those before."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import Summary, preprocess
from tests.helpers.shards import stored_frames
from tests.helpers.videos import write_images

TIME = (1.7e9, 1.7e9)


def run(source: Path, shards: Path, **options: Any) -> Summary:
    return preprocess(
        PreprocessConfig(source=str(source), shards=str(shards), size=(32, 32), workers=1, **options)
    )


def gray_source(folder: Path, level: int) -> Path:
    for split in ("training", "testing"):
        images = write_images(
            folder / split / "frames" / "01",
            [np.full((32, 32, 3), level, np.uint8)] * 8,
            pattern="{:03d}.bmp",
        )
        for image in images.iterdir():
            os.utime(image, TIME)
    return folder


def masks(folder: Path, marked: slice) -> Path:
    values = np.zeros((8, 32, 32), np.uint8)
    values[marked] = 1
    folder.mkdir()
    np.save(folder / "01.npy", values)
    os.utime(folder / "01.npy", TIME)
    return folder


def test_another_source_with_files_of_the_same_names_sizes_and_times_is_read(tmp_path: Path) -> None:
    for level in (60, 180):
        run(gray_source(tmp_path / str(level), level), tmp_path / "shards")
        assert stored_frames(tmp_path / "shards", "training", "01").mean() == level


def test_other_masks_with_the_same_names_sizes_and_times_are_read(tmp_path: Path) -> None:
    source = gray_source(tmp_path / "source", 60)
    for number, (start, end) in enumerate(((2, 4), (5, 7))):
        given = masks(tmp_path / f"masks{number}", slice(start, end))
        summary = run(source, tmp_path / "shards", labels=str(given))
        assert summary.manifest.split("testing")[0].abnormal == ((start, end),)


def test_a_source_and_masks_that_moved_are_not_decoded_again(tmp_path: Path) -> None:
    source, given = gray_source(tmp_path / "source", 60), masks(tmp_path / "masks", slice(2, 4))
    assert run(source, tmp_path / "shards", labels=str(given)).done == 2
    source, given = source.rename(tmp_path / "source2"), given.rename(tmp_path / "masks2")
    assert run(source, tmp_path / "shards", labels=str(given)).done == 0
