"""An evaluation of more rows than are held: figures within stated bounds, and a page of what can be shown."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ReportError
from pipeline.evaluate import summary
from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.run import evaluate
from pipeline.evaluate.summary import Summary
from pipeline.evaluate.words import lines
from pipeline.report import evaluation as shown
from pipeline.report.evaluation import load_evaluation
from pipeline.report.render import write_report
from pipeline.runs.evaluation import Metrics, Online, load_record
from shards.storage import Storage
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.shards import make_set, smooth_frames

SIZE = (16, 24)
FRAMES = (30, 18, 14, 40)
ROWS = sum(count - 4 for count in FRAMES)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of four videos, the third without abnormal frames, and a model."""
    root = tmp_path_factory.mktemp("many")
    videos = [smooth_frames(count, SIZE, seed=seed) for seed, count in enumerate(FRAMES)]
    labels = [np.arange(count) >= (count if count == 14 else count // 2) for count in FRAMES]
    make_set(root / "shards", {"testing": videos}, labels=labels)
    make_checkpoint(root / "run" / "checkpoints" / "model-00000003.safetensors", size=SIZE)
    return root


@pytest.fixture
def few_rows_are_held() -> Iterator[None]:
    """As if a table of half the rows were too large."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (summary, shown):
            for name in ("read_scores", "gathered"):
                limited = functools.partial(getattr(module, name), most_rows=ROWS // 2)
                patch.setattr(module, name, limited)
        yield


def evaluated(work: Path, out: Path, **options: Any) -> Summary:
    config = EvaluateConfig(
        shards=str(work / "shards"), checkpoint=str(work / "run"), out=str(out), smoothing=1.0, **options
    )
    found = evaluate(config)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def exact(work: Path) -> Summary:
    return evaluated(work, work / "exact")


@pytest.fixture
def binned(work: Path, tmp_path: Path, few_rows_are_held: None) -> Summary:
    return evaluated(work, tmp_path / "binned")


def data_of(page: Path) -> dict[str, Any]:
    text = page.read_text().split('<script type="application/json" id="data">')[1].split("</script>")[0]
    found: dict[str, Any] = json.loads(text)
    return found


def check(found: Metrics | Online, expected: Metrics | Online, bounds: Metrics | Online) -> None:
    for name, value in vars(expected).items():
        if value is not None:
            assert abs(getattr(found, name) - value) <= getattr(bounds, name) + 1e-12


def test_figures_are_within_the_bounds_that_are_recorded(exact: Summary, binned: Summary) -> None:
    assert exact.record.bounds is None
    record = load_record(Storage(binned.out))
    assert record == binned.record
    assert record.bounds is not None
    assert record.videos == exact.record.videos
    assert record.frames == exact.record.frames
    for score, metrics in (exact.record.metrics or {}).items():
        check((record.metrics or {})[score], metrics, record.bounds.metrics[score])
    assert record.online is not None
    assert exact.record.online is not None
    assert record.bounds.online is not None
    check(record.online, exact.record.online, record.bounds.online)


def test_it_is_said_wherever_the_figures_are(exact: Summary, binned: Summary) -> None:
    note = f"{ROWS} rows are too many to hold: figures over all frames are from histograms of 65536 bins"
    assert not any("too many" in line for line in lines(exact))
    assert next(line for line in lines(binned) if "too many" in line).startswith(f"note: {note}")
    assert any(note in each for each in json.loads((Path(binned.out) / "metrics.json").read_text())["notes"])
    assert any(note in each for each in data_of(Path(binned.out) / "report.html")["notes"])


def test_the_page_shows_as_many_videos_as_are_held(exact: Summary, binned: Summary) -> None:
    data, whole = (data_of(Path(each.out) / "report.html") for each in (binned, exact))
    assert [len(each["videos"]) for each in (whole, data)] == [4, 2]
    assert [video["name"] for video in data["videos"]] == ["01", "02"]  # both kinds, as many as are held
    assert data["limits"] == ["Shown are 2 of 4 videos, those with both kinds of frames first."]
    assert whole["limits"] == []
    for name in ("misses", "alarms", "pictures", "memory"):  # are of all videos
        assert data[name] == whole[name]
    assert data["runs"][0]["roc"][0] == [0, 0]
    assert data["runs"][0]["roc"][-1] == [1, 1]
    np.testing.assert_allclose(data["runs"][0]["threshold"], whole["runs"][0]["threshold"], atol=1e-4)
    plots = sorted(path.name for path in (Path(binned.out) / "plots").iterdir())
    assert [name.rpartition("-")[0] or name for name in plots] == [
        *("precision", "roc.png", "timeline-testing-01", "timeline-testing-02")
    ]


def test_report_computes_the_same_again_and_refuses_what_contradicts(binned: Summary) -> None:
    page = Path(binned.out) / "report.html"
    before = page.read_bytes()
    page.unlink()
    write_report([binned.out])
    assert page.read_bytes() == before
    metrics = Path(binned.out) / "metrics.json"
    value = json.loads(metrics.read_text())
    value["bounds"]["metrics"]["psnr"]["auc"] = 0.0001
    metrics.write_text(json.dumps(value))
    with pytest.raises(ReportError, match=r"bounds\.metrics\.psnr\.auc: found 0\.0001, expected"):
        load_evaluation(binned.out)


def test_an_evaluation_that_was_made_with_other_limits_is_shown(
    exact: Summary, few_rows_are_held: None
) -> None:
    assert len(load_evaluation(exact.out).record.videos) == 4
