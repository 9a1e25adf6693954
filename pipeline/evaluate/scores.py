"""The table of frame scores, as Parquet: one part per process under `OUT/scores/`.

Every part carries the metadata `mnad`: a JSON object with the provenance of its scores and its timing.
"""

import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mnad import FrameScores
from pipeline.errors import ReportError
from shards.jsonfile import parse_json
from shards.storage import Storage

FOLDER = "scores"
_KEY = b"mnad"
_PART = re.compile(r"part-\d{5,}-of-\d{5,}\.parquet")
"""Files that only an evaluation writes, and may remove."""
_AGAIN = "run evaluate again"
_POLL_SECONDS = 0.5
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
    ]
)
"""One row per scored frame; `frame` counts from 0, `label` is true where abnormal and null without labels."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What scores were computed from, and what else was written. Equal provenance, equal files.

    Attributes:
        code_version: of this program.
        checkpoint, checkpoint_sha256: the model.
        shards, manifest_sha256: the data.
        split, memory, alpha, threshold, distance, precision, batch_size: as in EvaluateConfig, resolved.
        processes: how many shared the work.
        report, maps: whether pictures and error maps were gathered beside the scores.
    """

    code_version: str
    checkpoint: str
    checkpoint_sha256: str
    shards: str
    manifest_sha256: str
    split: str
    memory: str
    alpha: float
    threshold: float
    distance: str
    precision: str
    batch_size: int
    processes: int
    report: bool
    maps: bool

    def to_json(self) -> dict[str, Any]:
        """As it is written down."""
        return dataclasses.asdict(self)


