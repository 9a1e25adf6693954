"""The registered datasets against trees of names alone, which is all that recognising looks at."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.datasets import DATASETS
from pipeline.preprocess.datasets.dataset import Asked, Dataset
from pipeline.preprocess.datasets.folder import FOLDER
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.sources.source import Source
from pipeline.preprocess.sources.tree import SourceFile, Tree, join
from pipeline.preprocess.sources.videos import Layout
from shards.choices import SPLITS

KNOWN = [dataset for dataset in DATASETS if dataset is not FOLDER]


def tree_of(paths: list[str]) -> Tree:
    source = Source("/sources/copy")
    return Tree(source, [SourceFile(path=path, size=9, modified=0) for path in dict.fromkeys(paths)])


CLIPS = (("Train", "", "tif"), ("Test", "", "tif"), ("Test", "_gt", "bmp"))


def ucsd(title: str) -> Callable[[int, int], list[str]]:
    def paths(videos: int, frames: int) -> list[str]:
        return [
            f"Test/{title}.m",
            *(
                f"{folder}/{folder}{video:03d}{suffix}/{frame:03d}.{extension}"
                for folder, suffix, extension in CLIPS
                for video in range(1, videos + 1)
                for frame in range(1, frames + 1)
            ),
        ]

    return paths


def avenue(videos: int, frames: int) -> list[str]:
    masks = "ground_truth_demo/testing_label_mask"
    numbers = range(1, videos + 1)
    folders = ("training_videos", "testing_videos")
    return [f"{folder}/{number:02d}.avi" for folder in folders for number in numbers] + [
        f"{masks}/{number}_label.mat" for number in numbers
    ]


def shanghaitech(videos: int, frames: int) -> list[str]:
    names = [f"01_{video:04d}" for video in range(videos)]
    return [
        *(f"training/videos/01_{video:03d}.avi" for video in range(videos)),
        *(f"testing/frames/{name}/{frame:03d}.jpg" for name in names for frame in range(frames)),
        *(
            f"testing/{folder}/{name}.npy"
            for folder in ("test_frame_mask", "test_pixel_mask")
            for name in names
        ),
    ]


def repacked(videos: int, frames: int) -> list[str]:
    return [
        f"{split}/frames/{video:02d}/{frame:03d}.jpg"
        for split in ("training", "testing")
        for video in range(1, videos + 1)
        for frame in range(frames)
    ]


DISTRIBUTED: dict[str, Callable[[int, int], list[str]]] = {
    "ped1": ucsd("UCSDped1"),
    "ped2": ucsd("UCSDped2"),
    "avenue": avenue,
    "shanghaitech": shanghaitech,
    "folder": repacked,
}
"""Paths of each dataset with so many videos per split, of so many frames where they are images."""
STRAYS = ("readme.txt", "Thumbs.db", "Train/notes.txt", "testing/checksums.md5", "archive.zip")
FOLDERS = st.sampled_from(("", "a copy", "data/set 1"))
COUNTS = st.integers(1, 4)


def test_each_dataset_has_a_tree_here_and_is_a_choice() -> None:
    names = [dataset.name for dataset in DATASETS]
    assert sorted(DISTRIBUTED) == sorted(names)
    for name in ("auto", *names):
        PreprocessConfig(source="a", shards="b", dataset=name)


def recognisers(tree: Tree, folder: str) -> set[str]:
    """Which datasets find videos of theirs in a folder."""
    asked = Asked(by_name=False, split="training")
    found = [(dataset.name, form.find(tree, folder, asked)) for dataset in KNOWN for form in dataset.forms]
    return {name for name, what in found if what is not None and what.videos}


def counts(layout: Layout) -> list[int]:
    return [sum(video.split == split for video in layout.videos) for split in SPLITS]


@given(folder=FOLDERS, videos=COUNTS, frames=COUNTS, strays=st.sets(st.sampled_from(STRAYS)))
@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_a_dataset_as_distributed_is_recognised_and_no_other_takes_it(
    dataset: Dataset, folder: str, videos: int, frames: int, strays: set[str]
) -> None:
    folder = folder if dataset is not FOLDER else ""
    tree = tree_of([join(folder, path) for path in (*DISTRIBUTED[dataset.name](videos, frames), *strays)])
    assert recognisers(tree, folder) == {dataset.name} - {FOLDER.name}
    layout = recognise(tree, "auto", "training")
    assert (layout.dataset, layout.root, counts(layout)) == (dataset.name, folder, [videos, videos])
    assert recognise(tree, dataset.name, "training") == layout


@given(folder=FOLDERS, videos=COUNTS, frames=COUNTS, strays=st.sets(st.sampled_from(STRAYS)))
@pytest.mark.parametrize(
    ("name", "labels"), [(dataset.name, labels) for dataset in KNOWN for labels in dataset.label_names]
)
def test_a_dataset_as_repacked_is_recognised_by_its_label_file_and_no_other_takes_it(
    name: str, labels: str, folder: str, videos: int, frames: int, strays: set[str]
) -> None:
    tree = tree_of([join(folder, path) for path in (*repacked(videos, frames), labels, *strays)])
    assert recognisers(tree, folder) == {name}
    layout = recognise(tree, "auto", "training")
    assert (layout.dataset, layout.root, counts(layout)) == (name, folder, [videos, videos])


@given(
    paths=st.lists(
        st.lists(
            st.sampled_from(
                (
                    *("Train", "Test", "Train001", "Test001", "Test001_gt", "training", "testing", "frames"),
                    *("videos", "training_videos", "testing_videos", "test_frame_mask", "test_pixel_mask"),
                    *("UCSDped2", "01", "a b"),
                )
            ),
            max_size=4,
        ).map("/".join),
        max_size=8,
    ),
    files=st.lists(
        st.sampled_from(
            (
                *("000.jpg", "001.tif", "1.2.png", "x.png", "01.avi", "01.mp4", "UCSDped1.m", "UCSDped2.m"),
                *("ped2.mat", "avenue.mat", "frame_labels_shanghai.npy", "1_label.mat", "01.npy", "a.txt"),
            )
        ),
        min_size=8,
        max_size=8,
    ),
    dataset=st.sampled_from(("auto", *(dataset.name for dataset in DATASETS))),
)
@settings(max_examples=500)
def test_any_tree_is_a_layout_whose_videos_have_files_or_one_clear_error(
    paths: list[str], files: list[str], dataset: str
) -> None:
    tree = tree_of([join(path, file) for path, file in zip(paths, files, strict=False)])
    try:
        layout = recognise(tree, dataset, "testing")
    except SourceError as error:
        assert "\n" not in str(error)
        return
    assert layout.videos
    assert layout.dataset == dataset or dataset == "auto"
    assert all(video.files for video in layout.videos)
    assert all(tree.files[file.path] is file for video in layout.videos for file in video.files)


def test_folders_of_clips_without_images_are_no_clips() -> None:
    paths = DISTRIBUTED["ped2"](2, 3)
    layout = recognise(tree_of([*paths, "Train/Train009/readme.txt"]), "auto", "training")
    assert counts(layout) == [2, 2]
    empty = tree_of(["Test/UCSDped2.m", "Train/Train001/readme.txt", "Test/Test001/readme.txt"])
    with pytest.raises(SourceError, match=r"looked for ped1: Train/Train001/\*\.tif"):
        recognise(empty, "auto", "training")
