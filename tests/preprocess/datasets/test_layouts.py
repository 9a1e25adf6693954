"""Each dataset as it is distributed, and what is wrong with copies of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from pipeline.errors import SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.labels.find import find_labels
from pipeline.preprocess.run import preprocess
from pipeline.preprocess.sources.source import list_tree
from pipeline.preprocess.sources.videos import Layout
from shards.masks import read_masks
from shards.names import video_order
from shards.storage import Storage
from tests.helpers import datasets
from tests.helpers.videos import scene, write_images, write_video


def layout_of(root: Path, dataset: str = "auto", labels: str | None = None) -> Layout:
    tree = list_tree(str(root))
    return find_labels(tree, recognise(tree, dataset, "training"), labels)[0]


def names(layout: Layout) -> dict[str, list[str]]:
    ordered = sorted(layout.videos, key=lambda video: video_order(video.split, video.name))
    return {
        split: [video.name for video in ordered if video.split == split] for split in ("training", "testing")
    }


NUMBERED = {"training": ["01", "02"], "testing": ["01", "02", "03"]}
UCSD = {"training": ["Train001", "Train002"], "testing": ["Test001", "Test002", "Test003"]}


@pytest.mark.parametrize(
    ("make", "dataset", "videos", "label_source", "masked"),
    [
        (datasets.ucsd, "ped2", UCSD, "UCSDped2.m (gt_frame, 1-based inclusive)", [True, False, True]),
        (
            lambda root: datasets.ucsd(root, "UCSDped1"),
            "ped1",
            UCSD,
            "UCSDped1.m (gt_frame, 1-based inclusive)",
            [True, False, True],
        ),
        (datasets.repacked_npy, "ped2", NUMBERED, "frame_labels_ped2.npy (1 = abnormal,", [False] * 3),
        (datasets.repacked_flat_npy, "shanghaitech", NUMBERED, "frame_labels_shanghai.npy", [False] * 3),
        (datasets.repacked_mat, "avenue", NUMBERED, "avenue.mat (gt: first and last", [False] * 3),
        (datasets.avenue, "avenue", NUMBERED, "testing_label_mask (abnormal = any marked", [True] * 3),
        (
            datasets.shanghaitech,
            "shanghaitech",
            {"training": ["01_001", "01_002"], "testing": ["01_0011", "01_0012", "01_0013"]},
            "test_frame_mask (1 = abnormal, one array per video)",
            [True] * 3,
        ),
        (
            datasets.any_videos,
            "folder",
            {"training": ["cam 1", "cam 2"], "testing": ["cam 1", "cam 2", "cam 3"]},
            "labels.csv (0-based, end exclusive)",
            [False] * 3,
        ),
    ],
    ids=["ucsd-ped2", "ucsd-ped1", "npy", "flat-npy", "mat", "avenue", "shanghaitech", "videos-csv"],
)
def test_a_dataset_as_distributed_is_recognised_with_its_labels_and_masks(
    make: Callable[[Path], Path],
    dataset: str,
    videos: dict[str, list[str]],
    label_source: str,
    masked: list[bool],
    tmp_path: Path,
) -> None:
    source = make(tmp_path / "source")
    shards = tmp_path / "shards"
    config = PreprocessConfig(source=str(source), shards=str(shards), size=(16, 16), workers=2)
    summary = preprocess(config)
    manifest = summary.manifest
    assert manifest.dataset == dataset
    assert {s: [v.name for v in manifest.split(s)] for s in ("training", "testing")} == videos
    assert all(video.frames == datasets.FRAMES for video in manifest.videos)
    assert all(video.abnormal is None for video in manifest.split("training"))
    testing = manifest.split("testing")
    assert [video.abnormal for video in testing] == list(datasets.LABELS)
    assert all(str(video.label_source).startswith(label_source) for video in testing)
    assert [video.masks is not None for video in testing] == masked
    for index, video in enumerate(testing):
        if video.masks is not None:
            stored = list(read_masks(Storage(shards), video.masks, video.frames))
            np.testing.assert_array_equal(stored, datasets.masks(index))
    assert preprocess(config).done == 0


def test_the_label_archive_of_avenue_may_lie_elsewhere(tmp_path: Path) -> None:
    datasets.avenue(tmp_path / "source")
    archive = tmp_path / "elsewhere"
    shutil.move(tmp_path / "source" / "Avenue Dataset" / "ground_truth_demo", archive)
    layout = layout_of(tmp_path / "source", labels=str(archive))
    assert all(video.masks and video.masks.location == str(archive) for video in layout.testing())
    assert not any(video.masks for video in layout_of(tmp_path / "source").testing())


def test_a_parent_of_several_datasets_needs_the_name_of_one(tmp_path: Path) -> None:
    datasets.ucsd(tmp_path, "UCSDped1")
    datasets.ucsd(tmp_path, "UCSDped2")
    with pytest.raises(SourceError, match=r"several datasets, ped1 in .*UCSDped1, ped2 in .*UCSDped2"):
        layout_of(tmp_path)
    assert layout_of(tmp_path, dataset="ped1").root == "UCSDped1"


def test_a_source_of_no_known_layout_shows_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("nothing here")
    with pytest.raises(SourceError, match=r"found notes/; looked for ped1: Train/Train001.*folder: video"):
        layout_of(tmp_path)
    with pytest.raises(SourceError, match=r"looked for avenue: training_videos/\*\.avi"):
        layout_of(tmp_path, dataset="avenue")


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"absent: not found; give a folder"):
        layout_of(tmp_path / "absent")


def test_a_single_video_file_is_a_source(tmp_path: Path) -> None:
    write_video(tmp_path / "one.mp4", scene(4))
    write_video(tmp_path / "two.mp4", scene(4))
    assert names(layout_of(tmp_path / "one.mp4")) == {"training": ["one"], "testing": []}
    source = str(tmp_path / "one.mp4")
    summary = preprocess(PreprocessConfig(source=source, shards=str(tmp_path / "shards"), size=(16, 16)))
    assert (summary.done, summary.frames) == (1, 4)


def test_nested_folders_and_equal_stems_give_different_names(tmp_path: Path) -> None:
    for name in ("a/01.mp4", "b/01.mp4", "b/01.avi", "2.mp4", "10.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert names(layout_of(tmp_path))["training"] == ["2", "10", "a/01", "b/01.avi", "b/01.mp4"]


def test_two_sources_of_one_video_are_named(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", scene(4))
    write_images(tmp_path / "clip", scene(4))
    with pytest.raises(SourceError, match=r"clip\.mp4 and clip/000\.png are both video training/clip"):
        layout_of(tmp_path)


def test_frames_are_ordered_by_number_and_strays_are_left_out(tmp_path: Path) -> None:
    clip = write_images(tmp_path / "clip", scene(12), first=1, pattern="frame{}.png")
    for stray in ("thumbnail.png", "frame3.jpg", ".DS_Store", "._frame1.png", "Thumbs.db"):
        (clip / stray).write_bytes(b"x")
    (clip / "frame5.png").unlink()
    (clip / "frame6.png").unlink()
    (video,) = layout_of(tmp_path).videos
    assert [file.name for file in video.files] == [f"frame{n}.png" for n in range(1, 13) if n not in (5, 6)]
    assert sorted(video.strays) == ["frame3.jpg", "thumbnail.png"]
    shards = tmp_path.parent / f"{tmp_path.name}-shards"
    summary = preprocess(PreprocessConfig(source=str(tmp_path), shards=str(shards), size=(16, 16), workers=1))
    assert summary.manifest.videos[0].frames == 10
    assert summary.manifest.videos[0].source["missing_numbers"] == [[5, 6]]
    assert any("2 numbers are missing from its images, the first 5" in note for note in summary.notes)
    assert any("left out 2 images" in note for note in summary.notes)


def test_equal_names_in_a_set_are_kept_when_a_file_comes_or_goes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    config = PreprocessConfig(source=str(source), shards=str(tmp_path / "shards"), size=(16, 16), workers=1)

    def videos() -> tuple[int, dict[str, str]]:
        """Videos decoded by another run, and each video's file."""
        summary = preprocess(config)
        return summary.done, {v.name: v.source.get("file", "images") for v in summary.manifest.videos}

    write_video(source / "eat.mkv", scene(6))
    assert videos() == (1, {"eat": "eat.mkv"})
    write_video(source / "eat.webm", scene(7), codec="libvpx")
    write_video(source / "eat.avi", scene(8), codec="mpeg4")
    assert videos() == (2, {"eat": "eat.mkv", "eat.avi": "eat.avi", "eat.webm": "eat.webm"})
    (source / "eat.mkv").unlink()
    (source / "eat.avi").unlink()
    assert videos() == (0, {"eat.webm": "eat.webm"})
    write_images(source / "eat", scene(6))
    with pytest.raises(SourceError, match=r"eat\.webm and eat/000\.png are both video training/eat"):
        videos()


