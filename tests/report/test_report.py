"""The report: what it holds, how it compares evaluations, and that a browser shows it."""

import contextlib
import dataclasses
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from cli import main
from mnad import FrameScores
from pipeline.errors import ReportError
from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.run import evaluate
from pipeline.report.evaluation import Evaluation, gathered, load_evaluation
from pipeline.report.page import page_data
from pipeline.report.pictures import picture_size, source_shape
from pipeline.report.render import render, write_report
from pipeline.report.timelines import MOST_POINTS, MOST_VIDEOS, limits, timelines
from pipeline.runs.evaluation import VideoFigures
from pipeline.scoring.exhibitwriter import MOST_PICTURES, stride_for
from pipeline.scoring.videoscores import VideoScores
from shards.manifest import write_manifest
from shards.rows import Videos
from shards.storage import Storage
from tests.helpers.browser import SCREENSHOTS, chromium
from tests.helpers.browser import opened as in_browser
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.mutation import mutated_json
from tests.helpers.shards import make_set, smooth_frames

SIZE = (16, 24)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished evaluation of two videos."""
    root = tmp_path_factory.mktemp("report")
    videos = [smooth_frames(length, SIZE, seed=seed) for seed, length in enumerate((30, 18))]
    labels = [np.arange(len(frames)) >= len(frames) // 2 for frames in videos]
    make_set(root / "shards", {"testing": videos}, labels=labels)
    make_checkpoint(root / "run" / "checkpoints" / "model-00000003.safetensors", size=SIZE)
    evaluate(EvaluateConfig(shards=str(root / "shards"), checkpoint=str(root / "run")))
    return root / "run" / "evaluation-shards"


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_each_scored_frame_has_a_picture_of_three_parts(evaluation: Path) -> None:
    exhibits = load_evaluation(str(evaluation)).exhibits
    assert exhibits is not None
    assert exhibits.video.tolist() == ["01"] * 26 + ["02"] * 14
    assert exhibits.frame.tolist() == [*range(4, 30), *range(4, 18)]
    picture = cv2.imdecode(np.frombuffer(exhibits.pictures[0], np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (16, 72, 3)
    real = smooth_frames(30, SIZE, seed=0)[4]
    assert np.abs(picture[:, :24].astype(int) - real).mean() < 12  # what JPEG leaves of it
    assert exhibits.nearest.shape == (2, 3, 4)
    assert (exhibits.nearest.sum(axis=2) == 26 + 14).all()  # at each place each frame has one nearest item


@pytest.mark.parametrize(
    ("stored", "shape", "size"),
    [
        ((16, 24), None, (16, 24)),
        ((256, 256), None, (128, 128)),
        ((256, 256), (240, 360), (85, 128)),
        ((64, 64), (240, 360), (64, 96)),
        ((64, 64), (360, 240), (96, 64)),
        ((64, 64), (1, 10**9), (8, 128)),
    ],
)
def test_pictures_have_the_proportions_of_the_source(
    stored: tuple[int, int], shape: tuple[int, int] | None, size: tuple[int, int]
) -> None:
    assert picture_size(stored, shape) == size


@pytest.mark.parametrize("sizes", [None, [], [[0, 0, 9]], [[0, 9]], [[0, "9", 9]], [[0, True, 9]], 7, [7]])
def test_a_record_without_a_size_gives_none(sizes: object) -> None:
    assert source_shape({"sizes": [[0, 240, 360], [9, 1, 1]]}) == (240, 360)
    assert source_shape({"sizes": sizes}) is None
    assert source_shape({}) is None


def test_the_page_shows_pictures_and_map_in_the_proportions_of_the_source(
    browser: Any, evaluation: Path, tmp_path: Path
) -> None:
    frames = smooth_frames(9, SIZE)
    frames[:, :8] //= 2  # the upper half is darker
    made = make_set(tmp_path / "wide", {"testing": [frames]})
    (video,) = made.videos
    wide = dataclasses.replace(video, source={**video.source, "sizes": [[0, 90, 270]]})
    write_manifest(Storage(tmp_path / "wide"), dataclasses.replace(made, videos=Videos.of((wide,))))
    evaluate(
        EvaluateConfig(
            shards=str(tmp_path / "wide"), checkpoint=str(evaluation.parent), out=str(tmp_path / "out")
        )
    )
    exhibits = load_evaluation(str(tmp_path / "out")).exhibits
    assert exhibits is not None
    picture = cv2.imdecode(np.frombuffer(exhibits.pictures[0], np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (16, 3 * 48, 3)
    expected = cv2.resize(frames[4], (48, 16), interpolation=cv2.INTER_LINEAR)
    assert np.abs(picture[:, :48].astype(int) - expected).mean() < 12  # what JPEG leaves of it
    page, complaints = opened(browser, tmp_path / "out" / "report.html", width=1000, scheme="light")
    page.locator("#timelines svg").first.click(position={"x": 100, "y": 30})
    for selector, ratio in (("#strip", 9), ("#places svg", 3)):
        box = page.locator(selector).bounding_box()
        assert box is not None
        assert box["width"] / box["height"] == pytest.approx(ratio, rel=0.02)
    assert complaints == []


@pytest.mark.parametrize("frames", [0, 1, MOST_PICTURES, MOST_PICTURES + 1, 10**7])
def test_the_number_of_pictures_is_bounded(frames: int) -> None:
    assert -(-frames // stride_for(frames)) <= MOST_PICTURES


def test_the_page_holds_everything_and_names_nothing_outside(evaluation: Path) -> None:
    text = (evaluation / "report.html").read_text()
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text)
    data = data_of(evaluation / "report.html")
    assert [video["name"] for video in data["videos"]] == ["01", "02"]
    assert data["videos"][0]["abnormal"] == [[15, 30]]
    assert len(data["videos"][0]["series"][0]["scores"]) == 26
    assert len(dict(data["pictures"])["02"]) == 14
    assert data["runs"][0]["roc"][0] == [0, 0]
    assert data["runs"][0]["roc"][-1] == [1, 1]
    assert sum(data["memory"]["nearest"]) == 240
    assert [len(row) for row in data["memory"]["places"]] == [3, 3]
    assert 0.1 <= data["memory"]["placed"] <= 1
    scores = [score for _, _, score in data["misses"]]
    assert scores == sorted(scores)
    assert {(video, frame >= {"01": 15, "02": 9}[video]) for video, frame, _ in data["misses"]} <= {
        ("01", True),
        ("02", True),
    }


def test_a_name_cannot_break_out_of_the_page(evaluation: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(evaluation, copy)
    metrics = json.loads((copy / "metrics.json").read_text())
    metrics["dataset"] = "</script><script>alert(1)</script>"
    (copy / "metrics.json").write_text(json.dumps(metrics))
    write_report([str(copy)])
    assert "<script>alert" not in (copy / "report.html").read_text()
    assert data_of(copy / "report.html")["title"].startswith("</script>")


def test_several_evaluations_stand_side_by_side(evaluation: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "evaluation-shards"
    shutil.copytree(evaluation, other)
    out = tmp_path / "both.html"
    result = CliRunner().invoke(main, ["report", str(evaluation), str(other), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert result.output == f"report: {out}\n"
    data = data_of(out)
    assert [run["name"] for run in data["runs"]] == ["run/evaluation-shards", "other/evaluation-shards"]
    assert [series["run"] for series in data["videos"][0]["series"]] == [0, 1]
    assert data["pictures"] == []


def relabelled(evaluation: Path, root: Path) -> Path:
    """An evaluation of the same frames with inverted labels, of another shard set."""
    videos = [smooth_frames(length, SIZE, seed=seed) for seed, length in enumerate((30, 18))]
    labels = [np.arange(len(frames)) < len(frames) // 2 for frames in videos]
    make_set(root / "inverted", {"testing": videos}, labels=labels)
    run = evaluation.parent / "checkpoints" / "model-00000003.safetensors"
    evaluate(EvaluateConfig(shards=str(root / "inverted"), checkpoint=str(run), out=str(root / "out")))
    return root / "out"


def test_a_comparison_says_that_labels_differ_and_shades_each_by_its_own(
    evaluation: Path, tmp_path: Path
) -> None:
    other, out = relabelled(evaluation, tmp_path), tmp_path / "both.html"
    write_report([str(evaluation), str(other)], out)
    data = data_of(out)
    assert [(row["name"], row["abnormal"]) for row in data["videos"]] == [
        ("01", [[15, 30]]),
        ("01", [[4, 15]]),
        ("02", [[9, 18]]),
        ("02", [[4, 9]]),
    ]
    assert [[series["run"] for series in row["series"]] for row in data["videos"]] == [[0], [1], [0], [1]]
    sets, labels = data["notes"]
    assert sets.startswith("The shard sets differ: evaluation-shards: /")
    assert "/inverted" in sets
    assert labels.startswith("Labels of the same frames differ in 2 videos, first in 01: figures cannot")


def test_a_comparison_names_label_source_split_and_version_that_differ(evaluation: Path) -> None:
    one = load_evaluation(str(evaluation))
    provenance = dataclasses.replace(one.record.provenance, split="training", manifest_sha256="0" * 64)
    record = dataclasses.replace(one.record, provenance=provenance, label_source=("UCSD",))
    data = page_data([one, dataclasses.replace(one, record=record, name="other")])
    assert [note.partition(":")[0] for note in data["notes"]] == [
        "The sources of labels differ",
        "The splits differ",
        "The versions of the shard set differ",
    ]
    assert [row["is_split"] for row in data["videos"]] == [False, False]
    assert page_data([one, dataclasses.replace(one, name="other")])["notes"] == []


def with_localisation(evaluation: Path, copy: Path, region_auc: float | None) -> Path:
    """A copy of an evaluation whose set had pixel masks."""
    shutil.copytree(evaluation, copy)
    metrics = json.loads((copy / "metrics.json").read_text())
    figures = {"pixel_auc": 0.912, "region_auc": region_auc, "track_auc": 0.5, "regions": 40, "tracks": 3}
    (copy / "metrics.json").write_text(json.dumps({**metrics, "localisation": figures}))
    return copy


def test_localisation_is_among_the_headline_figures(evaluation: Path, tmp_path: Path) -> None:
    names = [name for name, _, _ in data_of(evaluation / "report.html")["runs"][0]["tiles"]]
    assert names[:4] == ["AUC", "macro AUC", "average precision", "equal error rate"]
    assert names[4:] == ["online AUC, local error", "online AUC, PSNR", "frames per second"]
    write_report([str(with_localisation(evaluation, tmp_path / "masked", None))])
    tiles = data_of(tmp_path / "masked" / "report.html")["runs"][0]["tiles"]
    assert [tile for tile in tiles if tile[0] not in names] == [
        ["pixel AUC", "91.2 %", "all pixels of videos with masks"],
        ["RBDC", "undefined", "of 40 labelled regions"],
        ["TBDC", "50.0 %", "of 3 labelled tracks"],
    ]


def long_evaluation(evaluation: Path, videos: int, frames: int) -> Evaluation:
    """An evaluation of that many videos of so many frames, each abnormal in its second half."""
    small = load_evaluation(str(evaluation))
    random = np.random.default_rng(0)
    labels = np.arange(frames) >= frames // 2
    made = []
    for number in range(videos):
        values = random.random(frames)
        scores = FrameScores(
            psnr=30 + values, feature_distance=values, point_score=values, memory_updated=values > 0.5
        )
        anomaly = (values + 2 * labels) / 3
        made.append(
            VideoScores(
                name=f"{number:04d}",
                frames=np.arange(4, 4 + frames),
                scores=scores,
                anomaly=anomaly,
                labels=labels,
            )
        )
    listed = tuple(
        VideoFigures(name=video.name, scored=frames, abnormal=frames, memory_updates=0, auc=0.5)
        for video in made
    )
    record = dataclasses.replace(small.record, videos=listed)
    return gathered(small.name, record, made, None)


@pytest.mark.parametrize(("videos", "frames"), [(1, 2_000_000), (1000, 2000)])
def test_the_page_of_millions_of_frames_is_bounded(
    browser: Any, evaluation: Path, tmp_path: Path, videos: int, frames: int
) -> None:
    long = long_evaluation(evaluation, videos, frames)
    path = tmp_path / "report.html"
    path.write_text(render([long]))
    assert path.stat().st_size < 15e6
    data = data_of(path)
    assert sum(len(video["series"][0]["scores"]) for video in data["videos"]) <= MOST_POINTS + 20
    assert len(data["runs"][0]["roc"]) <= 2000
    assert len(data["runs"][0]["pr"]) <= 2000
    assert ["thinned" in limit for limit in data["limits"]] == [True]
    for video, shown in zip(long.videos, data["videos"], strict=True):
        series = shown["series"][0]
        kept = np.cumsum([series["first"], *series["steps"]])
        assert (kept[0], kept[-1]) == (4, 3 + frames)
        np.testing.assert_allclose(series["scores"], 1000 * video.anomaly[kept - 4], atol=0.51)
        assert max(series["scores"]) == round(1000 * video.anomaly.max())
        assert {frame for name, frame, _ in data["misses"] if name == video.name} <= set(kept.tolist())
    page, complaints = opened(browser, path, width=1000, scheme="light")
    line = page.locator("#timelines svg").last
    line.focus()
    page.keyboard.press("End")
    assert f" frame {3 + frames} " in page.locator("#facts").inner_text()
    page.keyboard.press("ArrowLeft")
    assert line.get_attribute("aria-valuenow") == str(kept[-2])
    assert complaints == []


def test_labels_that_alternate_stay_bounded(evaluation: Path) -> None:
    long = long_evaluation(evaluation, 1, 1_000_000)
    blinking = dataclasses.replace(long.videos[0], labels=np.arange(1_000_000) % 2 == 0)
    (row,) = timelines([[blinking]], [])
    assert len(row["abnormal"]) <= MOST_POINTS // 4
    assert (row["abnormal"][0][0], row["abnormal"][-1][1]) == (4, 1_000_003)


def test_of_too_many_videos_those_with_both_kinds_of_frames_are_shown(evaluation: Path) -> None:
    videos = long_evaluation(evaluation, MOST_VIDEOS + 5, 20).videos
    videos[0] = dataclasses.replace(videos[0], labels=None)
    totals = [MOST_VIDEOS + 5]
    assert [row["name"] for row in timelines([videos], [])][:2] == ["0001", "0002"]
    assert len(timelines([videos], [])) == MOST_VIDEOS
    assert limits([videos], totals) == [
        f"Shown are {MOST_VIDEOS} of {MOST_VIDEOS + 5} videos, those with both kinds of frames first."
    ]
    assert limits([videos[:10], videos[:10]], [10, 10]) == []


def test_report_writes_the_page_of_an_evaluation_again(evaluation: Path) -> None:
    before = (evaluation / "report.html").read_bytes()
    (evaluation / "report.html").unlink()
    assert write_report([str(evaluation)]) == f"{evaluation}/report.html"
    assert (evaluation / "report.html").read_bytes() == before


def test_what_is_no_evaluation_is_named(evaluation: Path, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"no metrics\.json found"):
        write_report([str(tmp_path)])
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(ReportError, match="not that of an evaluation"):
        write_report([str(tmp_path)])
    shutil.copy(evaluation / "metrics.json", tmp_path)
    with pytest.raises(ReportError, match="scores are missing"):
        write_report([str(tmp_path)])


def changed(evaluation: Path, copy: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of an evaluation with other metrics."""
    shutil.copytree(evaluation, copy, dirs_exist_ok=True)
    metrics = json.loads((copy / "metrics.json").read_text())
    change(metrics)
    (copy / "metrics.json").write_text(json.dumps(metrics))
    return copy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(auc=0.999), r"\(auc: found 0\.999, expected 0\."),
        (lambda m: m["metrics"]["psnr"].update(auc_macro=None), r"\(metrics\.psnr\.auc_macro: found None"),
        (lambda m: m["videos"][1].update(memory_updates=99), r"\(videos\[1\]\.memory_updates: found 99, exp"),
        (lambda m: m["frames"].update(abnormal=1), r"\(frames\.abnormal: found 1, expected 24"),
        (lambda m: m.update(base_rate=0.5), r"\(base_rate: found 0\.5"),
        (lambda m: m.update(smoothed={"sigma": 2}), r"\(smoothed: found 1 entries, expected None"),
        (lambda m: m["videos"].append(m["videos"][0]), r"\(videos: found 3 entries, expected 2 entries"),
        (lambda m: m["videos"].pop(), "found scores of video '02', which is not of the set"),
        (
            lambda m: m["provenance"].update(checkpoint_sha256="22"),
            r"scores of another evaluation \(found checkpoint_sha256 '[0-9a-f]{64}', expected '22'\)",
        ),
        (lambda m: m["provenance"].update(processes=0), "found 0 processes"),
        (lambda m: m["config"].update(smoothing=1e12), "found smoothing 1000000000000"),
        (lambda m: m["notes"].append(3), "found notes of type int"),
    ],
)
def test_metrics_that_contradict_their_scores_are_refused(
    evaluation: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    copy = changed(evaluation, tmp_path / "copy", change)
    with pytest.raises(ReportError, match=message) as error:
        write_report([str(copy)])
    assert "\n" not in str(error.value)


def test_rounding_of_another_machine_is_no_contradiction(evaluation: Path, tmp_path: Path) -> None:
    copy = changed(evaluation, tmp_path / "copy", lambda m: m.update(auc=m["auc"] * (1 + 1e-13)))
    write_report([str(copy)])


def test_pictures_of_another_evaluation_are_refused(evaluation: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(evaluation, copy)
    (file,) = (copy / "exhibits").iterdir()
    with np.load(file) as arrays:
        np.savez(file, **{**arrays, "work": np.str_("of another")})
    with pytest.raises(ReportError, match=r"npz: pictures of another evaluation"):
        load_evaluation(str(copy))
    file.write_bytes(b"PK")
    with pytest.raises(ReportError, match=r"npz: not a whole npz file"):
        load_evaluation(str(copy))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_metrics_are_refused_or_shown(evaluation: Path, tmp_path: Path, data: st.DataObject) -> None:
    copy = changed(evaluation, tmp_path / "copy", lambda m: None)
    good = json.loads((evaluation / "metrics.json").read_text())
    (copy / "metrics.json").write_bytes(data.draw(mutated_json(good)))
    with contextlib.suppress(ReportError):
        write_report([str(copy)])


def test_without_labels_the_page_shows_scores_alone(evaluation: Path, tmp_path: Path) -> None:
    make_set(tmp_path / "bare", {"testing": [smooth_frames(9, SIZE)]})
    checkpoint = str(evaluation.parent)
    evaluate(EvaluateConfig(shards=str(tmp_path / "bare"), checkpoint=checkpoint, out=str(tmp_path / "out")))
    data = data_of(tmp_path / "out" / "report.html")
    run = data["runs"][0]
    assert (run["figures"], run["roc"], run["threshold"]) == ([], None, None)
    assert data["videos"][0]["abnormal"] is None
    assert data["misses"] == data["alarms"] == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


def opened(browser: Any, path: Path, **options: Any) -> tuple[Page, list[str]]:
    """The page with its curves, and what the browser complains about."""
    page, complaints = in_browser(browser, path, **options)
    page.wait_for_selector("#timelines svg")
    return page, complaints


@pytest.mark.parametrize("width", [1200, 375])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_renders_at_any_width_and_scheme(
    browser: Any, evaluation: Path, width: int, scheme: str
) -> None:
    page, complaints = opened(browser, evaluation / "report.html", width=width, scheme=scheme)
    assert page.locator("h1").inner_text() == "folder, pred"
    assert page.locator(".timeline").count() == 2
    assert page.locator("#where").is_hidden()  # no pixel masks, no localisation
    assert page.locator("#tiles .tile").count() == 7
    assert page.locator("#places rect").count() == 2 * 3
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    light = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert light == (scheme == "light")
    page.locator("#timelines svg").first.click(position={"x": 100, "y": 30})
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"report-{width}-{scheme}.png", full_page=True)
    assert complaints == []


def test_hover_click_and_keys_change_the_frame(browser: Any, evaluation: Path) -> None:
    page, complaints = opened(browser, evaluation / "report.html", width=1000, scheme="light")
    strip, facts, line = page.locator("#strip"), page.locator("#facts"), page.locator("#timelines svg").first
    box = line.bounding_box()
    assert box is not None

    def shown() -> int:
        assert strip.evaluate("image => image.complete && image.naturalWidth") == 72
        frame = int(strip.get_attribute("data-frame") or -1)
        assert f"frame {frame} " in facts.inner_text()
        assert line.get_attribute("aria-valuenow") == str(frame)
        return frame

    # The viewer that opens above pushes the curves down, so places are taken relative to the curve.
    line.hover(position={"x": box["width"] * 10 / 29, "y": 20})
    assert shown() == 10
    line.click(position={"x": box["width"] * 20 / 29, "y": 20})
    assert shown() == 20
    assert "labelled abnormal" in facts.inner_text()
    for key, frame in (("ArrowLeft", 19), ("PageDown", 9), ("Home", 4), ("End", 29), ("ArrowRight", 29)):
        page.keyboard.press(key)
        assert shown() == frame
    assert complaints == []


@pytest.mark.parametrize("names", [("constructor", "__proto__"), ("toString", "\u202e</script>\x1b[2J")])
def test_names_that_every_object_has_are_names_like_others(
    browser: Any, evaluation: Path, tmp_path: Path, names: tuple[str, str]
) -> None:
    found = load_evaluation(str(evaluation))
    assert found.exhibits is not None
    new = dict(zip(("01", "02"), names, strict=True))
    listed = tuple(dataclasses.replace(video, name=new[video.name]) for video in found.record.videos)
    pictured = np.flatnonzero(found.exhibits.video == "01")  # the other video is looked up in vain
    renamed = gathered(
        found.name,
        dataclasses.replace(found.record, videos=listed),
        [dataclasses.replace(video, name=new[video.name]) for video in found.videos],
        dataclasses.replace(
            found.exhibits,
            video=np.array([names[0]] * len(pictured)),
            frame=found.exhibits.frame[pictured],
            pictures=[found.exhibits.pictures[row] for row in pictured],
            queries=found.exhibits.queries[pictured],
        ),
    )
    (tmp_path / "report.html").write_text(render([renamed]))
    page, complaints = opened(browser, tmp_path / "report.html", width=1000, scheme="light")
    for row, name in enumerate(names):
        page.locator("#timelines svg").nth(row).click(position={"x": 100, "y": 30})
        facts = page.locator("#facts").text_content()
        assert facts is not None
        assert facts.startswith(f"video {name} · frame ")
        page.locator("#misses button").nth(row).click()
    assert complaints == []


def test_the_keyboard_reaches_every_curve_and_the_worst_frames(browser: Any, evaluation: Path) -> None:
    page, complaints = opened(browser, evaluation / "report.html", width=1000, scheme="light")
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.ariaLabel || document.activeElement.className"))
    assert "frame of video 01" in reached
    assert "frame of video 02" in reached
    button = page.locator("#misses button").first
    cells = button.locator("xpath=ancestor::tr").locator("td").all_inner_texts()
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("#facts").inner_text().startswith(f"video {cells[0]} · frame {cells[1]} ")
    assert complaints == []


def test_a_tap_changes_the_frame_on_a_phone(browser: Any, evaluation: Path) -> None:
    page, complaints = opened(
        browser, evaluation / "report.html", width=375, scheme="dark", has_touch=True, is_mobile=True
    )
    line = page.locator("#timelines svg").last
    line.tap(position={"x": 200, "y": 30})
    assert page.locator("#facts").inner_text().startswith("video 02 · frame ")
    assert complaints == []


def test_a_comparison_renders_one_curve_per_evaluation(
    browser: Any, evaluation: Path, tmp_path: Path
) -> None:
    out = tmp_path / "comparison.html"
    masked = with_localisation(evaluation, tmp_path / "masked", 0.25)
    write_report([str(evaluation), str(masked)], out)
    page, complaints = opened(browser, out, width=1000, scheme="light")
    assert page.locator("#runs span").count() == 2
    assert page.locator("#timelines svg").first.locator("path").count() == 2
    assert page.locator("#metrics tbody tr").count() == 6
    assert (
        page.locator("#localisation tbody tr").nth(0).locator("td").all_inner_texts()[1:]
        == ["\N{EN DASH}"] * 5
    )
    expected = ["91.20 %", "25.00 %", "50.00 %", "40", "3"]
    assert page.locator("#localisation tbody tr").nth(1).locator("td").all_inner_texts()[1:] == expected
    page.screenshot(path=SCREENSHOTS / "comparison.png", full_page=True)
    assert complaints == []
