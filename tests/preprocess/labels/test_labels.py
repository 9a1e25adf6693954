"""Label files as people have them: of some videos, as text, in time, and with what cannot be meant."""

import json
import unicodedata
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import scipy.io

from pipeline.errors import SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.labels.find import find_labels
from pipeline.preprocess.labels.kinds import Intervals, Labels
from pipeline.preprocess.run import preprocess
from pipeline.preprocess.sources.source import list_tree
from shards.entries import Video
from tests.helpers import datasets
from tests.helpers.videos import scene, write_images, write_video

RATE: dict[str, object] = {"rate": 25.0, "even": True}


def source_of(root: Path, *names: str, images: int = 0) -> Path:
    """Testing videos that nothing decodes: files, or folders of so many images."""
    for name in names:
        path = root / "testing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if images:
            path.mkdir()
            for number in range(images):
                (path / f"{number:03d}.png").write_bytes(b"x")
        else:
            path.with_name(f"{path.name}.mp4").write_bytes(b"x")
    return root


def found(source: Path, given: Path | None) -> Labels:
    tree = list_tree(str(source))
    labels = find_labels(tree, recognise(tree, "auto", "testing"), None if given is None else str(given))[1]
    assert labels is not None
    return labels


def applied(
    source: Path, given: Path | None, frames: int = 12, facts: dict[str, object] | None = None
) -> dict[str, Intervals]:
    tree = list_tree(str(source))
    videos = [
        Video(name=video.name, split="testing", frames=frames, source=facts or {}, shards=())
        for video in recognise(tree, "auto", "testing").testing()
    ]
    return found(source, given).apply(videos)


