"""What is said of videos that a viewer would not expect."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.preprocess.notes import notes
from pipeline.preprocess.run import Summary
from shards.codecs import Codec
from shards.entries import Geometry, Video
from shards.manifest import Manifest
from shards.rows import Videos
from tests.helpers import preprocessing
from tests.helpers.counted import counter, numbers
from tests.helpers.divx import pack_b_frames
from tests.helpers.shards import stored_frames
from tests.helpers.videos import scene, write_images, write_video


def run(root: Path, **options: Any) -> Summary:
    return preprocessing.run(root / "source", size=(64, 96), **options)


def test_interlaced_video_is_noted_and_stored_as_it_is(tmp_path: Path) -> None:
    write_video(
        tmp_path / "source" / "a.mp4", counter(20), options={"x264-params": "tff=1", "flags": "+ildct+ilme"}
    )
    summary = run(tmp_path)
    (note,) = summary.notes
    assert note.startswith("training/a: interlaced: 20 of 20 frames")
    assert numbers(stored_frames(tmp_path / "shards", "training", "a")) == list(range(20))
    run(tmp_path, decoder="pyav", shards=str(tmp_path / "other"))
    (first,), (second,) = ((tmp_path / name).glob("*.tar") for name in ("shards", "other"))
    assert first.read_bytes() == second.read_bytes()
    with pytest.raises(SourceError, match=r"a\.mp4: found interlaced; .*use --decoder auto"):
        run(tmp_path, decoder="decord", shards=str(tmp_path / "third"))


def test_sizes_that_change_in_a_file_or_in_a_folder_of_images_are_noted(tmp_path: Path) -> None:
    parts = [
        write_video(tmp_path / f"{n}.ts", counter(10, size)) for n, size in ((1, (64, 96)), (2, (32, 48)))
    ]
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    write_images(tmp_path / "source" / "b", counter(6))
    write_images(tmp_path / "source" / "b", counter(6, (32, 48)), first=6)
    said = run(tmp_path).notes
    assert (
        "training/a: its frames have 2 sizes (64x96 from frame 0, 32x48 from frame 10); each frame was"
        in (said[1])
    )
    assert (
        "training/b: its frames have 2 sizes (64x96 from frame 0, 32x48 from frame 6); each frame was"
        in (said[2])
    )


def test_frames_that_the_header_promises_and_packed_b_frames_do_not_hold_are_noted(tmp_path: Path) -> None:
    plain = write_video(tmp_path / "plain.avi", counter(20), codec="mpeg4", options={"bf": "1"})
    (tmp_path / "source").mkdir()
    pack_b_frames(plain, tmp_path / "source" / "a.avi", trailing=2)
    summary = run(tmp_path)
    assert summary.notes == ("training/a: the header says 22 frames, 20 were decoded",)
    assert numbers(stored_frames(tmp_path / "shards", "training", "a")) == list(range(20))


def test_different_cameras_in_one_training_set_are_noted(tmp_path: Path) -> None:
    write_video(tmp_path / "source" / "a.mp4", scene(8, size=(64, 96)))
    write_video(tmp_path / "source" / "b.mp4", scene(8, size=(64, 96)), rate=10)
    write_video(tmp_path / "source" / "c.mp4", scene(8, size=(48, 64)))
    write_images(tmp_path / "source" / "d", scene(8, size=(32, 32)))
    assert run(tmp_path).notes == (
        "training: its videos have different sizes, as of different cameras: 64x96 (2 videos such as a), "
        "48x64 (c), 32x32 (d)",
        "training: its videos run at different rates, 10 (b) to 25 (c) frames per second; every frame was "
        "taken, so the same motion is faster in some",
    )


def test_cameras_alike_and_those_of_the_testing_set_are_not_noted(tmp_path: Path) -> None:
    write_video(tmp_path / "source" / "training" / "videos" / "01.mp4", scene(8), rate=25)
    write_video(tmp_path / "source" / "training" / "videos" / "02.mp4", scene(8), rate=26)
    write_video(tmp_path / "source" / "testing" / "videos" / "01.mp4", scene(8, size=(48, 64)), rate=5)
    assert run(tmp_path).notes == ()


FACTS: dict[str, Any] = {
    "complaints": [],
    "damaged_frames": 0,
    "decoder": "pyav",
    "decoder_errors": 0,
    "digest": "00",
    "even": True,
    "file": "a.mp4",
    "first_decoder_error": None,
    "frames_header": 20,
    "interlaced_frames": 0,
    "kind": "video",
    "lost_packets": 0,
    "other_tracks": [],
    "packets": 20,
    "rate": 25.0,
    "sizes": [[0, 48, 64]],
    "track": 0,
}
"""Of a file of 20 frames about which there is nothing to say."""


def manifest_of(videos: list[Video]) -> Manifest:
    return Manifest(
        dataset="folder",
        geometry=Geometry(height=16, width=16),
        codec=Codec(),
        window=5,
        videos=Videos.of(videos),
    )


def test_videos_of_earlier_runs_have_one_line_for_each_kind_of_finding(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_images(tmp_path / "source" / name, scene(4))
    assert run(tmp_path).notes == tuple(
        f"training/{name}: 4 frames are too few for a window of 5" for name in "ab"
    )
    line = "2 videos of earlier runs: there are too few frames for a window of 5, such as training/a"
    assert run(tmp_path).notes == (line,)
    write_images(tmp_path / "source" / "c", scene(3))
    assert run(tmp_path).notes == ("training/c: 3 frames are too few for a window of 5", line)


def test_the_notes_of_a_large_set_are_few() -> None:
    odd = [FACTS | {"even": False}, FACTS | {"interlaced_frames": 3}]
    videos = [
        Video(name=f"{number:04d}", split="training", frames=20, source=odd[number % 2], shards=())
        for number in range(3000)
    ]
    manifest = manifest_of(videos)
    assert len(notes(manifest)) == 2 * 20 + 2
    assert notes(manifest)[-1] == (
        "1480 videos more of this run: interlaced, stored as they are, such as training/0041"
    )
    assert notes(manifest, {("training", "0007")}) == [
        "training/0007: interlaced: 3 of 20 frames hold two moments in alternate rows, which combs what "
        "moves; they were stored as they are",
        "1500 videos of earlier runs: the frames last unequally long, such as training/0000",
        "1499 videos of earlier runs: interlaced, stored as they are, such as training/0001",
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"frames_header": 0},
        {"frames_header": 19},
        {"frames_header": -1},
        {"complaints": ["odd"]},
        {"damaged_frames": 1},
        {"decoder_errors": 10, "first_decoder_error": "bad"},
        {"even": False},
        {"interlaced_frames": 3},
        {"lost_packets": 2},
        {"other_tracks": ["stream 1"]},
        {"rate": None},
        {"rate": 1e-07},
        {"rate": 29.97002997002997},
        {"sizes": []},
        {"sizes": [[0, 48, 64], [5, 24, 32]]},
        {"masks_digest": "00"},
        {"discarded": 3},
        {"file": '"even": true, "kind": "video", "complaints": []', "even": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("frames", [20, 4])
def test_what_is_noted_of_a_file_does_not_depend_on_whether_its_facts_were_parsed(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], frames: int
) -> None:
    facts = [FACTS | changed, FACTS | {"sizes": [[0, 96, 128]], "rate": 50.0}]
    videos = [
        Video(name=name, split="training", frames=frames, source=source, shards=())
        for name, source in zip("ab", facts, strict=True)
    ]
    manifest = manifest_of(videos)
    found = notes(manifest)
    monkeypatch.setattr("pipeline.preprocess.notes._NOTHING_TO_SAY", "matches nothing")
    assert found == notes(manifest)
    assert any("different sizes" in note for note in found) == bool(facts[0]["sizes"])


def test_the_facts_of_an_ordinary_file_are_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("01", "02"):
        write_video(tmp_path / "source" / "training" / "videos" / f"{name}.mp4", scene(8))
    manifest = run(tmp_path).manifest
    monkeypatch.setattr(Videos, "source", lambda videos, number: pytest.fail("its facts were parsed"))
    assert notes(manifest) == []
