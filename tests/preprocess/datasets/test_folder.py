"""Which files of a folder are its videos, and what they are called."""

import pytest

from pipeline.errors import SourceError
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.sources.source import Source
from pipeline.preprocess.sources.tree import SourceFile, Tree
from pipeline.preprocess.sources.unread import unread


def tree_of(*paths: str) -> Tree:
    return Tree(Source("/sources/copy"), [SourceFile(path=path, size=9, modified=0) for path in paths])


def names(*paths: str) -> list[str]:
    return sorted(video.title for video in recognise(tree_of(*paths), "auto", "training").videos)


def said(*paths: str) -> list[str]:
    tree = tree_of(*paths)
    return [*unread(tree, recognise(tree, "auto", "training"), None)]


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["videos/a.mp4"], ["a"]),
        (["videos/a.mp4", "b.mp4"], ["a", "b"]),
        (["videos/a.mp4", "day1/b.mp4", "day1/c/1.jpg"], ["a", "day1/b", "day1/c"]),
        (["frames/a/1.jpg", "day1/b.mp4"], ["a", "day1/b"]),
        (["frames/a/1.jpg", "videos/a.mp4"], ["a"]),
        (["frames/a/1.jpg", "videos/a.mp4", "b.mp4"], ["a", "b"]),
        (["frames/a/1.jpg", "masks/a/1.png"], ["a"]),
        (["videos/a.mp4", "thumbnails/a.jpg"], ["a"]),
        (["frames/readme.txt", "a.mp4"], ["a"]),
        (["videos/readme.txt", "frames/a/1.jpg"], ["a"]),
        (["night_gt/a.mp4", "b.mp4"], ["b", "night_gt/a"]),
        (["night_gt/sub/a.mp4", "night_gt/b/1.jpg"], ["night_gt/b", "night_gt/sub/a"]),
        (["night_gt/1.bmp", "night/1.jpg"], ["night"]),
        (["ev1.mp4", "ev1.jpg", "ev2.mp4", "EV2.JPG", "ev2.mp4.jpg"], ["ev1", "ev2"]),
        (["ev1.mp4", "ev1.jpg", "clip/1.jpg"], ["clip", "ev1"]),
        (["ev1.mp4", "frame1.jpg"], ["copy", "ev1"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_every_video_below_a_folder_is_one_under_a_name_that_does_not_change(
    paths: list[str], found: list[str]
) -> None:
    assert names(*paths) == [f"training/{name}" for name in found]
    inside = [name.replace("copy", "testing") for name in found]
    assert names(*(f"testing/{path}" for path in paths)) == sorted(f"testing/{name}" for name in inside)


def test_one_name_for_two_videos_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"videos/a\.mp4 and a\.mp4 are both video training/a"):
        names("videos/a.mp4", "a.mp4")


def test_images_beside_their_video_are_told() -> None:
    assert said("ev1.mp4", "ev1.jpg", "ev2.mp4", "ev2.jpg", "a.txt") == [
        "not read in /sources/copy: .txt 1",
        "2 images of the same name as a video beside it, not read as frames: ev1.jpg, ev2.jpg",
    ]


def test_folders_of_which_nothing_is_read_are_named() -> None:
    paths = ["training/a.mp4", "testing/b.mp4", "validation/x/c.mp4", "night_gt/1.bmp", "docs/readme.txt"]
    assert said(*paths, "extra.mp4") == [
        "not read in /sources/copy: .mp4 2, .bmp 1, .txt 1; among them all video and images in night_gt, "
        "validation"
    ]
    assert said("frames/a/1.jpg", "masks/a/1.jpg", "frames/a/2.jpg") == [
        "not read in /sources/copy: .jpg 1; among them all video and images in masks"
    ]


@pytest.mark.parametrize("suffixes", [("jpg", "png"), ("jpg", "JPG"), ("jpeg", "jpg")])
def test_two_images_of_one_name_are_an_error(suffixes: tuple[str, str]) -> None:
    paths = [f"a/{number:03d}.{suffix}" for number in range(3) for suffix in suffixes]
    with pytest.raises(SourceError, match=r"found a/000\..* expected one image of each name in training/a"):
        names(*paths)


def test_suffixes_in_upper_and_lower_case_are_one_sequence() -> None:
    paths = [f"a/{number:03d}.{'JPG' if number > 4 else 'jpg'}" for number in range(7)]
    (video,) = recognise(tree_of(*paths), "auto", "training").videos
    assert [file.path for file in video.files] == paths
    assert not video.strays