def refusal(source: Path, given: Path, frames: int = 12, facts: dict[str, object] | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        applied(source, given, frames, facts)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def script(rows: int) -> str:
    return "".join(f"TestVideoFile{{end+1}}.gt_frame = [{row}:{row + 1}];\n" for row in range(1, rows + 1))


# --- some of the videos --------------------------------------------------------------------------------


def test_two_clips_with_the_script_of_all_are_matched_by_number(tmp_path: Path) -> None:
    source = source_of(tmp_path / "source", "Test004", "Test031")
    (tmp_path / "UCSDped1.m").write_text(script(36))
    assert applied(source, tmp_path / "UCSDped1.m", 40) == {"Test004": ((3, 5),), "Test031": ((30, 32),)}
    assert found(source, tmp_path / "UCSDped1.m").notes == (
        "UCSDped1.m: labels 36 videos, of which 2 are here, matched by number: number 4 is Test004",
    )


def test_cells_of_a_mat_file_are_matched_by_number(tmp_path: Path) -> None:
    source = source_of(tmp_path / "source", "02", "05")
    cells = [np.array([[number], [number + 2]], np.int32) for number in range(1, 7)]
    scipy.io.savemat(tmp_path / "avenue.mat", {"gt": datasets.cell(cells)})
    assert applied(source, tmp_path / "avenue.mat") == {"02": ((1, 4),), "05": ((4, 7),)}


@pytest.mark.parametrize(
    "names", [("Test004", "Test037"), ("01_0014", "01_0015"), ("a1", "b1"), ("Test000",)]
)
def test_videos_without_a_number_in_the_script_are_not_guessed(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    source = source_of(tmp_path / "source", *names)
    (tmp_path / "a.m").write_text(script(36))
    message = refusal(source, tmp_path / "a.m")
    assert f"labels 36 videos, but there are {len(names)} testing videos" in message
    assert "from 1 to 36" in message


def test_three_videos_with_the_masks_of_all_are_matched_by_name(tmp_path: Path) -> None:
    datasets.shanghaitech(tmp_path)
    folder = tmp_path / "testing" / "test_frame_mask"
    for number in range(20, 124):
        np.save(folder / f"01_0{number:03d}.npy", np.zeros(999, np.uint8))
    (tmp_path / "testing" / "frames" / "01_0012").rename(tmp_path / "testing" / "frames" / "12_0001")
    assert applied(tmp_path, None) == {"01_0011": datasets.LABELS[0], "01_0013": datasets.LABELS[2]}
    unknown = "'01_0012', '01_0020', '01_0021', '01_0022', '01_0023', …"
    note = f"test_frame_mask: labels 107 videos, of which 2 are here; not {unknown}"
    assert found(tmp_path, None).notes == (note,)


def test_masks_of_more_videos_are_said(tmp_path: Path) -> None:
    datasets.avenue(tmp_path / "source")
    base = tmp_path / "source" / "Avenue Dataset"
    (base / "testing_videos" / "02.avi").unlink()
    note = "testing_label_mask: holds masks of 3 videos, of which 2 are here"
    assert found(tmp_path / "source", None).notes == (note,)


def test_masks_that_were_given_for_some_videos_leave_the_others_without_labels(tmp_path: Path) -> None:
    source = datasets.ucsd(tmp_path / "source")  # has masks of the first and the third clip
    given = tmp_path / "masks"
    given.mkdir()
    np.save(given / "Test001.npy", np.ones((12, 4, 4)))
    tree = list_tree(str(source))
    layout, labels = find_labels(tree, recognise(tree, "auto", "testing"), str(given))
    assert labels is not None
    assert labels.source == "masks (abnormal = any marked pixel)"
    assert [video.masks and video.masks.location for video in layout.testing()] == [str(given), None, None]


def test_an_array_over_all_frames_cannot_be_cut_for_some(tmp_path: Path) -> None:
    source = source_of(tmp_path / "source", "01", "02")
    np.save(tmp_path / "labels.npy", np.zeros(36, int))
    message = refusal(source, tmp_path / "labels.npy")
    assert "holds 36 labels, but the testing videos have 24 frames (01: 12, 02: 12)" in message
    assert "one that names videos, such as a CSV video,start,end" in message


def test_a_table_of_more_videos_and_of_less_is_said(tmp_path: Path) -> None:
    source = source_of(tmp_path / "source", "cam 1", "cam 2")
    (tmp_path / "a.csv").write_text("video,start,end,kind\ncam 1,2,4,fight\ncam 9.mp4,1,2,fall\n")
    assert applied(source, tmp_path / "a.csv") == {"cam 1": ((2, 4),), "cam 2": ()}
    assert found(source, tmp_path / "a.csv").notes == (
        "a.csv: columns 'kind' are not read",
        "a.csv: labels 2 videos, of which 1 are here; not 'cam 9.mp4'",
    )


def test_notes_reach_the_summary(tmp_path: Path) -> None:
    datasets.ucsd(tmp_path / "source")
    with (tmp_path / "source" / "UCSDped2" / "Test" / "UCSDped2.m").open("a") as file:
        file.write(script(5))
    config = PreprocessConfig(
        source=str(tmp_path / "source"), shards=str(tmp_path / "shards"), size=(16, 16), workers=1
    )
    summary = preprocess(config)
    assert [video.abnormal for video in summary.manifest.split("testing")] == list(datasets.LABELS)
    assert any("labels 8 videos, of which 3 are here, matched by number" in note for note in summary.notes)


# --- names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_are_compared_in_one_normal_form(tmp_path: Path, form: Literal["NFC", "NFD"]) -> None:
    there, written = "Zürich Straße é", unicodedata.normalize(form, "Zürich Straße é")
    other = unicodedata.normalize("NFD" if form == "NFC" else "NFC", there)
    source = source_of(tmp_path / "source", other)
    (tmp_path / "a.csv").write_text(f"video,start,end\n{written},2,4\n", encoding="utf-8")
    assert applied(source, tmp_path / "a.csv") == {other: ((2, 4),)}
    (tmp_path / "labels").mkdir()
    np.save(tmp_path / "labels" / f"{written}.npy", np.eye(1, 12, 3))
    assert applied(source, tmp_path / "labels") == {other: ((3, 4),)}


@pytest.mark.parametrize(
    ("written", "meant"),
    [("1", "Test001"), ("test1", "Test001"), ("Test001.MP4", "Test001"), ("2", "02"), ("Clip 2", "02")],
)
def test_a_name_with_the_same_number_is_said(tmp_path: Path, written: str, meant: str) -> None:
    source = source_of(tmp_path / "source", "Test001", "02")
    (tmp_path / "a.csv").write_text(f"video,start,end\n{written},2,4\n")
    assert applied(source, tmp_path / "a.csv")[meant] == ((2, 4),)
    assert f"a.csv: matched by number: '{written}' is {meant}" in found(source, tmp_path / "a.csv").notes


@pytest.mark.parametrize("written", ["today.mp4", "1"])
def test_a_name_that_may_mean_several_videos_is_refused(tmp_path: Path, written: str) -> None:
    source = source_of(tmp_path / "source", "cam1/today", "cam2/today", "a1", "b1")
    (tmp_path / "a.csv").write_text(f"video,start,end\n{written},2,4\n")
    assert f"'{written}' may mean each of the testing videos" in refusal(source, tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("video,start,end\ncam2/today.mp4,2,4\n")
    assert applied(source, tmp_path / "a.csv")["cam2/today"] == ((2, 4),)


def test_two_files_for_one_video_are_refused(tmp_path: Path) -> None:
    source = source_of(tmp_path / "source", "01", "02")
    for name in ("01", "1"):
        np.save(tmp_path / f"{name}.npy", np.zeros(12))
    assert "01.npy and 1.npy are both for video 01" in refusal(source, tmp_path)


# --- a label for each frame ----------------------------------------------------------------------------

BITS = [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1]
RUNS = ((2, 4), (10, 12))


@pytest.mark.parametrize(
    ("text", "source_text"),
    [
        ("".join(f"{bit}\n" for bit in BITS), "(1 = abnormal, testing videos end to end)"),
        ("\ufeffLabel\r\n" + "".join(f"{bit}.0\r\n" for bit in BITS), "(1 = abnormal, testing videos"),
        ("".join(f"{n},{bit}\n" for n, bit in enumerate(BITS)), "(1 = abnormal, frames from 0, testing"),
        (
            "Frame; Label\n" + "".join(f"{n}; {bit}\n" for n, bit in enumerate(BITS, 1)),
            "(1 = abnormal, frames from 1, testing videos",
        ),
        (
            "VIDEO\tFRAME\tLABEL\n" + "".join(f"a\t{n}\t{bit}\n" for n, bit in enumerate(BITS, 1)),
            "(1 = abnormal, frames of each video from 1)",
        ),
    ],
    ids=["bare", "header-bom-crlf", "frame-bare", "semicolons", "tabs"],
)
def test_a_table_with_a_label_for_each_frame(tmp_path: Path, text: str, source_text: str) -> None:
    source = source_of(tmp_path / "source", "a")
    (tmp_path / "mine.csv").write_text(text, encoding="utf-8", newline="")
    assert applied(source, tmp_path / "mine.csv") == {"a": RUNS}
    assert found(source, tmp_path / "mine.csv").source.startswith(f"mine.csv {source_text}")


def test_a_folder_with_a_table_for_each_video(tmp_path: Path) -> None:
    source = source_of(tmp_path / "source", "a", "b", "c")
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "a.csv").write_text("frame,label\n" + "".join(f"{n},{bit}\n" for n, bit in enumerate(BITS)))
    (folder / "b.csv").write_text("0\n" * 12)
    np.save(folder / "c.npy", np.array([BITS]))
    assert applied(source, folder) == {"a": RUNS, "b": (), "c": RUNS}
    assert found(source, folder).source == "labels (1 = abnormal, one array per video, frames from 0)"


def test_a_folder_with_the_labels_or_masks_of_the_only_video(tmp_path: Path) -> None:
    source = source_of(tmp_path / "source", "a")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.csv").write_text("".join(f"{bit}\n" for bit in BITS))
    assert applied(source, tmp_path / "labels") == {"a": RUNS}
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks" / "a.npy", np.zeros((12, 4, 4)))
    assert found(source, tmp_path / "masks").source == "masks (abnormal = any marked pixel)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0\n1\n2\n", "line 3: found label '2', expected 1 = abnormal or 0 = normal"),
        ("label\nnan\n", "line 2: found label 'nan'"),
        ("0,0\n2,1\n", "line 2: found frame 2, expected 1; give each frame of a video once"),
        ("5,0\n6,1\n", "line 1: found frame 5, expected 1; give each frame"),
        ("frame,label\n0.5,1\n", "line 2: found '0.5' for a frame, expected a whole number"),
        ("frame,label,abnormal\n0,1,1\n", "found column 'label' twice"),
        ("name,label\na,1\n", "found columns 'name', 'label'; expected a header video,start,end"),
        ("video,frame,label\na,0\n", "line 2: found 2 columns, expected 3"),
        ("label\n", "found a header and nothing below"),
        ("\n\n", "found an empty table"),
        ("normal\n0\n", "found columns 'normal'"),
    ],
)
def test_a_table_of_frames_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, message: str) -> None:
    source = source_of(tmp_path / "source", "a")
    (tmp_path / "a.csv").write_text(text)
    assert message in refusal(source, tmp_path / "a.csv")


