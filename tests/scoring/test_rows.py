"""Rows are written as they come, many at a time, and the table is there whole or not at all."""

import dataclasses
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pipeline.scoring.choices import Form
from pipeline.scoring.rows import SCHEMA, Row, table_name, writing_rows
from shards.storage import Storage


def row(frame: int) -> Row:
    known = frame % 2 == 0
    return Row(
        video="cam",
        frame=frame,
        seconds=frame / 25,
        psnr=float("inf") if frame == 3 else 30.0,
        feature_distance=0.5,
        point_score=0.01,
        memory_updated=False,
        local_error=-20.0,
        evidence=1.5,
        rarity_hours=0.25 if known else None,
        p=0.5 if known else None,
        alarm=known,
        event="a" * 16 if known else None,
        x=0.1,
        y=0.2,
        w=0.3,
        h=0.4,
        profile=None,
        gap=False,
    )


def test_all_rows_come_back_over_several_groups(tmp_path: Path) -> None:
    count = 2 * 4096 + 5
    with writing_rows(Storage(str(tmp_path)), "parquet") as rows:
        for frame in range(count):
            rows.append(row(frame))
    file = pq.ParquetFile(tmp_path / table_name("parquet"))
    assert file.num_row_groups == 3
    assert file.schema_arrow == SCHEMA
    found = file.read().to_pylist()
    assert [Row(**one) for one in found[:10]] == [row(frame) for frame in range(10)]
    assert [one["frame"] for one in found] == list(range(count))


def test_csv_has_the_same_columns_and_leaves_out_what_is_not_known(tmp_path: Path) -> None:
    with writing_rows(Storage(str(tmp_path)), "csv") as rows:
        for frame in range(4):
            rows.append(row(frame))
    found = pyarrow.csv.read_csv(tmp_path / table_name("csv"))
    assert found.column_names == [field.name for field in dataclasses.fields(Row)]
    assert found["rarity_hours"].to_pylist() == [0.25, None, 0.25, None]
    assert found["psnr"].to_pylist()[3] == float("inf")


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_table_without_rows_has_its_columns(tmp_path: Path, form: Form) -> None:
    with writing_rows(Storage(str(tmp_path)), form):
        pass
    path = tmp_path / table_name(form)
    names = pq.read_schema(path).names if form == "parquet" else pyarrow.csv.read_csv(path).column_names
    assert names == SCHEMA.names


def test_nothing_is_there_until_all_is(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="stop"), writing_rows(Storage(str(tmp_path)), "parquet") as rows:
        rows.append(row(0))
        raise RuntimeError("stop")
    assert not list(tmp_path.rglob("*.parquet"))