def labels_error(source: Path, labels: Path) -> str:
    tree = list_tree(str(source))
    with pytest.raises(SourceError) as caught:
        find_labels(tree, recognise(tree, "auto", "testing"), str(labels))
    return str(caught.value)


@pytest.fixture(scope="module")
def three_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return datasets.repacked(tmp_path_factory.mktemp("source"), lambda root: None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.m", b"TestVideoFile{end+1}.gt_frame = [1:3];", "labels 1 videos, but there are 3 testing"),
        ("a.m", b"clear all", "no line like TestVideoFile"),
        ("a.m", b"TestVideoFile{end+1}.gt_frame = [0:3];" * 3, "an interval from 0 to 3"),
        ("a.csv", b"video,start,end\n09,1,2\n", "labels video '09', but the testing videos are 01, 02, 03"),
        ("a.csv", b"video,start,end\n01,5,5\n", "line 2: interval 5,5"),
        ("a.csv", b"01,1,2\n", "expected a header video,start,end"),
        ("a.csv", b"video,start,end\n01,x,2\n", "expected a header video,start,end"),
        ("a.csv", b"\xff\xfe\x00", "not such a table"),
        ("a.npy", b"\x93NUMPY", "not an npy array"),
        ("a.npy", b"", "not an npy array"),
        ("a.mat", b"nonsense", "not a MATLAB file"),
        ("a.txt", b"1 2 3", "no labels found; expected a file .npy, .mat, .m or .csv"),
    ],
)
def test_bad_label_files_are_one_clear_error(
    three_videos: Path, name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in labels_error(three_videos, tmp_path / name)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([0, 1, 2]), "values other than 0 and 1"),
        (np.zeros((4, 4)), "found an array (4, 4)"),
        (np.array([{}], object), "not an npy array of plain numbers"),
    ],
    ids=["values", "shape", "pickle"],
)
def test_bad_label_arrays_are_one_clear_error(
    three_videos: Path, values: np.ndarray, message: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "labels.npy", values, allow_pickle=True)
    assert message in labels_error(three_videos, tmp_path / "labels.npy")