# --- intervals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Video;Start;End\na;2;4\na;10;12\n",
        "VIDEO\tSTART\tEND\na\t2\t4\na\t10\t12\n",
        "video,start_frame,end frame,what\na,2,4,\na,10,12,fight\n\n,,,\n",
    ],
)
def test_delimiters_and_headers_as_spreadsheets_write_them(tmp_path: Path, text: str) -> None:
    source = source_of(tmp_path / "source", "a")
    (tmp_path / "a.csv").write_text(text)
    assert applied(source, tmp_path / "a.csv") == {"a": RUNS}
    assert found(source, tmp_path / "a.csv").source == "a.csv (0-based, end exclusive)"


@pytest.mark.parametrize(
    "text",
    [
        "video,start_seconds,end_seconds\na,61.2,65\n",
        "video;Start (s);End (s)\na;61,2;65,0\n",
        "video,start,end\na,0:01:01.2,1:05\n",
        "video,start_time,end_time\na,00:01:01.20,65\n",
    ],
)
def test_times_become_frames_by_the_rate_of_the_video(tmp_path: Path, text: str) -> None:
    source = source_of(tmp_path / "source", "a")
    (tmp_path / "a.csv").write_text(text)
    assert applied(source, tmp_path / "a.csv", 2000, RATE) == {"a": ((1530, 1625),)}
    ntsc: dict[str, object] = {"rate": 30000 / 1001, "even": True}
    assert applied(source, tmp_path / "a.csv", 2000, ntsc) == {"a": ((1834, 1948),)}
    assert "seconds times the video's frames per second, rounded" in found(source, tmp_path / "a.csv").source


