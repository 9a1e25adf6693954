"""Tables and journals of scores that unpack to more than any video has: each ends in little memory."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import SourceError
from pipeline.scoring.journal import SUFFIX, recover
from pipeline.scoring.rows import FOLDER, SCHEMA, read_rows, table_name
from shards.storage import Storage
from tests.helpers.limits import limited

MEGABYTES = 400
SECONDS = 60
ROWS = "from pipeline.scoring.rows import read_rows\nfrom shards.storage import Storage"
RECOVER = "from pipeline.scoring.journal import recover\nfrom shards.storage import Storage"


def equal(count: int, text: str) -> pa.RecordBatch:
    """Rows that are all alike, with one text in each column of text."""

    def column(field: pa.Field) -> pa.Array:
        if pa.types.is_string(field.type):
            return pa.array([text]).take(pa.array(np.zeros(count, np.int32)))
        if pa.types.is_boolean(field.type):
            return pa.array(np.zeros(count, bool))
        return pa.array(np.zeros(count, np.int64)).cast(field.type)

    return pa.record_batch([column(field) for field in SCHEMA], schema=SCHEMA)


TABLES = {
    "rows": (4 << 20, "a", "rows in"),
    "long names": (1 << 18, "a" * 2000, "names of"),
}


@pytest.mark.parametrize("attack", TABLES)
def test_a_small_table_of_many_rows_is_refused(attack: str, tmp_path: Path) -> None:
    count, text, words = TABLES[attack]
    path = tmp_path / "a" / table_name("parquet")
    path.parent.mkdir(parents=True)
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as file:
        for _ in range(count >> 16):
            file.write_batch(equal(1 << 16, text))
    assert path.stat().st_size < 2_000_000
    found = limited("read_rows(Storage(sys.argv[1]))", tmp_path / "a", imports=ROWS, seconds=SECONDS)
    assert found.error is not None, "was read"
    kind, line = found.error
    assert kind == "SourceError"
    assert line.startswith(f"{path}: not a table of scores (found ")
    assert words in line and "expected at most" in line
    assert line.endswith("; score the video again")
    assert found.peak < MEGABYTES << 20


def test_text_where_numbers_belong_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / table_name("parquet")
    path.parent.mkdir(parents=True)
    columns = {field.name: pa.array([0] * 4).cast(pa.int64()).cast(pa.string()) for field in SCHEMA}
    pq.write_table(pa.table(columns), path)
    with pytest.raises(SourceError, match="found frame of type string, expected int64"):
        read_rows(Storage(tmp_path))


def test_many_tables_of_one_camera_have_no_more_rows_than_their_bytes_justify(tmp_path: Path) -> None:
    batch = equal(1 << 19, "a")
    (tmp_path / FOLDER).mkdir()
    for number in range(3):
        with pq.ParquetWriter(tmp_path / FOLDER / f"{number}.parquet", SCHEMA, compression="zstd") as file:
            file.write_batch(batch)
    found = limited("read_rows(Storage(sys.argv[1]))", tmp_path, imports=ROWS, seconds=SECONDS)
    assert found.error is not None, "was read"
    assert found.error[1].startswith(
        f"{tmp_path}/{FOLDER}/2.parquet: not a table of scores (found 1572864 rows"
    )


def journal(folder: Path, *batches: pa.RecordBatch) -> Path:
    path = folder / FOLDER / f"a.parquet{SUFFIX}"
    path.parent.mkdir(exist_ok=True)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, SCHEMA, options=options) as stream:
        for batch in batches:
            stream.write_batch(batch)
    return path


JOURNALS = {
    "rows": (3_000_000, 0),
    "long names": (4096, 100_000),
    "one name": (1, 300_000_000),
}
"""Rows and the length of their names; 2 GB of batches, which are made when they are needed."""


@pytest.mark.parametrize("attack", JOURNALS)
def test_a_batch_of_a_journal_that_unpacks_to_more_than_any_is_passed_over(
    attack: str, tmp_path: Path
) -> None:
    count, length = JOURNALS[attack]
    path = journal(tmp_path, equal(5, "cam"), equal(count, "a" * length))
    assert path.stat().st_size < 300_000
    body = "recover(Storage(sys.argv[1]))"
    found = limited(body, tmp_path, imports=RECOVER, seconds=SECONDS)
    assert found.error is None
    assert found.peak < 100 << 20
    assert not path.exists()
    assert read_rows(Storage(tmp_path))["video"].to_pylist() == ["cam"] * 5


def test_a_journal_whose_messages_are_of_no_kind_ends_there(tmp_path: Path) -> None:
    path = journal(tmp_path, equal(5, "cam"))
    data = bytearray(path.read_bytes())
    second = 8 + int.from_bytes(data[4:8], "little") + 8
    root = second + int.from_bytes(data[second : second + 4], "little")
    entries = root - int.from_bytes(data[root : root + 4], "little", signed=True)
    kind = root + int.from_bytes(data[entries + 6 : entries + 8], "little")
    assert data[kind] == 3  # a record batch
    data[kind] = 0
    path.write_bytes(data)
    found = limited("recover(Storage(sys.argv[1]))", tmp_path, imports=RECOVER, seconds=SECONDS)
    assert found.error is None
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_what_a_journal_may_hold_is_recovered(tmp_path: Path) -> None:
    journal(tmp_path, *[equal(4096, "a" * 400)] * 2, equal(1, "é" * 300))
    recover(Storage(tmp_path))
    assert len(read_rows(Storage(tmp_path))) == 8193
