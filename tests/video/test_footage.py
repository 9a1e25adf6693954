"""What users name is found, each video once, under a name that is a safe folder."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.sources.source import list_tree
from pipeline.preprocess.sources.videos import image_video
from pipeline.video.footage import Footage, _told_apart, found
from pipeline.video.pyav_frames import Findings
from pipeline.video.timed import thinned
from tests.helpers.servers import nginx
from tests.helpers.videos import scene, write_images, write_video


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two video files, one in a folder, and a folder of images; names need no content here."""
    root = tmp_path / "source"
    for name in ("cam10.mp4", "cam2.MKV", "night/cam.avi", "frames/2.png", "frames/10.png", "notes.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / ".hidden.mp4").touch()
    return root


def names(*arguments: Path | str) -> list[str]:
    return [footage.name for footage in found([str(argument) for argument in arguments])]


def test_a_folder_gives_its_files_and_folders_of_images_in_natural_order(source: Path) -> None:
    assert names(source) == ["cam2", "cam10", "frames", "night_cam"]
    images = next(footage for footage in found([str(source)]) if footage.images)
    assert [Path(image).name for image in images.images] == ["2.png", "10.png"]


def test_images_are_in_the_order_of_preprocess_without_those_of_no_sequence(tmp_path: Path) -> None:
    times = ["10-00-59.1.png", "10-00-59.45.png", "10-00-59.9.png", "10-01-00.35.png"]
    for name in (*times, "thumbnail.png"):
        (tmp_path / name).touch()
    notes: list[str] = []
    (video,) = found([str(tmp_path)], notes)
    tree = list_tree(str(tmp_path))
    stored = image_video(tree, "training", "a", "")
    assert [Path(image).name for image in video.images] == [file.name for file in stored.files] == times
    assert notes == [f"{tmp_path}: left out images that are not of the sequence: thumbnail.png"]


def test_each_frame_twice_is_refused_in_the_words_of_preprocess(tmp_path: Path) -> None:
    for name in ("000.jpg", "000.png", "001.jpg", "001.png"):
        (tmp_path / "yard" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "yard" / name).touch()
    words = "found {}000.jpg and 000.png, expected one image of each name in {}; move those of one kind out"
    with pytest.raises(SourceError) as refused:
        found([str(tmp_path)])
    assert str(refused.value).startswith(f"{tmp_path}/yard: {words.format('', 'yard')}")
    with pytest.raises(SourceError) as refused:
        recognise(list_tree(str(tmp_path)), "auto", "training")
    assert str(refused.value).startswith(f"{tmp_path}: {words.format('yard/', 'training/yard')}")


def test_files_patterns_and_folders_of_images_are_found_once(source: Path) -> None:
    assert names(source / "cam2.MKV", source / "cam*.mp4") == ["cam2", "cam10"]
    assert names(source / "**" / "*.avi") == ["cam"]
    assert names(source / "frames") == ["frames"]
    assert names(source / "cam2.MKV", source, source / "cam2.MKV") == ["cam2", "cam10", "frames", "night_cam"]


def test_names_that_several_have_are_told_apart(source: Path) -> None:
    shutil.copy(source / "cam2.MKV", source / "night" / "cam2.mp4")
    both = names(source / "cam2.MKV", source / "night" / "cam2.mp4")
    assert len(set(both)) == 2
    assert all(name.startswith("cam2-") for name in both)
    assert both == names(source / "cam2.MKV", source / "night" / "cam2.mp4")


@given(st.lists(st.text(max_size=30), min_size=1, max_size=6, unique=True))
def test_any_name_becomes_a_folder_of_its_own(texts: list[str]) -> None:
    told = _told_apart([Footage(name=text, location=f"/v/{number}") for number, text in enumerate(texts)])
    found_names = [footage.name for footage in told]
    assert len(set(found_names)) == len(texts)
    for name in found_names:
        assert name == os.path.basename(name) not in ("", ".", "..")  # noqa: PTH119
        assert not name.startswith(".")


@pytest.mark.parametrize("name", ["nowhere.mp4", "no*.mp4"])
def test_what_is_not_there_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="not found; give video files"):
        names(tmp_path / name)


def test_empty_folders_and_live_streams_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="found neither video files nor images"):
        names(tmp_path)
    with pytest.raises(SourceError, match=r"rtsp://yard/live: found a live stream") as caught:
        names("rtsp://me:secret@yard/live")
    assert "secret" not in str(caught.value)


def test_images_count_seconds_until_they_have_a_rate(tmp_path: Path) -> None:
    made = scene(5, size=(16, 24))
    (footage,) = found([str(write_images(tmp_path / "cam", made))])
    for rate, step in ((None, 1.0), (10.0, 0.1)):
        with footage.local() as path:
            frames = list(footage.frames(path, Findings(), rate))
        np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(5) * step)
        assert all(np.array_equal(frame.picture, one) for frame, one in zip(frames, made, strict=True))


def test_a_damaged_image_is_a_corrupt_frame(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "cam", scene(3, size=(256, 256)), pattern="{:03d}.jpg")
    whole = (folder / "001.jpg").read_bytes()
    (folder / "001.jpg").write_bytes(whole[:2000] + whole[2200:])
    (footage,) = found([str(folder)])
    findings = Findings()
    frames = list(footage.frames(folder, findings))
    assert [frame.is_corrupt for frame in frames] == [False, True, False]
    assert (findings.damaged, findings.first) == (1, 1)