def test_times_need_a_rate(tmp_path: Path) -> None:
    source = source_of(tmp_path / "source", "a", images=12)
    (tmp_path / "a.csv").write_text("video,start,end\na,0:01,0:02\n")
    message = refusal(source, tmp_path / "a.csv")
    assert "gives times for video a, which has no frame rate; give frames as video,start,end" in message
    uneven: dict[str, object] = {"rate": 25.0, "even": False}
    assert "whose frames last unequally long" in refusal(source, tmp_path / "a.csv", 50, uneven)
    assert "ends after frame 50, but it has 49 frames" in refusal(source, tmp_path / "a.csv", 49, RATE)


def test_times_of_a_real_file_are_read_at_its_rate(tmp_path: Path) -> None:
    write_video(tmp_path / "source" / "a.mp4", scene(40))
    (tmp_path / "a.csv").write_text("video,start,end\na.mp4,0:00.4,0:01\n")
    config = PreprocessConfig(
        source=str(tmp_path / "source"),
        shards=str(tmp_path / "shards"),
        labels=str(tmp_path / "a.csv"),
        split="testing",
        size=(16, 16),
        workers=1,
    )
    (video,) = preprocess(config).manifest.videos
    assert video.abnormal == ((round(0.4 * video.source["rate"]), round(video.source["rate"])),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "video,start,end\na,2.4,7.2\n",
            "line 2: found '2.4' for a frame, expected a whole number; for seconds",
        ),
        ("video,start,end\na,2,nan\n", "found 'nan' for a frame"),
        ("video,start,end\na,-1,3\n", "found '-1' for a frame"),
        ("video,start,end\na,1,1e3\n", "found '1e3' for a frame"),
        ("video,start,end\na,2,0:04\n", "found '0:04' for a frame"),
        ("video,start,end\na,0:02,0:99\n", "found '0:99', expected minutes and seconds below 60"),
        ("video,start,end\na,0:02,inf\n", "found 'inf' for a time"),
        ("video,start,end\na,0:00:02:05,0:00:03:00\n", "found '0:00:02:05' for a time"),
        ("video,start_s,end_s\na,2.001,2.002\n", "2.001 to 2.002 s of video a is less than a frame"),
        ("video,start,end_s\na,2,3\n", "start and end in different units"),
        ("video,start,end,Start\na,2,3,4\n", "found column 'start' twice"),
        ("video,start,end\na,2,3,4\n", "line 2: found 4 columns, expected 3"),
        ("video,start,end\n", "found a header and nothing below"),
        ('video,start,end\n"a,2,3\n', "not such a table"),
        ("video,start,end\na,5,99999999999\n", "found '99999999999' for a frame"),
    ],
)
def test_intervals_that_cannot_be_meant_are_refused(tmp_path: Path, text: str, message: str) -> None:
    source = source_of(tmp_path / "source", "a")
    (tmp_path / "a.csv").write_text(text)
    assert message in refusal(source, tmp_path / "a.csv", facts=RATE)


