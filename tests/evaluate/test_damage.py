"""Damage in an evaluation: whatever its files hold, it is shown, or one line says what is wrong."""

import io
import json
import shutil
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import ReportError
from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.run import evaluate
from pipeline.report.evaluation import load_evaluation
from pipeline.report.render import render
from pipeline.scoring import exhibits
from pipeline.scoring.maps import read_maps
from pipeline.scoring.parts import part_name
from pipeline.scoring.table import SCHEMA
from shards.storage import Storage
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.mutation import mutated_bytes, mutated_json
from tests.helpers.shards import make_set, smooth_frames

SIZE = (16, 24)
SCORES = part_name(0, 1)
EXHIBITS = "exhibits/part-00000-of-00001.npz"
OUTCOMES: Counter[str] = Counter()
"""What came of the mutated inputs, by file; printed by `pytest -s`."""


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished evaluation of one video."""
    root = tmp_path_factory.mktemp("damage")
    make_set(root / "shards", {"testing": [smooth_frames(18, SIZE)]}, labels=[np.arange(18) >= 9])
    make_checkpoint(root / "run" / "checkpoints" / "model-00000003.safetensors", size=SIZE)
    evaluate(EvaluateConfig(shards=str(root / "shards"), checkpoint=str(root / "run"), maps=True))
    yield root / "run" / "evaluation-shards"
    print(*sorted(OUTCOMES.items()), sep="\n")


@pytest.fixture(scope="module")
def copy(evaluation: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy") / "evaluation"
    shutil.copytree(evaluation, folder)
    return folder


def outcome(folder: Path) -> str:
    """Shown, or one line."""
    try:
        render([load_evaluation(str(folder))])
    except ReportError as error:
        assert "\n" not in str(error)
        assert str(folder) in str(error)
        return "refused"
    return "shown"


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_was_mutated_is_shown_or_one_line(evaluation: Path, copy: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(("metrics.json", SCORES, EXHIBITS)))
    good = (evaluation / name).read_bytes()
    bad = mutated_bytes(good)
    if name == "metrics.json":
        bad |= mutated_json(json.loads(good))
    (copy / name).write_bytes(data.draw(bad))
    try:
        OUTCOMES[f"{name}: {outcome(copy)}"] += 1
    finally:
        (copy / name).write_bytes(good)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_mutated_provenance_of_scores_is_one_line(evaluation: Path, copy: Path, data: st.DataObject) -> None:
    table = pq.read_table(evaluation / SCORES)
    header = json.loads(table.schema.metadata[b"mnad"])
    bad = data.draw(mutated_json(header) | mutated_bytes(json.dumps(header).encode()))
    pq.write_table(table.replace_schema_metadata({b"mnad": bad}), copy / SCORES)
    try:
        OUTCOMES[f"provenance of scores: {outcome(copy)}"] += 1
    finally:
        shutil.copy(evaluation / SCORES, copy / SCORES)


def columns(table: pa.Table, **changed: pa.Array) -> pa.Table:
    """The table with some columns changed."""
    for name, values in changed.items():
        index = table.schema.get_field_index(name)
        table = table.set_column(index, pa.field(name, values.type, nullable=True), values)
    return table


def ints(*values: int) -> pa.Array:
    return pa.array([*values, *range(100, 114 - len(values))], pa.int32())


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop_columns("psnr"),
        lambda table: table.select(reversed(SCHEMA.names)),
        lambda table: table.append_column("more", pa.nulls(14)),
        lambda table: table.slice(0, 0),
        lambda table: pa.concat_tables([table, table]),
        lambda table: columns(table, video=pa.array(["../x"] * 14)),
        lambda table: columns(table, video=pa.nulls(14, pa.string())),
        lambda table: columns(table, video=pa.array([b"\xff"] * 14, pa.binary())),
        lambda table: columns(table, frame=ints(-1)),
        lambda table: columns(table, frame=ints(1, 1)),
        lambda table: columns(table, frame=pa.nulls(14, pa.int32())),
        lambda table: columns(table, psnr=pa.array([float("nan")] * 14)),
        lambda table: columns(table, psnr=pa.nulls(14, pa.float64())),
        lambda table: columns(table, anomaly_score=pa.array([float("inf")] * 14)),
        lambda table: columns(table, anomaly_score=pa.array([2.0] * 14)),
        lambda table: columns(table, label=pa.array([True] * 7 + [None] * 7)),
        lambda table: columns(table, label=pa.array(["yes"] * 14)),
    ],
)
def test_a_table_that_no_evaluation_writes_is_refused(
    evaluation: Path, copy: Path, change: Callable[[pa.Table], pa.Table]
) -> None:
    good = pq.read_table(evaluation / SCORES)
    pq.write_table(change(good).replace_schema_metadata(good.schema.metadata), copy / SCORES)
    try:
        assert outcome(copy) == "refused"
    finally:
        shutil.copy(evaluation / SCORES, copy / SCORES)


def test_a_small_table_of_very_many_rows_is_refused_before_they_take_memory(
    evaluation: Path, copy: Path
) -> None:
    good = pq.read_table(evaluation / SCORES)
    rows = pa.concat_tables([good.slice(0, 1)] * 1).take(pa.array(np.zeros(3_000_000, np.int8)))
    pq.write_table(rows.replace_schema_metadata(good.schema.metadata), copy / SCORES, compression="zstd")
    assert (copy / SCORES).stat().st_size < 1_000_000
    try:
        with pytest.raises(ReportError, match=r"found 3000000 rows in \d+ bytes"):
            load_evaluation(str(copy))
    finally:
        shutil.copy(evaluation / SCORES, copy / SCORES)


def npz(evaluation: Path, **changed: np.ndarray) -> bytes:
    """The file of exhibits with some arrays changed."""
    with np.load(evaluation / EXHIBITS) as file:
        arrays = dict(file) | changed
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "changed",
    [
        {"video": np.array(["nobody"] * 14)},
        {"video": np.zeros(14)},
        {"video": np.array(["01"] * 13)},
        {"frame": np.full(14, 10**12)},
        {"frame": np.full(14, -5)},
        {"frame": np.zeros(14)},
        {"frame": np.zeros((14, 2), np.int64)},
        {"queries": np.zeros((14, 3), np.float32)},
        {"queries": np.full((14, 512), np.nan, np.float32)},
        {"items": np.zeros((4, 512), np.int64)},
        {"items": np.zeros((4, 3), np.float32)},
        {"items": np.float32(0)},
        {"nearest": np.zeros((2, 3, 4), np.int64)},
        {"nearest": np.full((2, 3, 4), -1)},
        {"nearest": np.zeros(4, np.int64)},
        {"nearest": np.zeros((2, 3, 4))},
        {"picture_ends": np.full(14, 10**15)},
        {"picture_ends": np.arange(14)[::-1].copy()},
        {"picture_ends": np.zeros(13, np.int64)},
        {"picture_ends": np.zeros((14, 1), np.int64)},
        {"picture_ends": np.array(["x"] * 14)},
        {"work": np.zeros(3)},
        {"more": np.zeros(3)},
    ],
    ids=lambda changed: f"{next(iter(changed))}-{next(iter(changed.values())).shape}",
)
def test_exhibits_that_no_evaluation_writes_are_refused(
    evaluation: Path, copy: Path, changed: dict[str, np.ndarray]
) -> None:
    (copy / EXHIBITS).write_bytes(npz(evaluation, **changed))
    try:
        assert outcome(copy) == "refused"
    finally:
        shutil.copy(evaluation / EXHIBITS, copy / EXHIBITS)


def bomb(member: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("items.npy", member)
    return buffer.getvalue()


def zeros(shape: str, data: bytes = b"") -> bytes:
    header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(
    "data",
    [
        bomb(zeros("(50000000,)", bytes(400_000_000))),
        bomb(zeros("(50000000,)")),
        bomb(zeros("(1000000000000,)")),
        bomb(zeros("(-1,)")),
        bomb(zeros("(1" + ",1" * 30_000 + ",)")),
        bomb(b"\x93NUMPY\x09\x00"),
        bomb(b""),
    ],
    ids=["deflated", "short", "huge", "negative", "long", "version", "empty"],
)
@pytest.mark.parametrize("name", [EXHIBITS, "maps"])
def test_arrays_take_no_more_memory_than_their_file_justifies(
    evaluation: Path, copy: Path, data: bytes, name: str
) -> None:
    path = copy / name if name == EXHIBITS else next((copy / "maps").iterdir())
    good = path.read_bytes()
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(ReportError) as caught:
            if name == EXHIBITS:
                exhibits.read_exhibits(Storage(copy), 1, "x")
            else:
                read_maps(Storage(copy), path.stem.removesuffix("-00000004"), np.arange(4, 18), "x", (16, 24))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        path.write_bytes(good)
    assert peak < 20_000_000
    assert "\n" not in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_mutated_maps_are_maps_or_one_line(evaluation: Path, copy: Path, data: st.DataObject) -> None:
    path = next((copy / "maps").iterdir())
    good = path.read_bytes()
    work = str(np.load(path)["work"])
    path.write_bytes(data.draw(mutated_bytes(good)))
    stem, frames = path.stem.removesuffix("-00000004"), np.arange(4, 18)
    try:
        maps = read_maps(Storage(copy), stem, frames, work, SIZE)
    except ReportError as error:
        assert "\n" not in str(error)
        OUTCOMES["maps: refused"] += 1
    else:
        assert maps is not None
        assert maps.shape == (14, *SIZE)
        assert maps.dtype == np.uint8
        OUTCOMES["maps: read"] += 1
    finally:
        path.write_bytes(good)