def test_an_image_that_cannot_be_decoded_gives_no_frame_and_the_next_is_corrupt(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "cam", scene(8, size=(32, 32)))
    (folder / "002.png").write_bytes(b"")
    (folder / "005.png").write_bytes(b"no image at all")
    (folder / "006.png").write_bytes(b"nor this")
    (footage,) = found([str(folder)])
    findings = Findings()
    frames = list(footage.frames(folder, findings, 10.0))
    assert [frame.number for frame in frames] == [0, 1, 3, 4, 7]
    assert [frame.seconds for frame in frames] == [0.0, 0.1, 0.3, 0.4, 0.7]
    assert [frame.number for frame in frames if frame.is_corrupt] == [3, 7]
    assert (findings.damaged, findings.lost, findings.first) == (0, 3, 2)
    assert findings.error.endswith(
        "002.png: found 0 bytes that are no image of a known format "
        "(BMP, JPEG, JPEG 2000, PNG, PGM, PPM, TIFF or WebP)"
    )
    assert [frame.number for frame in thinned(frames, 2)] == [0, 4]
    assert next(frame for frame in thinned(frames, 2) if frame.number == 4).is_corrupt


def test_a_folder_of_nothing_that_can_be_decoded_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "cam").mkdir()
    for number in range(3):
        (tmp_path / "cam" / f"{number}.png").write_bytes(bytes(number))
    (footage,) = found([str(tmp_path / "cam")])
    with pytest.raises(SourceError, match=r"0\.png: found 0 bytes that are no image"):
        list(footage.frames(tmp_path / "cam", Findings()))


def test_the_stamp_changes_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(b"1")
    (footage,) = found([str(file)])
    before = footage.stamp()
    assert footage.stamp() == before
    file.write_bytes(b"12")
    assert footage.stamp() != before
    file.unlink()
    with pytest.raises(SourceError, match="not found"):
        footage.stamp()


def test_the_stamp_changes_when_images_change_places(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.bmp").write_bytes(bytes([number]) * 100)
    before = found([str(tmp_path)])[0].stamp()
    assert found([str(tmp_path)])[0].stamp() == before
    for number in range(6):
        (tmp_path / f"{number}.bmp").rename(tmp_path / f"x{5 - number}.bmp")
    after = found([str(tmp_path)])[0].stamp()
    assert after != before
    assert {**after, "digest": before["digest"]} == before


def test_a_file_of_a_web_server_is_fetched(tmp_path: Path) -> None:
    root = tmp_path / "root"
    file = write_video(root / "cam 1.mp4", scene(6, size=(16, 24)))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with nginx(root, scratch) as port:
        (footage,) = found([f"http://127.0.0.1:{port}/cam 1.mp4"])
        assert footage.name == "cam_1"
        assert footage.stamp() == {"bytes": file.stat().st_size}
        with footage.local() as path:
            assert path.read_bytes() == file.read_bytes()
        assert not path.exists()
        (gone,) = found([f"http://127.0.0.1:{port}/gone.mp4"])
        with pytest.raises(SourceError, match="not found"), gone.local():
            pass


def test_linked_folders_are_read_once_and_links_out_are_told(tmp_path: Path) -> None:
    cam, other = tmp_path / "cam", tmp_path / "other"
    for path in (cam / "a.mp4", cam / "night" / "b.mp4", other / "c.mp4", tmp_path / "d.mp4"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (cam / "again").symlink_to(cam / "night")
    (cam / "up").symlink_to(tmp_path)
    (cam / "linked").symlink_to(other)
    (cam / "d.mp4").symlink_to(tmp_path / "d.mp4")
    (cam / "lost").symlink_to(tmp_path / "nowhere")
    notes: list[str] = []
    assert [footage.name for footage in found([str(cam)], notes)] == ["a", "d", "linked_c", "night_b"]
    assert notes == [
        f"{cam}: left out links to folders that are read already or hold it: again, up",
        f"{cam}: left out links that lead nowhere: lost",
        f"{cam}: read through links out of it: d.mp4, linked",
    ]
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "linked").symlink_to(other)
    assert names(alone) == ["linked_c"]


def test_folders_of_results_are_left_out(source: Path) -> None:
    for folder, text in (
        ("scored", '[score]\nout = "scored"\ndevice = "cpu"\n'),
        ("watched", '[watch]\nout = "watched"\ndevice = "cpu"\n'),
        ("mine", "[score]\noverlay = false\n"),
    ):
        (source / folder / "cam").mkdir(parents=True)
        (source / folder / "cam" / "overlay.mp4").touch()
        (source / folder / "config.toml").write_text(text)
    notes: list[str] = []
    found_names = [footage.name for footage in found([str(source)], notes)]
    assert found_names == ["cam2", "cam10", "frames", "mine_cam_overlay", "night_cam"]
    assert notes == [f"{source}: left out what score or watch wrote: scored, watched"]
    assert names(source / "*d", source / "night") == ["cam"]
    with pytest.raises(SourceError, match=r"scored: left out, for score or watch wrote it, expected video"):
        names(source / "scored")
    shutil.move(source / "scored", source / "alone" / "scored")
    with pytest.raises(SourceError, match=r"neither video files nor images \(left out what score or watch"):
        names(source / "alone")


def test_no_name_is_longer_than_file_systems_take_or_that_of_a_file_beside_it() -> None:
    long = "\u5834" * 60
    told = _told_apart([Footage(name=f"{long}/{long}{end}", location=f"/v/{end}") for end in "ab"])
    assert len({footage.name for footage in told}) == 2
    assert all(len(footage.name.encode()) <= 255 for footage in told)
    reserved = ("config.toml", "Score.json", "events.jsonl")
    told = _told_apart([Footage(name=name, location=name) for name in reserved])
    assert [footage.name for footage in told] == ["config.toml_", "Score.json_", "events.jsonl_"]
