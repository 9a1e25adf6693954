"""The record of an evaluation: what is read is what was written, and what cannot be is one line."""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ReportError
from pipeline.runs import evaluation
from pipeline.runs.evaluation import (
    EvaluationRecord,
    load_record,
    record_from_json,
)
from pipeline.runs.limits import MOST_SMOOTHING
from pipeline.runs.provenance import Provenance
from shards.jsonfile import MOST_BYTES
from shards.storage import Storage
from tests.helpers.evaluations import RECORD
from tests.helpers.mutation import mutated_bytes, mutated_json

FILE = evaluation.RECORD
OUTCOMES: Counter[str] = Counter()
"""What came of the mutated inputs; printed by `pytest -s`."""

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
counts = st.integers(0, 1 << 62)
numbers = st.floats(allow_nan=False, allow_infinity=False) | counts
shares = st.floats(0, 1) | st.sampled_from((0, 1))
figures = st.none() | shares
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


def all_of(kind: type, **chosen: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A dataclass whose other fields are figures."""
    names = [field.name for field in dataclasses.fields(kind)]
    return st.builds(kind, **{name: chosen.get(name, figures) for name in names})


metrics = all_of(evaluation.Metrics)
records = all_of(
    EvaluationRecord,
    metrics=st.none() | st.dictionaries(texts, metrics, max_size=3),
    smoothed=st.none() | st.dictionaries(texts, st.none() | numbers, max_size=3),
    frames=st.builds(evaluation.FrameCounts, scored=counts, labelled=counts, abnormal=counts),
    videos=st.lists(
        all_of(
            evaluation.VideoFigures,
            name=texts,
            scored=counts,
            abnormal=st.none() | counts,
            memory_updates=counts,
        ),
        max_size=3,
    ).map(tuple),
    online=st.none() | all_of(evaluation.Online),
    bounds=st.none()
    | st.builds(
        evaluation.Bounds,
        bins=counts,
        metrics=st.dictionaries(texts, all_of(evaluation.Metrics), max_size=3),
        smoothed=st.none() | all_of(evaluation.Metrics),
        online=st.none() | all_of(evaluation.Online),
    ),
    label_source=st.lists(texts, max_size=2).map(tuple),
    localisation=st.none() | all_of(evaluation.Localisation, regions=counts, tracks=counts),
    notes=st.lists(texts, max_size=2).map(tuple),
    provenance=st.builds(
        Provenance,
        code_version=texts,
        checkpoint=texts,
        alpha=shares,
        threshold=numbers,
        batch_size=counts,
        processes=st.integers(1, 1 << 62),
    ),
    model=st.builds(
        evaluation.ScoredModel,
        window=counts,
        items=counts,
        height=st.none() | counts,
        width=st.none() | counts,
        channels=counts,
        channel_order=texts,
        step=counts,
        epoch=counts,
        origin=st.dictionaries(texts, values, max_size=3),
    ),
    dataset=texts,
    config=st.builds(
        lambda others, sigma: {**others, "smoothing": sigma},
        st.dictionaries(texts, values, max_size=3),
        st.floats(0, MOST_SMOOTHING),
    ),
    timing=st.builds(evaluation.Speed, frames_per_second=numbers, seconds=numbers, frames=counts),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("evaluation")
    print(*sorted(OUTCOMES.items()), sep="\n")


@settings(max_examples=300, deadline=None)
@given(record=records)
def test_what_is_read_is_what_was_written(folder: Path, record: EvaluationRecord) -> None:
    record.save(Storage(folder))
    found = load_record(Storage(folder))
    assert found == record
    assert found.to_json() == (folder / FILE).read_bytes()


def test_the_file_is_indented_and_starts_with_what_it_is() -> None:
    lines = RECORD.to_json().decode().split("\n")
    assert lines[:4] == ["{", ' "format": "mnad-evaluation",', ' "version": 1,', ' "auc": 0.5,']
    assert lines[-2:] == ["}", ""]
    assert list(json.loads(RECORD.to_json())) == [
        *("format", "version", "auc", "metrics", "smoothed", "base_rate", "frames", "videos", "online"),
        *(
            "bounds",
            "label_source",
            "localisation",
            "notes",
            "provenance",
            "model",
            "dataset",
            "config",
            "timing",
        ),
    ]


@pytest.mark.parametrize("entry", ["online", "bounds"])
def test_a_record_of_before_there_was_an_entry_is_read(entry: str) -> None:
    without: dict[str, Any] = {entry: None}
    assert record_from_json(changed(lambda value: value.pop(entry))) == dataclasses.replace(RECORD, **without)


def test_figures_are_found_by_score() -> None:
    assert RECORD.of("psnr") == (RECORD.metrics or {})["psnr"]
    assert RECORD.of("loudness") is None
    assert RECORD.bounds is not None
    assert RECORD.bounds.of("psnr") == RECORD.bounds.metrics["psnr"]
    assert RECORD.bounds.of("loudness") is None
    assert dataclasses.replace(RECORD, metrics=None).of("psnr") is None


def changed(change: Callable[[Any], object]) -> Any:
    value = json.loads(RECORD.to_json())
    change(value)
    return value


def test_entries_of_a_later_version_are_passed_over() -> None:
    more = changed(lambda m: (m.update(more=1), m["timing"].update(more=[]), m["videos"][0].update(more=2)))
    assert record_from_json(more) == RECORD


def paths(value: Any, *above: str) -> Iterator[tuple[str, ...]]:
    for name, inner in value.items():
        yield (*above, name)
        if isinstance(inner, dict) and name not in ("metrics", "smoothed", "origin", "config"):
            yield from paths(inner, *above, name)


PASSED_OVER = {("format",), ("version",), ("online",), ("bounds",)}
RELIED_ON = [path for path in paths(json.loads(RECORD.to_json())) if path not in PASSED_OVER]


@pytest.mark.parametrize("path", RELIED_ON, ids=".".join)
def test_a_missing_entry_is_named(path: tuple[str, ...]) -> None:
    value = json.loads(RECORD.to_json())
    section = value
    for name in path[:-1]:
        section = section[name]
    del section[path[-1]]
    with pytest.raises(ValueError, match=rf"^found no {re.escape('.'.join(path))}$"):
        record_from_json(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format="other"), "of another program"),
        (lambda m: m.pop("format"), "of another program"),
        (lambda m: m.update(auc="1"), "found auc of type str"),
        (lambda m: m.update(auc=True), "found auc of type bool"),
        (lambda m: m.update(auc=2), "found auc 2, expected 0 to 1"),
        (lambda m: m.update(metrics=[]), "found no entries in metrics"),
        (lambda m: m["metrics"].update({"a\nb": 3}), "found no entries in metrics"),
        (lambda m: m["metrics"]["psnr"].update(auc="x"), "found metrics.auc of type str"),
        (lambda m: m["metrics"]["psnr"].pop("auc_raw"), "found no metrics.auc_raw"),
        (lambda m: m["notes"].append(3), "found notes of type int"),
        (lambda m: m.update(notes="all"), "found no list notes"),
        (lambda m: m["videos"].append([]), "found no entries in videos"),
        (lambda m: m["videos"][0].update(scored=1.5), "found videos.scored of type float"),
        (lambda m: m["provenance"].update(alpha=1.5), "found alpha 1.5, expected 0 to 1"),
        (lambda m: m["provenance"].update(processes=0), "found 0 processes"),
        (lambda m: m["provenance"].update(maps=1), "found provenance.maps of type int"),
        (lambda m: m["model"].update(method="gan"), "found model.method 'gan', expected pred or recon"),
        (lambda m: m["model"].update(step=None), "found model.step of type NoneType"),
        (lambda m: m["config"].pop("smoothing"), "found no number config.smoothing"),
        (lambda m: m["config"].update(smoothing=True), "found no number config.smoothing"),
        (lambda m: m["config"].update(smoothing=1e5), "found smoothing 100000.0, expected 0 to 10000"),
    ],
)
def test_what_cannot_be_is_one_line(change: Callable[[Any], object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        record_from_json(changed(change))


@settings(max_examples=400, deadline=None)
@given(bad=mutated_json(json.loads(RECORD.to_json())) | mutated_bytes(RECORD.to_json()))
def test_a_mutated_file_is_a_record_or_one_line(folder: Path, bad: bytes) -> None:
    (folder / FILE).write_bytes(bad)
    try:
        record = load_record(Storage(folder))
    except ReportError as error:
        assert str(error).startswith(f"{folder}/{FILE}: not that of an evaluation (")
        assert str(error).endswith("); run evaluate again")
        assert "\n" not in str(error)
        OUTCOMES["refused"] += 1
    else:
        assert record_from_json(json.loads(record.to_json())) == record
        OUTCOMES["read"] += 1


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / FILE).open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ReportError, match=rf"found {MOST_BYTES + 1} bytes, expected JSON of at most"):
        load_record(Storage(tmp_path))


def test_where_there_is_none_the_folder_is_named(tmp_path: Path) -> None:
    where = re.escape(str(tmp_path))
    with pytest.raises(ReportError, match=rf"^{where}: no metrics\.json found; give a folder"):
        load_record(Storage(tmp_path))
