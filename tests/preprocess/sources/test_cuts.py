"""Folders of images that hold several sequences."""

import pytest

from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.sources.cuts import cuts
from pipeline.preprocess.sources.source import Source
from pipeline.preprocess.sources.tree import SourceFile, Tree


def said(*stems: str, folders: int = 1) -> list[str]:
    paths = [f"clip{folder}/{stem}.png" for folder in range(folders) for stem in stems]
    tree = Tree(Source("/sources/copy"), [SourceFile(path=path, size=9, modified=0) for path in paths])
    return [*cuts(recognise(tree, "auto", "training"))]


@pytest.mark.parametrize("words", [("cam1_", "cam2_"), ("left ", "right ")])
def test_frames_that_are_counted_anew_behind_other_words_are_told(words: tuple[str, str]) -> None:
    stems = [f"{word}{number:03d}" for word in words for number in range(100)]
    (line,) = said(*stems)
    assert line.startswith("1 folder of images holds several sequences, read as one video with a cut")
    assert f"training/clip0 ({words[0]}099.png, then {words[1]}000.png)" in line
    (line,) = said(*stems, folders=5)
    assert line.startswith("5 folders of images hold")
    assert "training/clip2" in line
    assert "training/clip3" not in line
    assert "and 2 more" in line


@pytest.mark.parametrize(
    "stems",
    [
        [f"{number:03d}" for number in range(100)],
        [f"10-{minute:02d}-{second:02d}" for minute in range(3) for second in range(60)],
        [f"10-00-{second:02d}-{part:03d}" for second in range(9) for part in range(0, 1000, 40)],
        [f"{day}_{time:06d}" for day in (20240501, 20240502) for time in range(0, 235959, 999)],
        [f"2024-05-{day:02d} {number}" for day in range(1, 4) for number in range(50)],
        [f"{number / 8:.3f}" for number in range(100)],
        ["a7f3", "b2", "c99", "d0"],
        [f"part{part}_{part * 50 + number:03d}" for part in range(2) for number in range(50)],
    ],
    ids=["numbers", "clock", "milliseconds", "dates", "days", "decimals", "words", "counted-on"],
)
def test_one_sequence_is_not_told(stems: list[str]) -> None:
    assert said(*stems) == []