@pytest.mark.parametrize(
    "ranges",
    [
        *("-2:3", "1:2:5", "1:5-2", "1.5:3", "1:3.5", "1:5, x", "1:", ":5", "1:5]-2; %[", "1:5)", "1e2:3"),
        *("1:9999999999", "1:5\nclear"),
    ],
)
def test_ranges_that_the_grammar_does_not_cover_are_refused(tmp_path: Path, ranges: str) -> None:
    source = source_of(tmp_path / "source", "a")
    (tmp_path / "a.m").write_text(f"TestVideoFile{{end+1}}.gt_frame = [{ranges}];")
    message = refusal(source, tmp_path / "a.m")
    assert "a.m: clip 1: found " in message
    assert "expected ranges of frames such as [61:180] or [5:90, 140:200]" in message


@pytest.mark.parametrize(
    "text",
    [
        "TestVideoFile{end+1}.gt_frame = [3:4, 11:12];",
        "TestVideoFile{end+1}.gt_frame = [ 3 : 4 ; 11 12 ]  % [5:6]",
        "%{\nTestVideoFile{end+1}.gt_frame = [1:2];\n%}\nTestVideoFile{end+1}.gt_frame=[3:4 ...\r\n 11:12];",
        "% TestVideoFile{end+1}.gt_frame = [1:2];\nTestVideoFile{end+1}.gt_frame = [3:4,\n11:12];clear",
    ],
)
def test_scripts_as_matlab_reads_them(tmp_path: Path, text: str) -> None:
    source = source_of(tmp_path / "source", "a")
    (tmp_path / "a.m").write_text(text)
    assert applied(source, tmp_path / "a.m") == {"a": RUNS}


def test_another_statement_about_the_same_field_is_refused(tmp_path: Path) -> None:
    source = source_of(tmp_path / "source", "a", "b")
    (tmp_path / "a.m").write_text(script(2) + "TestVideoFile{1}.gt_frame = [5:6];")
    assert "clip 3: found" in refusal(source, tmp_path / "a.m")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.5, 1e300, -3.0])
def test_numbers_in_a_mat_file_that_are_no_frames_are_refused(tmp_path: Path, value: float) -> None:
    source = source_of(tmp_path / "source", "a")
    scipy.io.savemat(tmp_path / "a.mat", {"gt": datasets.cell([np.array([[1.0], [value]])])})
    assert f"a.mat: gt 1: found {value:g}; expected whole numbers" in refusal(source, tmp_path / "a.mat")