def work_digest(provenance: Mapping[str, Any]) -> str:
    """What tells files of one work from those of any other: SHA-256 of its provenance as written down."""
    return hashlib.sha256(json.dumps(provenance, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long one process took.

    Attributes:
        frames: scored.
        seconds: from the first read of a shard to the last score.
    """

    frames: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class VideoScores:
    """Scores of one video's frames, in order.

    Attributes:
        name: of the video.
        frames: (F,) int, frame numbers.
        scores: of those frames.
        anomaly: (F,) float64 in [0, 1].
        labels: (F,) bool, True where abnormal; None without labels.
    """

    name: str
    frames: np.ndarray
    scores: FrameScores
    anomaly: np.ndarray
    labels: np.ndarray | None


def intervals(video: VideoScores) -> list[tuple[int, int]]:
    """Frame numbers [start, end) of the runs of scored frames that are labelled abnormal."""
    if video.labels is None:
        return []
    edges = np.flatnonzero(np.diff(video.labels.astype(np.int8), prepend=0, append=0))
    first = int(video.frames[0])
    return [(first + int(start), first + int(end)) for start, end in edges.reshape(-1, 2)]


def both_classes(labels: np.ndarray) -> bool:
    """Whether there are normal and abnormal frames."""
    return bool(labels.any() and not labels.all())


def interesting(videos: Sequence[VideoScores], most: int) -> list[VideoScores]:
    """Up to `most` videos in order, those with both normal and abnormal frames before others."""
    ranked = sorted(
        range(len(videos)),
        key=lambda i: (labels := videos[i].labels) is None or not both_classes(labels),
    )
    return [videos[i] for i in sorted(ranked[:most])]


def part_name(rank: int, processes: int) -> str:
    """The file of one process's rows."""
    return f"{FOLDER}/part-{rank:05d}-of-{processes:05d}.parquet"


def write_part(
    out: Storage, rank: int, videos: Sequence[VideoScores], provenance: Provenance, timing: Timing
) -> None:
    """Write one process's part; it is there whole or not at all."""
    header = {"provenance": provenance.to_json(), "timing": dataclasses.asdict(timing)}
    schema = SCHEMA.with_metadata({_KEY: json.dumps(header, sort_keys=True).encode()})
    table = pa.concat_tables([schema.empty_table(), *(_table(video, schema) for video in videos)])
    with out.writing(part_name(rank, provenance.processes)) as file:
        pq.write_table(table, file, compression="zstd")


def _table(video: VideoScores, schema: pa.Schema) -> pa.Table:
    count = len(video.frames)
    scores = video.scores
    columns = [
        pa.array([video.name] * count, pa.string()),
        pa.array(video.frames.astype(np.int32)),
        pa.array(scores.psnr),
        pa.array(scores.feature_distance),
        pa.array(scores.point_score),
        pa.array(scores.memory_updated),
        pa.array(video.anomaly),
        pa.nulls(count, pa.bool_()) if video.labels is None else pa.array(video.labels),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def part_names(out: Storage) -> list[str]:
    """The parts that are there, of whatever work."""
    return [f"{FOLDER}/{file}" for file in out.names(FOLDER) if _PART.fullmatch(file)]


def is_whole(out: Storage, rank: int, provenance: Provenance) -> bool:
    """Whether a process's part is there, from exactly this work."""
    name = part_name(rank, provenance.processes)
    return out.exists(name) and _header(out, name).get("provenance") == provenance.to_json()


def delete_stale(out: Storage, provenance: Provenance | None) -> None:
    """Remove the parts of any other work than what has this provenance; all, if None."""
    count = 0 if provenance is None else provenance.processes
    whole = {part_name(r, count) for r in range(count) if provenance and is_whole(out, r, provenance)}
    for name in part_names(out):
        if name not in whole:
            out.delete(name)


def wait_for_parts(out: Storage, provenance: Provenance) -> None:
    """Return when all parts are there.

    Processes meet here, not in a collective, which gives up after a time: one may have hours more to do.

    Raises:
        ReportError: a part is of another work.
    """
    for rank in range(provenance.processes):
        name = part_name(rank, provenance.processes)
        while not out.exists(name):
            time.sleep(_POLL_SECONDS)
        _check_work(f"{out}/{name}", _header(out, name), provenance.to_json())


def read_timings(out: Storage, provenance: Provenance) -> list[Timing]:
    """How long each process took.

    Raises:
        ReportError: a part is of another work.
    """
    timings = []
    for rank in range(provenance.processes):
        name = part_name(rank, provenance.processes)
        header = _header(out, name)
        _check_work(f"{out}/{name}", header, provenance.to_json())
        timings.append(Timing(**header["timing"]))
    return timings


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
        raise ReportError(f"{out}/{FOLDER}: found no rows, or rows without values; {_AGAIN}")
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
    chunks = []
    for chunk in videos.chunks:
        position = pc.index_in(chunk.dictionary, value_set=pa.array(order, pa.string()))
        places = position.take(chunk.indices)
        if places.null_count:
            name = chunk.filter(pc.is_null(places))[0].as_py()
            raise ReportError(
                f"{where}: found scores of video {name!r:.80}, which is not of the set; {_AGAIN}"
            )
        chunks.append(places)
    return pa.chunked_array(chunks, pa.int32())


def _read_part(file: Any, where: str, provenance: Mapping[str, Any]) -> pa.Table:
    """The rows of a part; its provenance is that of the very bytes that are read."""
    try:
        part = pq.ParquetFile(file)
        schema, rows, size = part.schema_arrow, part.metadata.num_rows, file.size()
        _check_work(where, _header_of(schema), provenance)
        if schema.remove_metadata() != SCHEMA:
            raise ReportError(f"{where}: found columns {schema.names}, expected {SCHEMA.names}; {_AGAIN}")
        if not 0 <= rows <= _ANY_ROWS + size // _ROW_BYTES:
            raise ReportError(f"{where}: found {rows} rows in {size} bytes, expected fewer; {_AGAIN}")
        # As a dictionary, a long name takes its length once.
        table = pq.ParquetFile(file, read_dictionary=["video"]).read()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise ReportError(f"{where}: not a whole table ({type(error).__name__}); {_AGAIN}") from error
    return table.replace_schema_metadata()


def _check_work(where: str, header: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    found = header.get("provenance")
    if found == expected:
        return
    known = found if isinstance(found, dict) else {}
    field = next((name for name in expected if known.get(name) != expected[name]), "provenance")
    raise ReportError(
        f"{where}: scores of another evaluation (found {field} {known.get(field)!r}, expected "
        f"{expected.get(field)!r}); {_AGAIN}, one at a time in a folder"
    )


def _check_rows(where: str, name: str, rows: pa.Table) -> None:
    """Refuse what no evaluation writes."""
    frames = rows["frame"].to_numpy()
    problem = ""
    if frames[0] < 0 or (np.diff(frames) != 1).any():
        problem = "frames that do not follow one another"
    for column in ("psnr", "feature_distance", "point_score", "anomaly_score"):
        values = rows[column].to_numpy()
        if np.isnan(values).any() or np.isinf(values if column != "psnr" else np.minimum(values, 0)).any():
            problem = f"{column} that is not a number"
    if 0 < rows["label"].null_count < len(rows):
        problem = "some labels"
    if problem:
        raise ReportError(f"{where}: found {problem} in video {name!r}; {_AGAIN}")


def _video(name: str, rows: pa.Table) -> VideoScores:
    labels = rows["label"]
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
        labels=None if labels.null_count else labels.to_numpy(),
    )


def _header(out: Storage, name: str) -> dict[str, Any]:
    try:
        with out.open(name) as file:
            return _header_of(pq.read_schema(file))
    except (pa.ArrowException, OSError, ValueError):
        return {}


def _header_of(schema: pa.Schema) -> dict[str, Any]:
    """What a part says about itself; nothing if it is of something else."""
    try:
        header = parse_json((schema.metadata or {}).get(_KEY, b"{}"), "provenance")
    except ValueError:
        return {}
    return header if isinstance(header, dict) else {}
