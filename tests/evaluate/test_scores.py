"""The Parquet of scores: schema, parts, and what counts as whole."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mnad import FrameScores
from pipeline.evaluate.scores import (
    SCHEMA,
    Timing,
    VideoScores,
    delete_stale,
    is_whole,
    part_name,
    read_scores,
    read_timings,
    write_part,
)
from shards.storage import Storage
from tests.helpers.evaluations import WORK

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