# --- what is no label file -----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.5])
def test_numbers_in_an_array_that_are_no_labels_are_refused(tmp_path: Path, value: float) -> None:
    source = source_of(tmp_path / "source", "a")
    np.save(tmp_path / "a.npy", np.array([0, 1, value]))
    assert f"other than 0 and 1, the first {value} at frame 2" in refusal(source, tmp_path / "a.npy")


def test_masks_with_nan_are_refused(tmp_path: Path) -> None:
    datasets.shanghaitech(tmp_path / "source")
    planes = datasets.masks(1).astype(float)
    planes[3, 0, 0] = np.nan
    np.save(tmp_path / "source" / "testing" / "test_pixel_mask" / "01_0012.npy", planes)
    config = PreprocessConfig(
        source=str(tmp_path / "source"), shards=str(tmp_path / "shards"), size=(16, 16), workers=1
    )
    with pytest.raises(SourceError, match=r"01_0012\.npy: found NaN or infinity, expected masks"):
        preprocess(config)


def test_a_label_file_that_is_not_there_is_called_so(tmp_path: Path) -> None:
    source = source_of(tmp_path / "source", "a")
    message = refusal(source, tmp_path / "absent.npy")
    assert message.startswith(f"{tmp_path}/absent.npy: label file not found; expected a file .npy, .mat, .m")


@pytest.mark.parametrize("name", ["labels.json", "labels.npz", "labels"])
def test_a_file_of_another_kind_is_named_as_that_file(tmp_path: Path, name: str) -> None:
    source = source_of(tmp_path / "source", "a")
    (tmp_path / name).write_text(json.dumps({"a": [1, 2]}))
    message = refusal(source, tmp_path / name)
    assert message.startswith(f"{tmp_path}/{name}: no labels found; expected a file .npy, .mat, .m or .csv")


def test_a_folder_without_labels_shows_what_is_there(tmp_path: Path) -> None:
    datasets.shanghaitech(tmp_path / "source")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.json").write_text("{}")
    message = refusal(tmp_path / "source", tmp_path / "labels")
    assert message.startswith(f"{tmp_path}/labels: no labels found; expected")
    assert message.endswith("found 'a.json'")


def test_labels_without_testing_videos_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "source" / "clip", scene(3))
    np.save(tmp_path / "a.npy", np.zeros(3))
    tree = list_tree(str(tmp_path / "source"))
    with pytest.raises(SourceError, match=r"has no testing videos for the labels .*a\.npy; --split testing"):
        find_labels(tree, recognise(tree, "auto", "training"), str(tmp_path / "a.npy"))


def test_no_word_of_numpy_invites_to_run_code(tmp_path: Path) -> None:
    source = source_of(tmp_path / "source", "a")
    np.save(tmp_path / "a.npy", np.array([0, None], object), allow_pickle=True)
    message = refusal(source, tmp_path / "a.npy")
    assert "of Python objects, which are not read" in message
    assert "pickle" not in message and "unsafe" not in message


@pytest.mark.parametrize(("name", "size"), [("a.npy", 33 << 20), ("a.csv", 33 << 20), ("a.m", 2 << 20)])
def test_a_file_that_is_larger_than_its_labels_can_be_is_not_read(
    tmp_path: Path, name: str, size: int
) -> None:
    source = source_of(tmp_path / "source", "a")
    with (tmp_path / name).open("wb") as file:
        file.truncate(size)
    assert f"{name}: found {size} bytes, expected at most" in refusal(source, tmp_path / name)


def test_control_characters_of_a_label_file_are_not_passed_on(tmp_path: Path) -> None:
    source = source_of(tmp_path / "source", "a")
    (tmp_path / "a.csv").write_text("video,start,end\n\x1b]52;c;AAAA\x07,1,2\n")
    assert "\x1b" not in refusal(source, tmp_path / "a.csv")
