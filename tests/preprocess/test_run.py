import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.errors import ConfigError, SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from shards.errors import ShardError
from shards.manifest import MANIFEST, load_manifest
from shards.storage import Storage
from shards.verify import foreign, verify
from tests.helpers.shards import set_bytes, stored_frames
from tests.helpers.videos import scene, surveillance_set, write_images, write_video


def config(source: Path, shards: Path, **options: Any) -> PreprocessConfig:
    return PreprocessConfig(
        **{"source": str(source), "shards": str(shards), "size": (32, 32), "workers": 2, **options}
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source")
    surveillance_set(root, frames=40)
    return root


@pytest.fixture(scope="module")
def shards(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    preprocess(config(source, folder))
    return folder


def test_videos_and_labels_of_both_splits_are_in_the_manifest(source: Path, shards: Path) -> None:
    manifest = load_manifest(Storage(shards))
    assert [(video.split, video.name, video.frames) for video in manifest.videos] == [
        ("training", "01", 40),
        ("training", "02", 40),
        ("testing", "01", 40),
        ("testing", "02", 40),
    ]
    assert [video.abnormal for video in manifest.videos] == [None, None, ((20, 38),), ((20, 38),)]
    assert "frame_labels.npy (1 = abnormal" in str(manifest.videos[2].label_source)


def test_stored_frames_are_the_resized_images(tmp_path: Path) -> None:
    frames = scene(40, size=(48, 80))
    write_images(tmp_path / "source" / "training" / "frames" / "01", frames)
    preprocess(config(tmp_path / "source", tmp_path / "shards"))
    expected = np.stack([cv2.resize(frame, (32, 32), interpolation=cv2.INTER_LINEAR) for frame in frames])
    np.testing.assert_array_equal(stored_frames(tmp_path / "shards", "training", "01"), expected)


def test_a_flat_folder_is_the_split_that_was_asked_for(tmp_path: Path) -> None:
    write_video(tmp_path / "source" / "a b.c.mp4", scene(8))
    write_images(tmp_path / "source" / "d", scene(8))
    summary = preprocess(config(tmp_path / "source", tmp_path / "shards", split="testing"))
    assert [(v.split, v.name) for v in summary.manifest.videos] == [("testing", "a b.c"), ("testing", "d")]


def test_the_number_of_workers_does_not_change_a_byte(source: Path, shards: Path, tmp_path: Path) -> None:
    preprocess(config(source, tmp_path, workers=1))
    assert set_bytes(tmp_path) == set_bytes(shards)


def test_a_second_run_decodes_nothing(source: Path, shards: Path) -> None:
    before = set_bytes(shards)
    assert preprocess(config(source, shards)).done == 0
    assert set_bytes(shards) == before


def test_only_changed_and_new_videos_are_decoded_again(source: Path, tmp_path: Path) -> None:
    changed = tmp_path / "source"
    shutil.copytree(source, changed, copy_function=shutil.copyfile)
    write_video(changed / "training" / "videos" / "02.mp4", scene(30, seed=9))
    write_video(changed / "training" / "videos" / "03.mp4", scene(20, seed=8))
    shards = tmp_path / "shards"
    preprocess(config(source, shards))
    summary = preprocess(config(changed, shards))
    assert (summary.done, summary.frames) == (2, 50)
    preprocess(config(changed, tmp_path / "fresh"))
    assert set_bytes(shards).items() >= set_bytes(tmp_path / "fresh").items()
    preprocess(config(changed, shards, compact=True))
    assert set_bytes(shards) == set_bytes(tmp_path / "fresh")


def test_the_set_before_stays_readable_while_and_after_videos_come_change_and_go(
    source: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "source"
    shutil.copytree(source, changed, copy_function=shutil.copyfile)
    shards = tmp_path / "shards"
    before = preprocess(config(changed, shards)).manifest
    write_video(changed / "training" / "videos" / "02.mp4", scene(30, seed=9))
    (changed / "testing" / "videos" / "01.mp4").unlink()
    np.save(changed / "frame_labels.npy", np.zeros(40, int))
    after = preprocess(config(changed, shards)).manifest
    assert len(after.videos) == 3
    storage = Storage(shards)
    for manifest in (before, after):
        loaded = load_manifest(storage, manifest.digest)
        assert loaded == manifest
        assert verify(storage, loaded, lambda video: None) == []
    preprocess(config(changed, shards, compact=True))
    with pytest.raises(ShardError, match="as pinned"):
        load_manifest(storage, before.digest)


def test_a_run_that_is_killed_while_it_adds_leaves_the_set_as_it_was(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "source"
    shutil.copytree(source, changed, copy_function=shutil.copyfile)
    shards = tmp_path / "shards"
    before = preprocess(config(changed, shards)).manifest
    write_video(changed / "training" / "videos" / "02.mp4", scene(30, seed=9))

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("pipeline.preprocess.assembly.write_manifest", killed)
        preprocess(config(changed, shards))
    assert load_manifest(Storage(shards)) == before
    assert verify(Storage(shards), before, lambda video: None) == []
    (only,) = foreign(Storage(shards), before)
    assert "run preprocess again if a run of it was stopped" in only  # the shard of the video on its way
    assert preprocess(config(changed, shards)).done == 0
    assert load_manifest(Storage(shards)).split("training")[1].frames == 30
    assert foreign(Storage(shards), load_manifest(Storage(shards))) == []


def test_a_lost_shard_is_made_again(source: Path, shards: Path, tmp_path: Path) -> None:
    before = set_bytes(shards)
    shutil.copytree(shards, tmp_path / "set")
    (tmp_path / "set" / load_manifest(Storage(shards)).videos[1].shards[0].name).unlink()
    assert preprocess(config(source, tmp_path / "set")).done == 2  # which share it
    assert set_bytes(tmp_path / "set") == before
    assert preprocess(config(source, tmp_path / "set")).done == 0


@pytest.mark.parametrize(
    ("option", "value"), [("size", (40, 32)), ("codec", "deflate"), ("window", 3), ("decoder", "decord")]
)
def test_other_options_refuse_to_mix_and_name_the_option(
    source: Path, shards: Path, option: str, value: object
) -> None:
    with pytest.raises(ConfigError, match=f"--{option}"):
        preprocess(config(source, shards, **{option: value}))


def test_another_source_refuses_to_mix(shards: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "other.mp4", scene(8))
    with pytest.raises(ConfigError, match="choose another folder"):
        preprocess(config(tmp_path, shards))


def test_labels_of_another_length_name_videos_frames_and_labels(source: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.zeros(77, int))
    with pytest.raises(SourceError, match=r"labels\.npy: holds 77 labels.* 80 frames \(01: 40, 02: 40\)"):
        preprocess(config(source, tmp_path / "shards", labels=str(tmp_path / "labels.npy")))
    assert not (tmp_path / "shards" / MANIFEST).exists()


def test_labels_of_images_are_checked_before_any_is_decoded(tmp_path: Path) -> None:
    surveillance_set(tmp_path / "source", frames=6, images=True)
    np.save(tmp_path / "source" / "frame_labels.npy", np.zeros(77, int))
    with pytest.raises(SourceError, match="holds 77 labels"):
        preprocess(config(tmp_path / "source", tmp_path / "shards"))
    assert list((tmp_path / "shards").iterdir()) == []


def test_new_labels_decode_nothing_again(source: Path, tmp_path: Path) -> None:
    preprocess(config(source, tmp_path / "shards", labels="none"))
    np.save(tmp_path / "mine.npy", np.ones(80, int))
    summary = preprocess(config(source, tmp_path / "shards", labels=str(tmp_path / "mine.npy")))
    assert summary.done == 0
    assert [video.abnormal for video in load_manifest(Storage(tmp_path / "shards")).split("testing")] == [
        ((0, 40),),
        ((0, 40),),
    ]


def test_a_skipped_testing_video_that_labels_count_on_is_named(source: Path, tmp_path: Path) -> None:
    broken = tmp_path / "source"
    shutil.copytree(source, broken)
    (broken / "testing" / "videos" / "02.mp4").write_bytes(b"")
    with pytest.raises(SourceError, match=r"holds 80 labels.* 40 frames .*\(skipped: testing/02\)"):
        preprocess(config(broken, tmp_path / "shards", on_error="skip"))


def test_shards_inside_the_source_are_refused(source: Path) -> None:
    with pytest.raises(ConfigError, match="lies in the source"):
        preprocess(config(source, source / "shards"))


def test_a_video_that_cannot_be_read_is_an_error_or_a_listed_skip(tmp_path: Path) -> None:
    write_video(tmp_path / "source" / "good.mp4", scene(8))
    (tmp_path / "source" / "bad.mp4").write_text("not a video")
    with pytest.raises(SourceError, match=r"bad\.mp4"):
        preprocess(config(tmp_path / "source", tmp_path / "shards"))
    assert not (tmp_path / "shards" / MANIFEST).exists()
    summary = preprocess(config(tmp_path / "source", tmp_path / "shards", on_error="skip"))
    assert [video.name for video in summary.manifest.videos] == ["good"]
    assert [name for name, _ in summary.skipped] == ["training/bad"]


@pytest.mark.parametrize("size", [(0, 8), (20, 32), (32, 30)])
def test_sizes_the_networks_cannot_halve_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="multiples of 8"):
        PreprocessConfig(source="a", shards="b", size=size)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"window": 1025}, "--window: found 1025, expected 1 to 1024"),
        ({"size": (4096, 4096)}, "1811939328 bytes of pixels"),
        ({"size": (1024, 1024), "window": 512}, "expected smaller frames"),
    ],
)
def test_segments_that_no_reader_takes_are_refused(changed: dict[str, Any], found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        PreprocessConfig(source="a", shards="b", **changed)
    assert PreprocessConfig(source="a", shards="b", size=(2160, 3840)).window == 5


def test_a_set_of_an_older_version_is_made_again(tmp_path: Path) -> None:
    write_video(tmp_path / "source" / "a.mp4", scene(8))
    preprocess(config(tmp_path / "source", tmp_path / "shards"))
    manifest = tmp_path / "shards" / MANIFEST
    whole = manifest.read_bytes()
    older = whole.replace(b'"version": 3', b'"version": 2').replace(b'"parts"', b'"videos"')
    assert older != whole
    manifest.write_bytes(older)
    assert preprocess(config(tmp_path / "source", tmp_path / "shards")).done == 1
    assert manifest.read_bytes() == whole


def test_options_that_give_the_same_bytes_are_not_told_apart(tmp_path: Path) -> None:
    write_video(tmp_path / "source" / "a.mp4", scene(8))
    preprocess(config(tmp_path / "source", tmp_path / "shards"))
    recorded = (tmp_path / "shards" / "config.toml").read_bytes()
    for options in ({"decoder": "pyav"}, {"quality": 90}, {"shrink": True}):
        assert preprocess(config(tmp_path / "source", tmp_path / "shards", **options)).done == 0
        assert (tmp_path / "shards" / "config.toml").read_bytes() == recorded
    older = recorded.replace(b'decoder = "auto"', b'decoder = "pyav"').replace(
        b"quality = 95", b"quality = 90"
    )
    assert older != recorded
    (tmp_path / "shards" / "config.toml").write_bytes(older)
    assert preprocess(config(tmp_path / "source", tmp_path / "shards")).done == 0
    with pytest.raises(ConfigError, match="--decoder auto, now asked for decord"):
        preprocess(config(tmp_path / "source", tmp_path / "shards", decoder="decord"))


def test_the_quality_of_jpegs_is_told_apart(tmp_path: Path) -> None:
    write_images(tmp_path / "source" / "a", scene(8))
    preprocess(config(tmp_path / "source", tmp_path / "shards", codec="jpeg"))
    with pytest.raises(ConfigError, match="--quality 95, now asked for 90"):
        preprocess(config(tmp_path / "source", tmp_path / "shards", codec="jpeg", quality=90))