def test_a_mat_file_without_gt_is_named(three_videos: Path, tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "a.mat", {"other": np.zeros(3)})
    assert "has no variable 'gt'" in labels_error(three_videos, tmp_path / "a.mat")


def test_two_label_files_need_a_choice(tmp_path: Path) -> None:
    datasets.repacked_npy(tmp_path)
    shutil.copy(tmp_path / "frame_labels_ped2.npy", tmp_path / "ped2_labels.npy")
    with pytest.raises(SourceError, match=r"several label files, frame_labels_ped2\.npy, ped2_labels\.npy"):
        layout_of(tmp_path)
    assert layout_of(tmp_path, labels="none").dataset == "ped2"


def test_masks_of_another_number_name_the_video(tmp_path: Path) -> None:
    datasets.shanghaitech(tmp_path / "source")
    np.save(tmp_path / "source" / "testing" / "test_pixel_mask" / "01_0012.npy", np.zeros((5, 8, 8), bool))
    with pytest.raises(SourceError, match=r"01_0012\.npy: 5 masks for video 01_0012, which has 12 frames"):
        preprocess(
            PreprocessConfig(source=str(tmp_path / "source"), shards=str(tmp_path / "shards"), size=(16, 16))
        )


def test_frame_masks_of_another_length_name_video_frames_and_labels(tmp_path: Path) -> None:
    datasets.shanghaitech(tmp_path / "source")
    np.save(tmp_path / "source" / "testing" / "test_frame_mask" / "01_0013.npy", np.zeros(7, int))
    with pytest.raises(SourceError, match="holds 7 labels for video 01_0013, which has 12 frames"):
        preprocess(
            PreprocessConfig(source=str(tmp_path / "source"), shards=str(tmp_path / "shards"), size=(16, 16))
        )
