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
from pipeline.scoring.parts import (
    Timing,
    is_whole,
    part_name,
    read_timings,
    stale_parts,
    wait_for_parts,
)
from pipeline.scoring.table import SCHEMA, read_scores
from pipeline.scoring.tablewriter import write_part
from pipeline.scoring.videoscores import VideoScores
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
        seconds=np.arange(4, 4 + count) / 10 if labelled else None,
        local_error=-rng.random(count),
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
        for name in ("labels", "seconds", "local_error"):
            read, written = getattr(item, name), getattr(expected, name)
            assert read is written is None or np.array_equal(read, written)
        for field in dataclasses.fields(FrameScores):
            assert np.array_equal(getattr(item.scores, field.name), getattr(expected.scores, field.name))
    assert read_timings(out, WORK) == [TIMING, TIMING]


def test_a_table_of_before_it_had_local_errors_is_read(out: Storage) -> None:
    write_part(out, 0, [video("a")], WORK, TIMING)
    write_part(out, 1, [], WORK, TIMING)
    for rank in range(2):
        path = out.path(part_name(rank, 2))
        table = pq.read_table(path)
        pq.write_table(table.drop_columns(["seconds", "local_error"]), path)
    (found,) = read_scores(out, WORK.to_json(), ["a"])
    assert np.array_equal(found.scores.psnr, video("a").scores.psnr)
    assert found.seconds is found.local_error is None


@pytest.mark.parametrize(
    ("column", "values", "problem"),
    [
        ("seconds", [0.1, 0.2, 0.2, 0.4, 0.5], "seconds that do not grow"),
        ("seconds", [0.1, None, 0.3, 0.4, 0.5], "seconds of some frames alone"),
        ("local_error", [-1.0, -2.0, None, -1.0, -3.0], "local_error of some frames alone"),
        ("local_error", [-1.0, -2.0, float("nan"), -1.0, -3.0], "local_error that is not a number"),
    ],
)
def test_times_and_local_errors_that_no_evaluation_writes_are_refused(
    out: Storage, column: str, values: list[float | None], problem: str
) -> None:
    write_part(out, 0, [video("a")], WORK, TIMING)
    write_part(out, 1, [], WORK, TIMING)
    path = out.path(part_name(0, 2))
    table = pq.read_table(path)
    at = table.schema.get_field_index(column)
    pq.write_table(table.set_column(at, SCHEMA.field(column), pa.array(values)), path)
    with pytest.raises(ReportError, match=f"found {problem} in video 'a'"):
        read_scores(out, WORK.to_json(), ["a"])


def test_a_part_without_videos_is_a_part(out: Storage) -> None:
    write_part(out, 1, [], WORK, Timing(frames=0, seconds=0.0))
    assert is_whole(out, 1, WORK)
    assert pq.read_schema(out.path(part_name(1, 2))).remove_metadata() == SCHEMA


def test_a_part_of_other_work_is_not_whole_but_stale(out: Storage) -> None:
    other = dataclasses.replace(WORK, checkpoint_sha256="22")
    write_part(out, 0, [video("a")], WORK, TIMING)
    write_part(out, 1, [video("b")], other, TIMING)
    write_part(out, 0, [video("c")], dataclasses.replace(WORK, processes=1), TIMING)
    assert is_whole(out, 0, WORK)
    assert not is_whole(out, 1, WORK)
    assert sorted(stale_parts(out, WORK)) == [part_name(0, 1), part_name(1, 2)]


def test_all_parts_are_stale_where_none_is_to_be_kept(out: Storage) -> None:
    write_part(out, 0, [video("a")], WORK, TIMING)
    assert stale_parts(out, None) == [part_name(0, 2)]


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_damaged_part_is_not_whole(out: Storage, damage: bytes) -> None:
    out.write(part_name(0, 2), damage)
    assert not is_whole(out, 0, WORK)
    assert stale_parts(out, WORK) == [part_name(0, 2)]


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
    assert sorted(stale_parts(out, None)) == [part_name(0, 2), part_name(1, 2)]


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


def test_a_video_in_two_parts_is_refused(out: Storage) -> None:
    write_part(out, 0, [video("a"), video("b")], WORK, TIMING)
    write_part(out, 1, [video("b")], WORK, TIMING)
    with pytest.raises(ReportError, match=r"part-00001.*found scores of video 'b', twice"):
        read_scores(out, WORK.to_json(), ["a", "b"])


def test_a_table_without_rows_is_refused(out: Storage) -> None:
    for rank in range(2):
        write_part(out, rank, [], WORK, TIMING)
    with pytest.raises(ReportError, match="found no rows"):
        read_scores(out, WORK.to_json(), ["a", "b"])


@pytest.mark.parametrize(
    ("column", "found"), [("label", r"found columns \['video', .*expected"), ("video", "not a whole table")]
)
def test_other_columns_are_refused(out: Storage, column: str, found: str) -> None:
    write_part(out, 0, [video("a")], WORK, TIMING)
    write_part(out, 1, [], WORK, TIMING)
    table = pq.read_table(out.path(part_name(0, 2)))
    pq.write_table(table.drop_columns([column]), out.path(part_name(0, 2)))
    with pytest.raises(ReportError, match=found):
        read_scores(out, WORK.to_json(), ["a"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_table_is_refused_or_read(out: Storage, data: st.DataObject) -> None:
    write_part(out, 1, [], WORK, TIMING)
    write_part(out, 0, [video("a"), video("b", labelled=False)], WORK, TIMING)
    good = out.read(part_name(0, 2), most=1 << 30)
    out.write(part_name(0, 2), data.draw(mutated_bytes(good)))
    with contextlib.suppress(ReportError):
        found = read_scores(out, WORK.to_json(), ["a", "b"], most_rows=data.draw(st.sampled_from((0, 10))))
        assert [item.name for item in found] == ["a", "b"]
