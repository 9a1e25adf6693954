"""The table of frame scores, as Parquet under `OUT/scores/`: its columns, and reading it whole."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mnad import FrameScores
from pipeline.errors import ReportError
from pipeline.scoring.parts import AGAIN, FOLDER, check_work, header_of, part_name
from pipeline.scoring.videoscores import VideoScores
from shards.storage import Storage

_ANY_ROWS = 1 << 20
"""That a part of any size may have: video that stands still has equal scores, which take no room."""
_ROW_BYTES = 8
"""That each row beyond takes at least; 24 and more were found."""

SCHEMA = pa.schema(
    [
        pa.field("video", pa.string(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("psnr", pa.float64(), nullable=False),
        pa.field("feature_distance", pa.float64(), nullable=False),
        pa.field("point_score", pa.float64(), nullable=False),
        pa.field("memory_updated", pa.bool_(), nullable=False),
        pa.field("anomaly_score", pa.float64(), nullable=False),
        pa.field("label", pa.bool_()),
        pa.field("seconds", pa.float64()),
        pa.field("local_error", pa.float64()),
    ]
)
"""One row per scored frame; `frame` counts from 0, `label` is true where abnormal and null without labels,
`seconds` null where the video's frame rate is not known."""
_EARLIER = pa.schema(list(SCHEMA)[:-2])
"""Of tables that were written before they had local errors."""


def read_scores(out: Storage, provenance: Mapping[str, Any], order: Sequence[str]) -> list[VideoScores]:
    """All rows, video by video in the order of the names given; videos without rows are left out.

    Args:
        out: the evaluation.
        provenance: of the work, as written down; every part must have it.
        order: names of the videos, each once.

    Raises:
        ReportError: a part is damaged, of another work, or holds other videos.
        FileNotFoundError: a part is missing.
    """
    parts = []
    for rank in range(provenance["processes"]):
        name = part_name(rank, provenance["processes"])
        with out.open(name) as file:
            parts.append(_read_part(file, f"{out}/{name}", provenance))
    table = pa.concat_tables(parts)
    if not table.num_rows or any(table[field.name].null_count for field in SCHEMA if not field.nullable):
        raise ReportError(f"{out}/{FOLDER}: found no rows, or rows without values; {AGAIN}")
    table = table.set_column(0, "position", _positions(table["video"], order, f"{out}/{FOLDER}"))
    table = table.sort_by([("position", "ascending"), ("frame", "ascending")])
    positions = table["position"].to_numpy()
    starts = np.flatnonzero(np.diff(positions, prepend=-1))
    ends = [*starts[1:], len(positions)]
    videos = []
    for start, end in zip(starts, ends, strict=True):
        name, rows = order[positions[start]], table.slice(start, end - start)
        _check_rows(f"{out}/{FOLDER}", name, rows)
        videos.append(_video(name, rows))
    return videos


def _positions(videos: pa.ChunkedArray, order: Sequence[str], where: str) -> pa.ChunkedArray:
    """Of each row's video in the order of names."""
    videos = videos.unify_dictionaries()  # so that names are looked up once, however many parts there are
    position = pc.index_in(videos.chunk(0).dictionary, value_set=pa.array(order, pa.string()))
    chunks = []
    for chunk in videos.chunks:
        places = position.take(chunk.indices)
        if places.null_count:
            name = chunk.filter(pc.is_null(places))[0].as_py()
            raise ReportError(
                f"{where}: found scores of video {name!r:.80}, which is not of the set; {AGAIN}"
            )
        chunks.append(places)
    return pa.chunked_array(chunks, pa.int32())


