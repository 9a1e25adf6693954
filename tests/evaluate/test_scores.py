"""The Parquet of scores: schema, parts, and what counts as whole."""

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnad import FrameScores
from pipeline.errors import ReportError
from pipeline.evaluate.scores import (
    SCHEMA,
    Timing,
    VideoScores,
    delete_stale,
    is_whole,
    part_name,
    part_names,
    read_scores,
    read_timings,
    wait_for_parts,
    write_part,
)
from shards.storage import Storage
from tests.helpers.evaluations import WORK
from tests.helpers.mutation import mutated_bytes

TIMING = Timing(frames=5, seconds=2.5)


def video(name: str, count: int = 5, *, labelled: bool = True) -> VideoScores:
    rng = np.random.default_rng(len(name))
    return VideoScores(
        name=name,
        frames=np.arange(4, 4 + count),
        scores=FrameScores(
            psnr=rng.random(count),
            feature_distance=rng.random(count),
            point_score=rng.random(count),
            memory_updated=rng.random(count) < 0.5,
        ),
        anomaly=rng.random(count),
        labels=rng.random(count) < 0.5 if labelled else None,
    )


@pytest.fixture
def out(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def test_what_is_written_is_read_in_the_order_asked_for(out: Storage) -> None:
    videos = [video("a"), video("bb", labelled=False), video("ccc", 1)]
    write_part(out, 0, [videos[2], videos[0]], WORK, TIMING)
    write_part(out, 1, [videos[1]], WORK, TIMING)
    found = read_scores(out, WORK.to_json(), ["a", "bb", "nothing", "ccc"])
    assert [item.name for item in found] == ["a", "bb", "ccc"]
    for item, expected in zip(found, videos, strict=True):
        assert np.array_equal(item.frames, expected.frames)
        assert np.array_equal(item.anomaly, expected.anomaly)
        assert (item.labels is None) == (expected.labels is None)
        assert expected.labels is None or np.array_equal(item.labels, expected.labels)
        for field in dataclasses.fields(FrameScores):
            assert np.array_equal(getattr(item.scores, field.name), getattr(expected.scores, field.name))
    assert read_timings(out, WORK) == [TIMING, TIMING]


def test_a_part_without_videos_is_a_part(out: Storage) -> None:
    write_part(out, 1, [], WORK, Timing(frames=0, seconds=0.0))
    assert is_whole(out, 1, WORK)
    assert pq.read_schema(out.path(part_name(1, 2))).remove_metadata() == SCHEMA


def test_a_part_of_other_work_is_not_whole_and_goes(out: Storage, tmp_path: Path) -> None:
    other = dataclasses.replace(WORK, checkpoint_sha256="22")
    write_part(out, 0, [video("a")], WORK, TIMING)
    write_part(out, 1, [video("b")], other, TIMING)
    write_part(out, 0, [video("c")], dataclasses.replace(WORK, processes=1), TIMING)
    assert is_whole(out, 0, WORK)
    assert not is_whole(out, 1, WORK)
    delete_stale(out, WORK)
    assert [path.name for path in (tmp_path / "scores").iterdir()] == ["part-00000-of-00002.parquet"]


def test_all_parts_go_where_none_is_to_be_kept(out: Storage, tmp_path: Path) -> None:
    write_part(out, 0, [video("a")], WORK, TIMING)
    delete_stale(out, None)
    assert list((tmp_path / "scores").iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_damaged_part_is_not_whole(out: Storage, damage: bytes) -> None:
    out.write(part_name(0, 2), damage)
    assert not is_whole(out, 0, WORK)
    delete_stale(out, WORK)
    assert not out.exists(part_name(0, 2))


def foreign(out: Storage) -> None:
    """Write the second part of other work."""
    write_part(out, 0, [video("a")], WORK, TIMING)
    write_part(out, 1, [video("b")], dataclasses.replace(WORK, checkpoint_sha256="22"), TIMING)


@pytest.mark.parametrize(
    "read",
    [
        lambda out: wait_for_parts(out, WORK),
        lambda out: read_timings(out, WORK),
        lambda out: read_scores(out, WORK.to_json(), ["a", "b"]),
    ],
)
def test_a_part_of_other_work_is_never_counted_in(out: Storage, read: Callable[[Storage], object]) -> None:
    foreign(out)
    with pytest.raises(ReportError, match=r"part-00001.*\(found checkpoint_sha256 '22', expected '00'\)"):
        read(out)


def test_files_that_no_evaluation_wrote_stay(out: Storage, tmp_path: Path) -> None:
    foreign(out)
    for name in ("mine.parquet", "part-00000-of-00002.parquet.bak", "part-0-of-2.parquet"):
        out.write(f"scores/{name}", b"mine")
    delete_stale(out, None)
    assert len(list((tmp_path / "scores").iterdir())) == 3
    assert part_names(out) == []


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("psnr", np.nan, "psnr that is not a number"),
        ("psnr", -np.inf, "psnr that is not a number"),
        ("feature_distance", np.inf, "feature_distance that is not a number"),
        ("frame", 9, "frames that do not follow one another"),
        ("video", "c", "found scores of video 'c', which is not of the set"),
    ],
)
def test_rows_that_no_evaluation_writes_are_refused(
    out: Storage, column: str, value: object, message: str
) -> None:
    write_part(out, 0, [video("a"), video("b")], WORK, TIMING)
    write_part(out, 1, [], WORK, TIMING)
    table = pq.read_table(out.path(part_name(0, 2)))
    changed = table[column].to_pylist()
    changed[2] = value
    index = table.schema.get_field_index(column)
    table = table.set_column(
        index, table.schema.field(index), pa.array(changed, table.schema.field(index).type)
    )
    pq.write_table(table, out.path(part_name(0, 2)))
    with pytest.raises(ReportError, match=message):
        read_scores(out, WORK.to_json(), ["a", "b"])


def test_other_columns_are_refused(out: Storage) -> None:
    write_part(out, 0, [video("a")], WORK, TIMING)
    write_part(out, 1, [], WORK, TIMING)
    table = pq.read_table(out.path(part_name(0, 2)))
    pq.write_table(table.drop_columns(["label"]), out.path(part_name(0, 2)))
    with pytest.raises(ReportError, match=r"found columns \['video', .*expected"):
        read_scores(out, WORK.to_json(), ["a"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_table_is_refused_or_read(out: Storage, data: st.DataObject) -> None:
    write_part(out, 1, [], WORK, TIMING)
    write_part(out, 0, [video("a"), video("b", labelled=False)], WORK, TIMING)
    good = out.read(part_name(0, 2))
    out.write(part_name(0, 2), data.draw(mutated_bytes(good)))
    with contextlib.suppress(ReportError):
        found = read_scores(out, WORK.to_json(), ["a", "b"])
        assert [item.name for item in found] == ["a", "b"]
