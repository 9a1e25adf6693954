"""`evaluate` end to end in one process, on generated shards and an untrained model."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from cli import main
from mnad import MNAD, score_batch
from mnad.model import Encoded
from mnad.places import NormalPlaces
from pipeline.errors import CheckpointError, ConfigError
from pipeline.evaluate import notes
from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.run import evaluate
from pipeline.evaluate.summary import Summary
from pipeline.report import plotfiles
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.runs.evaluation import FrameCounts
from pipeline.runs.trainedon import Depth, trained_on
from pipeline.scoring import maps, places, scorer, tablewriter
from pipeline.scoring.choices import DistanceChoice
from pipeline.scoring.table import SCHEMA
from shards.errors import ShardError
from shards.manifest import load_manifest, write_manifest
from shards.names import video_stem
from shards.rows import Videos
from shards.storage import Storage
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.shards import make_set, smooth_frames

SIZE = (8, 16)
LENGTHS = (9, 6, 3, 38)
"""The third video is shorter than a window; the fourth spans two segments."""
THRESHOLD = 0.1
"""In the middle of an untrained model's point scores, so that decisions mix."""


def videos() -> list[np.ndarray]:
    made = [smooth_frames(length, SIZE, seed=seed) for seed, length in enumerate(LENGTHS)]
    for frames in made:
        frames[5 : 2 * len(frames) // 3] //= 3  # darkness, which an untrained model renders worse
        frames[len(frames) // 2] = 128
    return made


def labels() -> list[np.ndarray]:
    return [np.arange(length) >= length // 2 for length in LENGTHS]


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    make_set(
        tmp_path / "shards", {"training": [smooth_frames(14, SIZE)], "testing": videos()}, labels=labels()
    )
    return tmp_path / "shards"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    make_checkpoint(tmp_path / "run" / "checkpoints" / "model-00000003.safetensors", size=SIZE)
    return tmp_path / "run"


@pytest.fixture
def evaluated(shards: Path, run: Path) -> Callable[..., Summary]:
    def call(**options: Any) -> Summary:
        given = {"shards": str(shards), "checkpoint": str(run), "threshold": THRESHOLD, "report": False}
        summary = evaluate(EvaluateConfig(**{**given, **options}))
        assert summary is not None
        return summary

    return call


@pytest.mark.parametrize(
    ("memory", "threshold", "is_noted"),
    [("frozen", 0.5, True), ("frozen", None, False), ("carry", 0.5, False)],
)
def test_a_threshold_that_has_no_effect_is_noted(
    evaluated: Callable[..., Summary], memory: str, threshold: float | None, is_noted: bool
) -> None:
    notes = evaluated(memory=memory, threshold=threshold).record.notes
    assert any(note.startswith("--threshold 0.5 has no effect") for note in notes) is is_noted


DEEP = "16-bit images are mapped otherwise than those that the model was trained on: "


@pytest.mark.parametrize(
    ("trained", "here", "noted"),
    [
        ((7, 510), [[7, 510]], ""),
        ((7, 510), [[9, 80]], DEEP + "9:80 here, 7:510 there"),
        ((7, 510), [None], DEEP + "their highest 8 bits here, 7:510 there"),
        (None, [[9, 80]], DEEP + "9:80 here, their highest 8 bits there"),
        ((7, 510), [[9, 80], [7, 510]], ""),
        ("several", [[9, 80]], ""),
        ((7, 510), [], ""),
    ],
    ids=[
        "as trained",
        "another range",
        "no range",
        "no range in training",
        "auto",
        "auto in training",
        "8 bits",
    ],
)
def test_another_mapping_of_16_bit_images_than_in_training_is_noted(
    evaluated: Callable[..., Summary],
    shards: Path,
    run: Path,
    trained: Depth | None,
    here: list[list[int] | None],
    noted: str,
) -> None:
    storage = Storage(shards)
    manifest = load_manifest(storage)
    deep = [{"depth": {"bits": 16, "range": each}} for each in here]
    made = [
        dataclasses.replace(video, source={**video.source, **(deep[index % len(deep)] if deep else {})})
        for index, video in enumerate(manifest.videos)
    ]
    write_manifest(storage, dataclasses.replace(manifest, videos=Videos.of(made)))
    file = run / "checkpoints" / "model-00000003.safetensors"
    checkpoint = load_checkpoint(str(file))
    data = trained_on(None, (), trained)
    file.write_bytes(dataclasses.replace(checkpoint, origin={"data": data}).to_bytes())
    found = [note for note in evaluated().record.notes if note.startswith(DEEP)]
    assert [note.partition(";")[0] for note in found] == ([noted] if noted else [])


def table(summary: Summary) -> dict[str, np.ndarray]:
    columns = pq.read_table(summary.scores).to_pydict()
    return {name: np.asarray(values) for name, values in columns.items()}


def one_at_a_time(run: Path, memory: str) -> dict[str, list[Any]]:
    """The protocol spelt out: window after window through the model, straight from the frames."""
    model = load_checkpoint(str(run)).model()
    items = trained = model.memory.items
    rows: dict[str, list[Any]] = {"video": [], "frame": [], "psnr": [], "memory_updated": []}
    for index, frames in enumerate(videos()):
        if memory != "carry":
            items = trained
        for last in range(4, len(frames)):
            window = torch.from_numpy(frames[last - 4 : last + 1]).permute(0, 3, 1, 2)[None] / 127.5 - 1
            threshold = -np.inf if memory == "frozen" else THRESHOLD
            scores, items = score_batch(model, window, items, threshold)
            rows["video"].append(f"{index + 1:02d}")
            rows["frame"].append(last)
            rows["psnr"].append(scores.psnr[0])
            rows["memory_updated"].append(scores.memory_updated[0])
    return rows


@pytest.mark.parametrize("memory", ["carry", "video", "frozen"])
def test_the_table_is_what_one_window_at_a_time_gives(
    evaluated: Callable[..., Summary], run: Path, memory: str
) -> None:
    expected = one_at_a_time(run, memory)
    found = table(evaluated(memory=memory))
    assert found["video"].tolist() == expected["video"]
    assert found["frame"].tolist() == expected["frame"]
    assert found["memory_updated"].tolist() == expected["memory_updated"]
    np.testing.assert_allclose(found["psnr"], expected["psnr"], atol=1e-3)
    updates = sum(expected["memory_updated"])
    assert updates == 0 if memory == "frozen" else 10 < updates < len(expected["frame"]) - 10


def test_memory_modes_differ(evaluated: Callable[..., Summary]) -> None:
    distances = [
        table(evaluated(memory=memory))["feature_distance"] for memory in ("carry", "video", "frozen")
    ]
    assert np.array_equal(distances[0][:5], distances[1][:5])  # the first video starts from the same memory
    assert not np.array_equal(distances[0], distances[1])
    assert not np.array_equal(distances[1], distances[2])


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_the_batch_size_makes_no_difference(evaluated: Callable[..., Summary], batch_size: int) -> None:
    expected = table(evaluated())
    found = table(evaluated(batch_size=batch_size))
    assert np.array_equal(found["memory_updated"], expected["memory_updated"])
    np.testing.assert_allclose(found["psnr"], expected["psnr"], atol=1e-3)
    np.testing.assert_allclose(found["anomaly_score"], expected["anomaly_score"], atol=1e-4)


def from_places(run: Path, chosen: slice) -> np.ndarray:
    """Distances of all test windows from what some training windows have there, straight from the frames."""
    model = load_checkpoint(str(run)).model()

    def queries(frames: np.ndarray) -> torch.Tensor:
        windows = torch.from_numpy(frames).unfold(0, 5, 1).permute(0, 4, 3, 1, 2) / 127.5 - 1
        with torch.no_grad():
            return model.encode(model.split(windows)[0]).queries

    normal = NormalPlaces.fit(lambda: [queries(smooth_frames(14, SIZE))[chosen]])
    tested = [queries(frames) for frames in videos() if len(frames) >= 5]
    return np.concatenate([normal.distance(some, model.memory.items).numpy() for some in tested])


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize(("most", "chosen"), [(4096, slice(None)), (5, slice(None, None, 2))])
def test_the_distance_from_places_changes_nothing_else(
    evaluated: Callable[..., Summary],
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch_size: int,
    most: int,
    chosen: slice,
) -> None:
    monkeypatch.setattr(places, "MOST", most)
    expected = table(evaluated(batch_size=batch_size))
    summary = evaluated(batch_size=batch_size, distance="places")
    found = table(summary)
    assert summary.record.provenance.distance == "places"
    for name in ("video", "frame", "psnr", "point_score", "memory_updated", "label"):
        assert np.array_equal(found[name], expected[name]), name
    np.testing.assert_allclose(found["feature_distance"], from_places(run, chosen), rtol=1e-2, atol=1e-3)
    assert not np.allclose(found["anomaly_score"], expected["anomaly_score"])


def test_the_distance_from_places_needs_training_videos(tmp_path: Path, run: Path) -> None:
    make_set(tmp_path / "tests", {"testing": videos()})
    options = EvaluateConfig(shards=str(tmp_path / "tests"), checkpoint=str(run), distance="places")
    with pytest.raises(ConfigError, match=r"--distance places: .*tests: found 0 normal windows"):
        evaluate(options)


def test_labels_lie_beside_their_frames_and_the_first_frames_have_no_row(
    evaluated: Callable[..., Summary],
) -> None:
    summary = evaluated()
    found = table(summary)
    for index, (length, truth) in enumerate(zip(LENGTHS, labels(), strict=True)):
        rows = found["video"] == f"{index + 1:02d}"
        assert found["frame"][rows].tolist() == list(range(4, length))
        assert found["label"][rows].tolist() == truth[4:].tolist()
    assert any("03" in note and "shorter than 5" in note for note in summary.record.notes)
    assert summary.record.frames == FrameCounts(scored=41, labelled=41, abnormal=26)
    assert summary.record.label_source == ("test",)


def test_metrics_agree_with_the_table(evaluated: Callable[..., Summary], run: Path) -> None:
    summary = evaluated()
    found = table(summary)
    normal, abnormal = (found["anomaly_score"][found["label"] == kind] for kind in (False, True))
    pairs = (abnormal[:, None] > normal).mean() + 0.5 * (abnormal[:, None] == normal).mean()
    assert summary.record.auc == pytest.approx(pairs)
    written = json.loads((Path(summary.out) / "metrics.json").read_text())
    assert written == json.loads(summary.record.to_json())
    assert written["timing"]["frames_per_second"] > 0
    file = run / "checkpoints" / "model-00000003.safetensors"
    assert written["provenance"]["checkpoint_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_without_labels_there_are_scores_and_a_note_but_no_figures(
    evaluated: Callable[..., Summary], tmp_path: Path
) -> None:
    make_set(tmp_path / "bare", {"training": [smooth_frames(8, SIZE)]})
    summary = evaluated(shards=str(tmp_path / "bare"))
    assert summary.record.auc is None
    assert summary.record.metrics is None
    assert "no labels: scores only, no AUC" in summary.record.notes
    assert any("training videos were evaluated" in note for note in summary.record.notes)
    assert pq.read_table(summary.scores)["label"].null_count == 4


def test_results_lie_in_the_run_under_the_name_of_the_set(
    evaluated: Callable[..., Summary], run: Path, tmp_path: Path
) -> None:
    assert evaluated().out == str(run / "evaluation-shards")
    file = str(run / "checkpoints" / "model-00000003.safetensors")
    assert evaluated(checkpoint=file).out == str(run / "evaluation-shards")
    assert evaluated(out=str(tmp_path / "elsewhere"), report=True).out == str(tmp_path / "elsewhere")
    names = sorted(path.name for path in (tmp_path / "elsewhere").iterdir())
    assert names == [
        "config.toml",
        "curves.png",
        "exhibits",
        "metrics.json",
        "plots",
        "report.html",
        "scores",
    ]
    bare = evaluated(out=str(tmp_path / "bare")).out
    left_out = set(names) - {path.name for path in Path(bare).iterdir()}
    assert left_out == {"curves.png", "exhibits", "plots", "report.html"}


def test_each_scored_video_has_a_timeline_and_stale_ones_are_gone(
    evaluated: Callable[..., Summary], tmp_path: Path
) -> None:
    folder = Path(evaluated(report=True).out) / "plots"
    stems = [f"timeline-{video_stem('testing', name)}.png" for name in ("01", "02", "04")]
    assert sorted(path.name for path in folder.iterdir()) == ["precision-recall.png", "roc.png", *stems]
    make_set(tmp_path / "bare", {"testing": videos()[:2]})
    evaluated(shards=str(tmp_path / "bare"), out=str(folder.parent), report=True)
    assert sorted(path.name for path in folder.iterdir()) == stems[:2]  # no labels, no ROC
    evaluated(out=str(folder.parent))
    assert list(folder.iterdir()) == []


def test_of_very_many_videos_some_have_a_timeline_and_a_note_says_so(
    evaluated: Callable[..., Summary], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (plotfiles, notes):
        monkeypatch.setattr(module, "MOST_TIMELINES", 2)
    summary = evaluated(report=True)
    timelines = [path.name[:19] for path in (Path(summary.out) / "plots").glob("timeline-*")]
    assert sorted(timelines) == ["timeline-testing-01", "timeline-testing-04"]  # 02 is all abnormal
    assert any("timelines of 2 of 3 videos" in note for note in summary.record.notes)


def test_published_presets_follow_the_method(evaluated: Callable[..., Summary], tmp_path: Path) -> None:
    file = tmp_path / "recon.safetensors"
    make_checkpoint(file, size=SIZE, method="recon", window=1)
    summary = evaluated(checkpoint=str(file), threshold=None)
    provenance = summary.record.provenance
    assert (provenance.alpha, provenance.threshold) == (0.7, 0.015)
    assert len(table(summary)["frame"]) == sum(LENGTHS)  # a window of one frame scores all of them
    provenance = evaluated(threshold=None).record.provenance
    assert (provenance.alpha, provenance.threshold) == (0.6, 0.01)


def test_frames_of_another_geometry_are_refused(evaluated: Callable[..., Summary], tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    make_checkpoint(file, size=(32, 32))
    with pytest.raises(CheckpointError, match=r"found frames of 8x16x3 BGR, expected 32x32x3 BGR"):
        evaluated(checkpoint=str(file))
    make_checkpoint(file, size=SIZE, channel_order="RGB")
    with pytest.raises(CheckpointError, match=r"found frames of 8x16x3 BGR, expected 8x16x3 RGB"):
        evaluated(checkpoint=str(file))
    make_checkpoint(file, size=SIZE, window=7)
    with pytest.raises(CheckpointError, match=r"found windows of up to 5 frames, expected 7"):
        evaluated(checkpoint=str(file))


def test_a_model_of_no_stated_size_takes_frames_of_any(
    evaluated: Callable[..., Summary], tmp_path: Path
) -> None:
    make_checkpoint(tmp_path / "imported.safetensors", size=(None, None))
    make_checkpoint(tmp_path / "trained.safetensors", size=SIZE)
    imported, trained = (
        evaluated(checkpoint=str(tmp_path / f"{name}.safetensors"), out=str(tmp_path / name))
        for name in ("imported", "trained")
    )
    np.testing.assert_array_equal(table(imported)["psnr"], table(trained)["psnr"])
    assert imported.record.model.height is None
    make_set(tmp_path / "wide", {"testing": [smooth_frames(7, (24, 8))]})
    wide = evaluated(checkpoint=str(tmp_path / "imported.safetensors"), shards=str(tmp_path / "wide"))
    assert len(table(wide)["frame"]) == 3


def test_a_model_that_gives_no_numbers_is_refused(evaluated: Callable[..., Summary], tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "sick.safetensors", size=SIZE)
    # Finite, but what they make of features is infinite in either direction, and its sum no number.
    sizes = {
        "decoder.output.4.weight": torch.full((64,), 3e38),
        "decoder.output.4.running_var": torch.zeros(64),
    }
    tensors = {**checkpoint.tensors, **sizes}
    sick = dataclasses.replace(checkpoint, tensors=tensors)
    (tmp_path / "sick.safetensors").write_bytes(sick.to_bytes())
    with pytest.raises(CheckpointError, match="not a number at frame 4 of video"):
        evaluated(checkpoint=str(tmp_path / "sick.safetensors"))


@pytest.mark.parametrize(
    ("module", "victim", "calls"), [(scorer, "_check_finite", 5), (tablewriter, "write_part", 1)]
)
def test_where_it_fails_no_files_of_scores_maps_or_pictures_are_left(
    evaluated: Callable[..., Summary],
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    victim: str,
    calls: int,
) -> None:
    original, made = getattr(module, victim), itertools.count(1)

    def failing(*args: Any) -> None:
        if next(made) == calls:
            raise CheckpointError("the model fails")
        original(*args)

    monkeypatch.setattr(maps, "CHUNK", 4)
    with monkeypatch.context() as patch, pytest.raises(CheckpointError, match="the model fails"):
        patch.setattr(module, victim, failing)
        evaluated(maps=True, batch_size=3, report=True)
    folder = run / "evaluation-shards"
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["config.toml"]
    out = evaluated(maps=True, batch_size=3, report=True).out
    assert {path.parent.name for path in Path(out).rglob("*.npz")} == {"maps", "exhibits"}


def test_a_split_without_a_window_is_refused(evaluated: Callable[..., Summary], tmp_path: Path) -> None:
    make_set(tmp_path / "short", {"testing": [smooth_frames(4, SIZE)]})
    with pytest.raises(ShardError, match="no testing video with at least 5 frames"):
        evaluated(shards=str(tmp_path / "short"))
    with pytest.raises(ShardError, match="no training video"):
        evaluated(shards=str(tmp_path / "short"), split="training")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1.5}, "--alpha: found 1.5, expected 0 to 1"),
        ({"threshold": -1.0}, "--threshold: found -1.0, expected at least 0"),
        ({"threshold": float("nan")}, "--threshold: found nan, expected a number"),
        ({"batch_size": 0}, "--batch-size: found 0, expected at least 1"),
        ({"threads": 0}, "--threads: found 0, expected at least 1"),
        ({"smoothing": -1.0}, "--smoothing: found -1.0, expected 0 to 10000"),
        ({"distance": "none"}, "--distance: found 'none', expected one of items, places"),
        ({"memory": "none"}, "--memory: found 'none', expected one of carry, video, frozen"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EvaluateConfig(shards="s", checkpoint="c", **options)


def test_the_command_prints_the_auc_and_where_the_scores_are(shards: Path, run: Path) -> None:
    result = CliRunner().invoke(main, ["evaluate", str(shards), str(run), "--memory", "video"])
    assert result.exit_code == 0, result.output
    assert "AUC " in result.output
    assert f"scores: {run}/evaluation-shards/scores" in result.output
    schema = pq.read_table(run / "evaluation-shards" / "scores").schema
    assert schema.remove_metadata() == SCHEMA


def test_the_command_reports_a_user_error_in_one_line(shards: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["evaluate", str(shards), str(tmp_path / "nothing")])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "no checkpoint found" in result.stderr


@pytest.mark.parametrize("distance", ["items", "places"])
def test_float32_is_never_rounded_to_tf32(
    shards: Path, run: Path, monkeypatch: pytest.MonkeyPatch, distance: DistanceChoice
) -> None:
    allowed: list[bool] = []
    encode = MNAD.encode

    def watched(model: MNAD, inputs: Tensor) -> Encoded:
        allowed.append(torch.backends.cudnn.allow_tf32)
        return encode(model, inputs)

    monkeypatch.setattr(MNAD, "encode", watched)
    before = torch.backends.cudnn.allow_tf32
    evaluate(EvaluateConfig(shards=str(shards), checkpoint=str(run), distance=distance, report=False))
    assert allowed
    assert not any(allowed)
    assert torch.backends.cudnn.allow_tf32 == before
