"""The Parquet of scores in the programs that people open it with."""

from pathlib import Path

import duckdb
import numpy as np
import polars
import pytest

from mnad import FrameScores
from pipeline.scoring.parts import Timing
from pipeline.scoring.table import SCHEMA
from pipeline.scoring.tablewriter import write_part
from pipeline.scoring.videoscores import VideoScores
from shards.storage import Storage
from tests.helpers.evaluations import WORK


@pytest.fixture
def parts(tmp_path: Path) -> str:
    """The pattern of two parts, a labelled video in one and an unlabelled one in the other."""
    for rank, labelled in enumerate((True, False)):
        scores = FrameScores(
            psnr=np.array([30.0, np.inf]),
            feature_distance=np.array([0.001, 0.002]),
            point_score=np.array([0.0, 0.5]),
            memory_updated=np.array([True, False]),
        )
        video = VideoScores(
            name=f"vidéo {rank}",
            frames=np.array([4, 5]),
            scores=scores,
            anomaly=np.array([0.0, 1.0]),
            labels=np.array([False, True]) if labelled else None,
            seconds=np.array([0.4, 0.5]) if labelled else None,
            local_error=np.array([-20.0, -12.5]),
        )
        write_part(Storage(tmp_path), rank, [video], WORK, Timing(frames=2, seconds=1.0))
    return f"{tmp_path}/scores/*.parquet"


def test_duckdb_reads_all_parts_as_one_table(parts: str) -> None:
    query = "SELECT * FROM read_parquet(?) ORDER BY video, frame"
    relation = duckdb.execute(query, [parts])
    assert [column[0] for column in relation.description] == SCHEMA.names
    rows = relation.fetchall()
    assert rows[1] == ("vidéo 0", 5, float("inf"), 0.002, 0.5, False, 1.0, True, 0.5, -12.5)
    assert rows[2][-3:] == (None, None, -20.0)


def test_polars_reads_all_parts_as_one_table(parts: str) -> None:
    table = polars.read_parquet(parts).sort("video", "frame")
    assert table.columns == SCHEMA.names
    assert table["label"].to_list() == [False, True, None, None]
    assert table["memory_updated"].to_list() == [True, False, True, False]
    assert table.schema["frame"] == polars.Int32
