"""The table of frame scores, as Parquet: one part per process under `OUT/scores/`.

Every part carries the metadata `mnad`: a JSON object with the provenance of its scores and its timing.
"""

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mnad import FrameScores
from shards.storage import Storage

FOLDER = "scores"
_KEY = b"mnad"
_POLL_SECONDS = 0.5

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
    header = {"provenance": dataclasses.asdict(provenance), "timing": dataclasses.asdict(timing)}
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


def is_whole(out: Storage, rank: int, provenance: Provenance) -> bool:
    """Whether a process's part is there, from exactly this work."""
    name = part_name(rank, provenance.processes)
    return out.exists(name) and _header(out, name).get("provenance") == dataclasses.asdict(provenance)


def delete_stale(out: Storage, provenance: Provenance | None) -> None:
    """Remove the parts of any other work than what has this provenance; all, if None."""
    count = 0 if provenance is None else provenance.processes
    whole = {part_name(r, count) for r in range(count) if provenance and is_whole(out, r, provenance)}
    for file in out.names(FOLDER):
        if f"{FOLDER}/{file}" not in whole:
            out.delete(f"{FOLDER}/{file}")


def wait_for_parts(out: Storage, processes: int) -> None:
    """Return when all parts are there.

    Processes meet here, not in a collective, which gives up after a time: one may have hours more to do.
    """
    for rank in range(processes):
        while not out.exists(part_name(rank, processes)):
            time.sleep(_POLL_SECONDS)


def read_timings(out: Storage, processes: int) -> list[Timing]:
    """How long each process took."""
    return [Timing(**_header(out, part_name(rank, processes))["timing"]) for rank in range(processes)]


def read_scores(out: Storage, processes: int, order: Sequence[str]) -> list[VideoScores]:
    """All rows, video by video in the order of the names given; videos without rows are left out."""
    parts = []
    for rank in range(processes):
        with out.open(part_name(rank, processes)) as file:
            parts.append(pq.read_table(file).replace_schema_metadata())
    table = pa.concat_tables(parts)
    position = pc.index_in(table["video"], value_set=pa.array(order, pa.string()))
    table = table.append_column("position", position).sort_by(
        [("position", "ascending"), ("frame", "ascending")]
    )
    positions = table["position"].to_numpy()
    starts = np.flatnonzero(np.diff(positions, prepend=-1))
    ends = [*starts[1:], len(positions)]
    return [
        _video(order[positions[start]], table.slice(start, end - start))
        for start, end in zip(starts, ends, strict=True)
    ]


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
            metadata = pq.read_schema(file).metadata or {}
        header: dict[str, Any] = json.loads(metadata.get(_KEY, b"{}"))
    except (pa.ArrowException, OSError, ValueError):
        return {}
    return header
