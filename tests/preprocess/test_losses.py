"""Videos and labels that a set loses: what a run says of them, and losses that it refuses."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import SourceError
from pipeline.preprocess.run import Summary
from shards.manifest import MANIFEST, load_manifest
from shards.storage import Storage
from tests.helpers import preprocessing
from tests.helpers.videos import scene, surveillance_set, write_images, write_video


def write(source: Path, *names: str) -> Path:
    """Videos of 6 frames, each a folder of images."""
    for seed, name in enumerate(names):
        write_images(source / name, scene(6, size=(16, 16), seed=seed))
    return source


def run(source: Path, **options: Any) -> Summary:
    return preprocessing.run(source, **options)


def names(summary: Summary) -> list[str]:
    return [f"{video.split}/{video.name}" for video in summary.manifest.videos]


def kept(source: Path) -> list[str]:
    """The videos of the set as it is on disk."""
    manifest = load_manifest(Storage(source.parent / "shards"))
    return [f"{video.split}/{video.name}" for video in manifest.videos]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Five videos of two days, in a set."""
    source = write(tmp_path / "source", "day1/a", "day1/b", "day2/c", "day2/d", "day2/e")
    run(source)
    return source


def test_videos_that_leave_are_counted_and_named_and_the_next_run_is_silent(source: Path) -> None:
    shutil.rmtree(source / "day1" / "a")
    (line,) = run(source).notes
    assert line == (
        "1 of 5 videos left the set, no longer found in the source or not readable: training/day1/a"
    )
    assert not run(source).notes


def test_three_videos_may_leave_whatever_their_share(source: Path) -> None:
    shutil.rmtree(source / "day2")
    summary = run(source)
    assert names(summary) == ["training/day1/a", "training/day1/b"]
    assert "3 of 5 videos left the set" in summary.notes[0]


def test_a_set_that_loses_more_than_half_of_its_videos_stays_until_this_is_confirmed(source: Path) -> None:
    before = (source.parent / "shards" / MANIFEST).read_bytes()
    shutil.move(source / "day2", source.parent / "day2")
    shutil.rmtree(source / "day1" / "a")
    with pytest.raises(SourceError) as caught:
        run(source)
    message = str(caught.value)
    assert "\n" not in message
    assert "source: 4 of 5 videos of " in message
    assert "(training/day1/a, training/day2/c, training/day2/d and 1 more); expected at least half" in message
    assert "undo what changed the layout, or let these videos leave the set with --shrink" in message
    assert (source.parent / "shards" / MANIFEST).read_bytes() == before
    summary = run(source, shrink=True)
    assert names(summary) == ["training/day1/b"]
    assert "4 of 5 videos left the set" in summary.notes[0]
    shutil.move(source.parent / "day2", source / "day2")
    run(source)
    for folder in ("day2", "day1/b"):
        shutil.rmtree(source / folder)
    write(source, "day3/x")
    with pytest.raises(SourceError, match="--shrink"):  # it was confirmed for one run
        run(source)


def test_one_of_two_videos_may_leave_and_one_may_take_the_place_of_another(tmp_path: Path) -> None:
    source = write(tmp_path / "source", "a", "b")
    run(source)
    shutil.rmtree(source / "a")
    assert "1 of 2 videos left" in run(source).notes[0]
    shutil.move(source / "b", source / "c")
    assert "1 of 1 videos left" in run(source).notes[0]


@pytest.mark.parametrize("count", [1, 2])
def test_a_folder_that_divides_the_source_anew_does_not_empty_the_set(count: int, tmp_path: Path) -> None:
    source = write(tmp_path / "source", *("day1/a", "day2/b")[:count])
    run(source)
    write(source, "test/new")
    with pytest.raises(SourceError, match=r"2 training videos|the only training video") as caught:
        run(source)
    assert "which is read as folders test with videos" in str(caught.value)
    assert len(kept(source)) == count
    # The videos keep their names where they are divided as the folder asks.
    for day in ("day1", "day2")[:count]:
        shutil.move(source / day, source / "training" / day)
    summary = run(source)
    assert (summary.done, len(summary.manifest.videos)) == (1, count + 1)


def test_all_videos_of_a_split_do_not_leave_unnoticed(tmp_path: Path) -> None:
    source = write(tmp_path / "source", *(f"training/{n}" for n in range(5)), "testing/x", "testing/y")
    run(source)
    shutil.move(source / "testing", tmp_path / "unmounted")
    with pytest.raises(SourceError, match=r"all 2 testing videos of .* expected at least one"):
        run(source)
    assert len(kept(source)) == 7


def test_a_set_is_not_emptied_by_files_that_have_become_unreadable(source: Path) -> None:
    for image in source.rglob("*.png"):
        if image.parent.name != "a":
            image.write_bytes(b"")
    with pytest.raises(SourceError, match=r"4 of 5 videos of .* cannot be found or read"):
        run(source, on_error="skip")
    assert len(kept(source)) == 5
    summary = run(source, on_error="skip", shrink=True)
    assert (len(summary.skipped), len(summary.manifest.videos)) == (4, 1)


def test_labels_that_are_gone_are_told(tmp_path: Path) -> None:
    surveillance_set(tmp_path / "source", frames=8, images=True)
    source = tmp_path / "source"
    assert not run(source).notes
    (source / "frame_labels.npy").unlink()
    assert run(source).notes == (
        "2 testing videos had labels before and have none now: testing/01, testing/02",
    )
    assert not run(source).notes
    np.save(source / "frame_labels.npy", np.zeros(16, int))
    assert not run(source).notes


@pytest.mark.parametrize("harm", ["touched", "cut", "gone"])
def test_videos_that_are_decoded_again_for_their_shards_are_counted(harm: str, source: Path) -> None:
    (shard,) = (source.parent / "shards").glob("*.tar")
    if harm == "touched":
        later = (source.parent / "shards" / MANIFEST).stat().st_mtime_ns + 1_000_000_000
        os.utime(shard, ns=(later, later))
    elif harm == "cut":
        os.truncate(shard, 1000)
    else:
        shard.unlink()
    summary = run(source)
    (line,) = summary.notes
    assert summary.done == 5
    assert line == (
        "5 videos decoded again, because files of the set with their frames or masks were gone, cut short or "
        "touched: training/day1/a, training/day1/b, training/day2/c and 2 more"
    )
    assert not run(source).notes


def test_a_folder_of_videos_beside_others_takes_none_out_of_the_set(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("day1/a", "day2/b"):
        write_video(source / f"{name}.mp4", scene(6, size=(16, 16)))
    run(source)
    write_video(source / "videos" / "new.mp4", scene(6, size=(16, 16)))
    summary = run(source)
    assert (summary.done, names(summary)) == (1, ["training/day1/a", "training/day2/b", "training/new"])
