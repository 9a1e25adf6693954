"""Where results go, what is left alone there, and what happens when two come to one place."""

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pipeline.errors import BusyError, ConfigError, ReportError
from pipeline.evaluate import run as stage
from pipeline.evaluate import summary
from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.run import evaluate
from pipeline.evaluate.summary import Summary
from pipeline.processes.locking import sole
from pipeline.report.evaluation import load_evaluation
from pipeline.runs.evaluation import load_record
from shards.storage import Storage
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.commands import TIMEOUT, command, held, release, run
from tests.helpers.shards import make_set, smooth_frames

SIZE = (8, 16)
MODEL = "checkpoints/model-00000003.safetensors"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sets of one name, and two models."""
    root = tmp_path_factory.mktemp("work")
    for seed, name in enumerate(("cam1", "cam2")):
        videos = [smooth_frames(length, SIZE, seed=10 * seed + length) for length in (12, 9)]
        labels = [np.arange(len(frames)) >= 7 for frames in videos]
        make_set(root / name / "today", {"testing": videos}, labels=labels)
    for seed, name in enumerate(("a", "b")):
        make_checkpoint(root / f"{name}.safetensors", size=SIZE, seed=seed)
    return root


@pytest.fixture
def a_run(work: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    shutil.copy(work / "a.safetensors", folder / MODEL)
    return folder


def config(work: Path, **options: Any) -> EvaluateConfig:
    given = {"shards": str(work / "cam1/today"), "checkpoint": str(work / "a.safetensors"), "report": False}
    return EvaluateConfig(**{**given, **options})


def evaluated(work: Path, **options: Any) -> Summary:
    summary = evaluate(config(work, **options))
    assert summary is not None
    return summary


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# --- names


def test_sets_of_one_name_do_not_write_over_each_other_and_keep_their_places(work: Path, a_run: Path) -> None:
    places = [
        evaluated(work, shards=str(work / f"{camera}/today"), checkpoint=str(a_run)).out
        for camera in ("cam1", "cam2", "cam1", "cam2")
    ]
    assert places[0] == f"{a_run}/evaluation-today"
    assert places[1].startswith(f"{a_run}/evaluation-today-")
    assert places[2:] == places[:2]
    for camera, place in zip(("cam1", "cam2"), places, strict=False):
        metrics = json.loads((Path(place) / "metrics.json").read_text())
        assert metrics["provenance"]["shards"] == str(work / camera / "today")


def test_a_set_that_is_named_from_elsewhere_is_the_same_set(
    work: Path, a_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluated(work, checkpoint=str(a_run)).out
    monkeypatch.chdir(work / "cam2")
    assert evaluated(work, checkpoint=str(a_run), shards="../cam1/today/").out == first
    monkeypatch.chdir(work / "cam1/today")
    assert evaluated(work, checkpoint=str(a_run), shards=".").out == first


def test_a_folder_that_is_named_takes_one_set_after_the_other(work: Path, tmp_path: Path) -> None:
    for camera in ("cam1", "cam2"):
        summary = evaluated(work, shards=str(work / camera / "today"), out=str(tmp_path / "out"))
        assert summary.out == str(tmp_path / "out")


def test_two_sets_of_one_name_that_begin_at_once_do_not_share_a_folder(
    work: Path, a_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def overtaken(work_name: str, out: Storage) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(stage, "sole", sole)
            evaluated(work, shards=str(work / "cam2/today"), checkpoint=str(a_run))
        with sole(work_name, out):
            yield

    monkeypatch.setattr(stage, "sole", overtaken)
    with pytest.raises(BusyError, match="evaluation-today: an evaluation of another set"):
        evaluated(work, checkpoint=str(a_run))
    metrics = json.loads((a_run / "evaluation-today/metrics.json").read_text())
    assert metrics["provenance"]["shards"] == str(work / "cam2/today")


# --- what is not ours


def test_a_folder_of_somebody_else_is_refused_and_left_as_it_is(work: Path, tmp_path: Path) -> None:
    for name in ("thesis.txt", "scores/run1.csv", "plots/figure1.png"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text("years of work")
    before = contents(tmp_path / "mine")
    with pytest.raises(ConfigError, match=r"mine: found files, but no config\.toml of evaluate"):
        evaluated(work, out=str(tmp_path / "mine"))
    assert contents(tmp_path / "mine") == before
    shutil.copytree(work / "cam1/today", tmp_path / "set")
    with pytest.raises(ConfigError, match="found files"):
        evaluated(work, out=str(tmp_path / "set"))


def test_only_files_that_an_evaluation_writes_are_removed(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    evaluated(work, out=str(out), report=True, maps=True)
    own = set(contents(out))
    for name in ("thesis.txt", "scores/mine.parquet", "plots/figure1.png", "maps/site.npz", "exhibits/a.npz"):
        (out / name).write_text("years of work")
    foreign = set(contents(out)) - own
    for options in ({}, {"alpha": 0.5, "maps": True}, {"checkpoint": str(work / "b.safetensors")}):
        evaluated(work, out=str(out), **options)
        assert foreign <= set(contents(out))
    left = {Path(name).relative_to(out).parts[0] for name in set(contents(out)) - foreign}
    assert left == {"config.toml", "metrics.json", "scores"}


@pytest.mark.parametrize("name", ["scores", "plots", "maps", "exhibits"])
def test_a_linked_subfolder_is_refused_and_what_it_leads_to_is_left_as_it_is(
    work: Path, tmp_path: Path, name: str
) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    for folder in (out, other):
        evaluated(work, out=str(folder), report=True, maps=True)
    before = contents(other)
    shutil.rmtree(out / name)
    (out / name).symlink_to(other / name)
    with pytest.raises(ConfigError, match=rf"out/{name}: found a link to {other}/{name}"):
        evaluated(work, out=str(out), checkpoint=str(work / "b.safetensors"))
    assert contents(other) == before


def test_a_link_in_a_run_is_refused_and_one_that_was_named_is_followed(
    work: Path, a_run: Path, tmp_path: Path
) -> None:
    evaluated(work, out=str(tmp_path / "other"))
    (a_run / "evaluation-today").symlink_to(tmp_path / "other")
    with pytest.raises(ConfigError, match="evaluation-today: found a link"):
        evaluated(work, checkpoint=str(a_run))
    evaluated(work, out=str(a_run / "evaluation-today"))


# --- one at a time


def test_a_second_evaluation_into_one_folder_is_refused_and_changes_nothing(
    work: Path, tmp_path: Path
) -> None:
    alone, out = tmp_path / "alone", tmp_path / "out"
    expected = evaluated(work, out=str(alone)).record.metrics
    args = [work / "cam1/today", work / "a.safetensors", "--no-report", "--device", "cpu", "--out", out]
    with held(command("evaluate", *args), tmp_path, "pipeline.evaluate.run", "score") as first:
        second = run(command("evaluate", work / "cam1/today", work / "b.safetensors", *args[2:]))
        release(tmp_path)
        _, err = first.communicate(timeout=TIMEOUT)
    assert first.returncode == 0, err
    assert second.returncode == 1
    assert second.stderr.startswith(f"error: {out}: found another evaluation under way in it")
    assert second.stderr.count("\n") == 1
    record = load_record(Storage(out))
    assert record.metrics == expected
    assert record.provenance.checkpoint == str(work / "a.safetensors")


@pytest.mark.ddp
def test_the_processes_of_one_evaluation_share_its_lock(work: Path, tmp_path: Path) -> None:
    options = ["--memory", "video", "--no-report", "--device", "cpu", "--out", tmp_path / "out"]
    args = command("evaluate", work / "cam1/today", work / "a.safetensors", *options, processes=2)
    done = run(args)
    assert done.returncode == 0, done.stderr
    with sole("evaluation", Storage(tmp_path / "out")):
        refused = run(args)
    assert refused.returncode == 1
    errors = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "found another evaluation under way" in errors[0]


# --- parts of another work


def exchange(work: Path, model: Path, name: str) -> None:
    """Put another model in the place of one, as training does."""
    shutil.copy(work / f"{name}.safetensors", model.with_suffix(".new"))
    model.with_suffix(".new").replace(model)


@pytest.mark.parametrize(
    ("module", "moment", "refused"),
    [
        (stage, "wait_for_parts", "scores of another"),
        (summary, "read_scores", "scores of another"),
        (summary, "read_timings", "scores of another"),
        (summary, "read_exhibits", "pictures of another"),
    ],
)
def test_scores_of_another_model_are_never_summed_up_under_this_ones_name(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, moment: str, refused: str
) -> None:
    model, out = tmp_path / "model.safetensors", tmp_path / "out"
    exchange(work, model, "b")
    options = {"checkpoint": str(model), "out": str(out), "report": True, "maps": True}
    expected = evaluated(work, **{**options, "out": str(tmp_path / "alone")}).record.metrics
    exchange(work, model, "a")
    # As where nothing can be locked: in a bucket, or by a process that torchrun left behind.
    monkeypatch.setattr(stage, "sole", lambda *_: contextlib.nullcontext())
    original: Callable[..., Any] = getattr(module, moment)

    def stopped_here(*args: Any) -> Any:
        monkeypatch.setattr(module, moment, original)
        exchange(work, model, "b")
        evaluated(work, **options)  # finds the first one's part, and does it again
        return original(*args)

    monkeypatch.setattr(module, moment, stopped_here)
    with pytest.raises(ReportError, match=f"{refused} evaluation"):
        evaluated(work, **options)
    assert load_record(Storage(out)).metrics == expected
    load_evaluation(str(out))  # is of one piece


def test_killed_before_its_end_it_does_not_go_on_with_scores_of_the_model_before(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model.safetensors"
    exchange(work, model, "b")
    expected = evaluated(work, checkpoint=str(model), out=str(tmp_path / "alone")).record
    exchange(work, model, "a")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(summary, "read_scores", killed)
        with pytest.raises(KeyboardInterrupt):
            evaluated(work, checkpoint=str(model), out=str(tmp_path / "out"))
    assert list((tmp_path / "out/scores").iterdir())
    exchange(work, model, "b")
    found = evaluated(work, checkpoint=str(model), out=str(tmp_path / "out")).record
    assert found.metrics == expected.metrics
    assert found.provenance == expected.provenance


def test_a_pinned_set_is_evaluated_and_another_one_is_not(work: Path, tmp_path: Path) -> None:
    shutil.copytree(work / "cam1/today", tmp_path / "set")
    pinned = dataclasses.replace(config(work), shards=str(tmp_path / "set"), out=str(tmp_path / "out"))
    verified = run(command("verify", tmp_path / "set"))
    digest = verified.stdout.splitlines()[-1].removeprefix("manifest digest: ")
    assert evaluate(dataclasses.replace(pinned, manifest_digest=digest)) is not None
    manifest = tmp_path / "set/manifest.json"
    manifest.write_text(manifest.read_text() + " ")
    assert evaluate(dataclasses.replace(pinned, manifest_digest=digest)) is not None, "its version is there"
    shutil.rmtree(tmp_path / "set/versions")
    args = [tmp_path / "set", work / "a.safetensors", "--out", tmp_path / "out", "--manifest-digest", digest]
    refused = run(command("evaluate", *args))
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"error: {manifest}: found SHA-256 ")
    assert f"expected {digest}" in refused.stderr
    assert refused.stderr.count("\n") == 1
    with pytest.raises(ConfigError, match="--manifest-digest: found 'abc', expected the 64"):
        config(work, manifest_digest="abc")