def read_known(out: Storage, name: str, wanted: Sequence[str]) -> list[VideoScores]:
    """Those videos of a part, of whatever work, that are wanted, but none whose rows cannot be right.

    Args:
        out: the evaluation.
        name: of the part.
        wanted: names of videos.

    Raises:
        ReportError: it is damaged.
    """
    where = f"{out}/{name}"
    with out.open(name) as file:
        table = _read_part(file, where, None)
    table = table.filter(pc.is_in(table["video"].cast(pa.string()), value_set=pa.array(wanted, pa.string())))
    names = table["video"].cast(pa.string()).combine_chunks()
    starts = np.flatnonzero(pc.not_equal(names[1:], names[:-1]).to_numpy(zero_copy_only=False)) + 1
    bounds = [0, *starts.tolist(), len(names)] if len(names) else [0]
    videos = []
    for start, end in itertools.pairwise(bounds):
        rows, video = table.slice(start, end - start), names[start].as_py()
        try:
            _check_rows(where, video, rows)
        except ReportError:
            continue
        videos.append(_video(video, rows))
    return videos


def _read_part(file: Any, where: str, provenance: Mapping[str, Any] | None) -> pa.Table:
    """The rows of a part; its provenance, if one is asked for, is that of the very bytes that are read."""
    try:
        part = pq.ParquetFile(file)
        schema, rows, size = part.schema_arrow, part.metadata.num_rows, file.size()
        if provenance is not None:
            check_work(where, header_of(schema), provenance)
        if schema.remove_metadata() not in (SCHEMA, _EARLIER):
            raise ReportError(f"{where}: found columns {schema.names}, expected {SCHEMA.names}; {AGAIN}")
        if not 0 <= rows <= _ANY_ROWS + size // _ROW_BYTES:
            raise ReportError(f"{where}: found {rows} rows in {size} bytes, expected fewer; {AGAIN}")
        # As a dictionary, a long name takes its length once.
        table = pq.ParquetFile(file, read_dictionary=["video"], page_checksum_verification=True).read()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise ReportError(f"{where}: not a whole table ({type(error).__name__}); {AGAIN}") from error
    table = table.replace_schema_metadata()
    for field in list(SCHEMA)[len(table.schema) :]:
        table = table.append_column(field, pa.nulls(len(table), field.type))
    return table


def _check_rows(where: str, name: str, rows: pa.Table) -> None:
    """Refuse what no evaluation writes."""
    frames = rows["frame"].to_numpy()
    problem = ""
    if frames[0] < 0 or (np.diff(frames) != 1).any():
        problem = "frames that do not follow one another"
    elif not rows["seconds"].null_count and (np.diff(rows["seconds"].to_numpy()) <= 0).any():
        problem = "seconds that do not grow"
    for column in ("psnr", "feature_distance", "point_score", "anomaly_score"):
        values = rows[column].to_numpy()
        if np.isnan(values).any() or np.isinf(values if column != "psnr" else np.minimum(values, 0)).any():
            problem = f"{column} that is not a number"
    for column in ("seconds", "local_error"):
        if not np.isfinite(rows[column].drop_null().to_numpy()).all():
            problem = f"{column} that is not a number"
    for column in ("label", "seconds", "local_error"):
        if 0 < rows[column].null_count < len(rows):
            problem = f"{column} of some frames alone"
    if problem:
        raise ReportError(f"{where}: found {problem} in video {name!r}; {AGAIN}")


def _video(name: str, rows: pa.Table) -> VideoScores:
    labels, seconds, local_error = (_all(rows[name]) for name in ("label", "seconds", "local_error"))
    return VideoScores(
        name=name,
        frames=rows["frame"].to_numpy(),
        scores=FrameScores(
            psnr=rows["psnr"].to_numpy(),
            feature_distance=rows["feature_distance"].to_numpy(),
            point_score=rows["point_score"].to_numpy(),
            memory_updated=rows["memory_updated"].to_numpy(),
        ),
        anomaly=rows["anomaly_score"].to_numpy(),
        labels=labels,
        seconds=seconds,
        local_error=local_error,
    )


def _all(column: pa.ChunkedArray) -> np.ndarray | None:
    values: np.ndarray | None = None if column.null_count else column.to_numpy()
    return values
