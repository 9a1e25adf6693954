"""What is found in a source: links, files of other kinds, bad files, names of frames."""

import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import SourceError
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.run import Summary
from pipeline.preprocess.sources.source import list_tree
from pipeline.preprocess.sources.videos import image_video
from pipeline.video.sequence import missing_numbers
from tests.helpers.preprocessing import run
from tests.helpers.shards import stored_frames
from tests.helpers.videos import scene, surveillance_set, write_images, write_video


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def note_with(summary: Summary, words: str) -> str:
    (found,) = [note for note in summary.notes if words in note]
    return found


def test_files_that_are_not_read_are_counted_by_suffix(source: Path) -> None:
    write_video(source / "a.mp4", scene(6))
    for name in ("b.gif", "c.GIF", "d.divx", "e.mp4.part", "README", "sub/f.gif", ".hidden.gif"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(b"x")
    os.mkfifo(source / "pipe.mp4")
    line = note_with(run(source), "not read")
    assert line.endswith("source: .gif 3, .divx 1, .mp4 1, .part 1, without extension 1")
    assert run(source).notes == (line,)


def test_nothing_is_said_where_all_is_read_labels_and_masks_included(source: Path, tmp_path: Path) -> None:
    surveillance_set(source, frames=8)
    assert not run(source).notes
    labels = source / "frame_labels.npy"
    assert not run(source, labels=str(labels), shards=str(tmp_path / "given")).notes
    summary = run(source, labels="none", shards=str(tmp_path / "none"))
    assert note_with(summary, "not read").endswith(": .npy 1")


def test_links_that_lead_nowhere_are_an_error_or_counted(source: Path) -> None:
    write_video(source / "a.mp4", scene(6))
    (source / "b.mp4").symlink_to("nowhere.mp4")
    (source / "camera").symlink_to(source / "unmounted")
    (source / "loop").symlink_to(source / "loop")
    with pytest.raises(SourceError, match=r"3 links to a file or folder .*: b\.mp4, camera, loop; restore"):
        run(source)
    assert note_with(run(source, on_error="skip"), "not read").endswith(": 3 links that lead nowhere")


def test_each_folder_is_visited_once_under_its_own_name(source: Path) -> None:
    write_images(source / "clip", scene(6))
    (source / "clip" / "loop").symlink_to(source)
    (source / "again").symlink_to(source / "clip")
    (source / "up").symlink_to(source.parent)
    summary = run(source)
    assert [video.name for video in summary.manifest.videos] == ["clip"]
    line = note_with(summary, "not followed")
    assert line.startswith("3 links to a folder that is read already or holds SOURCE")
    assert all(name in line for name in ("again", "clip/loop", "up"))


def test_links_out_of_the_source_are_followed_and_noted(source: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "elsewhere" / "clip", scene(6))
    write_video(tmp_path / "b.mp4", scene(6))
    (source / "linked").symlink_to(tmp_path / "elsewhere")
    (source / "twice").symlink_to(tmp_path / "elsewhere")
    (source / "b.mp4").symlink_to(tmp_path / "b.mp4")
    summary = run(source)
    assert [video.name for video in summary.manifest.videos] == ["b", "linked/clip"]
    assert note_with(summary, "not followed").endswith(": twice")
    line = note_with(summary, "out of SOURCE")
    assert f"b.mp4 to {tmp_path}/b.mp4" in line
    assert f"linked to {tmp_path}/elsewhere" in line


def test_all_bad_files_are_named_before_any_is_decoded(source: Path) -> None:
    write_video(source / "good.mp4", scene(6))
    (source / "empty.mp4").touch()
    (source / "text.mkv").write_text("hello " * 50)
    with pytest.raises(SourceError, match="2 of 3 videos cannot be read: ") as caught:
        run(source)
    for name in ("empty.mp4: found 0 bytes", "text.mkv: found 300 bytes"):
        assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((source.parent / "shards").glob("*.tar"))


def test_what_only_decoding_finds_is_named_when_all_was_tried_and_the_rest_stays(source: Path) -> None:
    for name in ("a", "b", "c"):
        write_images(source / name, scene(8))
    for name in ("a/003.png", "a/005.png", "c/002.png"):
        (source / name).write_bytes((source / name).read_bytes()[:-30])
    with pytest.raises(SourceError) as caught:
        run(source)
    message = str(caught.value)
    assert message.startswith("2 of 3 videos cannot be read: ")
    assert "a: 2 of 8 images cannot be used: 003.png, 005.png; the first: " in message
    assert "c/002.png: found" in message
    summary = run(source, on_error="skip")
    assert [video.name for video in summary.manifest.videos] == ["b"]
    assert (summary.done, [name for name, _ in summary.skipped]) == (0, ["training/a", "training/c"])


def test_an_added_testing_video_without_labels_is_noted(source: Path) -> None:
    for name in ("a", "b"):
        write_video(source / "testing" / f"{name}.mp4", scene(8))
    (source / "labels.csv").write_text("video,start,end\na,2,5\n")
    line = note_with(run(source), "do not appear in labels.csv")
    assert (
        line == "1 of 2 testing videos do not appear in labels.csv and are taken as wholly normal, such as b"
    )


TIMES = ["1700000000.0", "1700000000.05", "1700000000.1", "1700000000.15", "1700000000.2", "1700000001.0"]


@pytest.mark.parametrize(
    ("stems", "gaps"),
    [
        (TIMES, []),
        ([f"frame_{stem}" for stem in TIMES], []),
        ([f"cam2_{stem}_rgb" for stem in TIMES], []),
        (["1700000000", *TIMES[1:]], []),  # as JavaScript prints numbers
        ([f"{number / 8:g}" for number in range(70)], []),
        ([f"{number / 25:.3f}" for number in range(70)], []),
        ([f"10-00-59.{part}" for part in (1, 45, 9)] + ["10-01-00", "10-01-00.35", "10-01-00.8"], []),
        ([f"{minute}-00.{part}" for minute in (9, 10) for part in (125, 25, 5)], []),
        ([f"cam1.{number}" for number in range(1, 12)], []),
        ([f"1.{number}" for number in (*range(1, 10), *range(12, 130))], [(10, 11)]),
        ([f"1.{number:02d}" for number in range(1, 130)], []),
        ([f"{clip}.{number}" for clip in (1, 2) for number in range(1, 30)], []),
        ([f"10.0.0.{number}" for number in range(1, 13)], []),
        ([f"{number}" for number in (1, 2, 10, 11, 100)], [(3, 9), (12, 99)]),
    ],
    ids=[
        *(
            "times",
            "word",
            "words-with-numbers",
            "javascript",
            "eighths",
            "equal-length",
            "minutes",
            "hours",
            "counted",
            "gap",
        ),
        *("padded", "two-numbers", "addresses", "whole"),
    ],
)
def test_names_of_frames_sort_as_the_numbers_that_they_are(
    stems: list[str], gaps: list[tuple[int, int]], source: Path
) -> None:
    clip = source / "clip"
    clip.mkdir()
    for stem in reversed(stems):
        (clip / f"{stem}.png").touch()
    video = image_video(list_tree(str(source)), "training", "clip", "clip")
    assert [file.stem for file in video.files] == stems
    assert video.strays == ()
    assert missing_numbers([file.name for file in video.files]) == gaps


def test_a_stray_among_decimal_names_is_left_out(source: Path) -> None:
    clip = source / "clip"
    clip.mkdir()
    for name in (*TIMES, "thumbnail", "background1"):
        (clip / f"{name}.png").touch()
    (video,) = recognise(list_tree(str(source)), "auto", "training").videos
    assert [file.stem for file in video.files] == TIMES
    assert sorted(video.strays) == ["background1.png", "thumbnail.png"]


def test_frames_with_decimal_names_are_stored_in_order(source: Path) -> None:
    for number, stem in enumerate(TIMES):
        write_images(source / "clip", [np.full((16, 16, 3), 20 * number, np.uint8)], pattern=f"{stem}.png")
    run(source)
    stored = stored_frames(source.parent / "shards", "training", "clip")
    assert [int(frame[0, 0, 0]) for frame in stored] == [20 * number for number in range(6)]


def test_results_of_scoring_are_left_out_and_told(source: Path) -> None:
    write_video(source / "a.mp4", scene(6))
    write_video(source / "scored/a/overlay.mp4", scene(6))
    (source / "scored/config.toml").write_text('[score]\nout = "scored"\ndevice = "cpu"\n')
    summary = run(source)
    assert [video.name for video in summary.manifest.videos] == ["a"]
    assert (
        note_with(summary, "left out") == "left out 1 folder of results, which score or watch wrote: scored"
    )


def test_a_split_that_has_no_effect_is_told(source: Path) -> None:
    write_images(source / "testing" / "a", scene(6))
    line = note_with(run(source, split="testing"), "--split")
    assert line.startswith("--split testing was ignored: the source is divided itself")
    flat = write_images(source.parent / "flat" / "a", scene(6)).parent
    assert not run(flat, split="testing", shards=source.parent / "other").notes
