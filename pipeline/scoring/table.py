"""The table of frame scores, as Parquet under `OUT/scores/`: its columns, and reading it whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa

from mnad import FrameScores
from pipeline.errors import ReportError
from pipeline.scoring.parquetfiles import BATCH_ROWS, most_rows, opened, size_of
from pipeline.scoring.parts import AGAIN, FOLDER, MOST_PART_BYTES, check_work, header_of, part_name
from pipeline.scoring.videoscores import VideoScores
from shards.storage import Storage

MOST_ROWS = 5_000_000
"""The most rows that are held, and of which figures are exact: 55 hours at 25 frames/s, which take 1.1 GB."""
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
_READ = SCHEMA.set(0, SCHEMA.field(0).with_type(pa.dictionary(pa.int32(), pa.string())))
"""The schema of a table as it is read: with names of videos as a dictionary, a long name takes its length
once."""
_READ_EARLIER = pa.schema(list(_READ)[:-2])
"""The schema of tables that were written before they had seconds and local errors."""


@dataclass(frozen=True, kw_only=True)
class StreamedScores:
    """The scores of an evaluation, read again by each walk, which holds a batch and one video.

    Attributes:
        out: the evaluation.
        provenance: of the work, as written down; every part must have it.
        order: names of the videos, each once.
    """

    out: Storage
    provenance: Mapping[str, Any]
    order: Sequence[str]

    def __iter__(self) -> Iterator[VideoScores]:
        """Those that have rows, part by part.

        Raises:
            ReportError: a part is damaged, of another work, or holds other videos.
            FileNotFoundError: a part is missing.
        """
        left = set(self.order)
        for rank in range(self.provenance["processes"]):
            name = part_name(rank, self.provenance["processes"])
            where = f"{self.out}/{name}"
            with self.out.open(name, most=MOST_PART_BYTES) as file:
                for video, rows in _videos_in(file, where, self.provenance):
                    if video not in left:
                        problem = "twice" if video in self.order else "which is not of the set"
                        raise ReportError(f"{where}: found scores of video {video!r:.80}, {problem}; {AGAIN}")
                    left.remove(video)
                    _check_rows(where, video, rows)
                    yield _video(video, rows)


def read_scores(
    out: Storage, provenance: Mapping[str, Any], order: Sequence[str], most_rows: int = MOST_ROWS
) -> list[VideoScores] | StreamedScores:
    """All scores: up to so many rows in memory, in the order of the names given; of more, what reads them.

    Args:
        out: the evaluation.
        provenance: of the work, as written down; every part must have it.
        order: names of the videos, each once; those without rows are left out.
        most_rows: that are held.

    Raises:
        ReportError: a part is damaged, of another work, or holds other videos.
        FileNotFoundError: a part is missing.
    """
    streamed = StreamedScores(out=out, provenance=provenance, order=order)
    videos, rows = [], 0
    for video in streamed:
        rows += len(video.frames)
        if rows > most_rows:
            return streamed
        videos.append(video)
    if not videos:
        raise ReportError(f"{out}/{FOLDER}: found no rows; {AGAIN}")
    places = {name: place for place, name in enumerate(order)}
    return sorted(videos, key=lambda video: places[video.name])


def read_known(out: Storage, name: str, wanted: Sequence[str]) -> list[VideoScores]:
    """Those videos of a part, of whatever work, that are wanted, but none whose rows cannot be right.

    Args:
        out: the evaluation.
        name: of the part.
        wanted: names of videos.

    Raises:
        ReportError: it is damaged.
    """
    where, names = f"{out}/{name}", {*wanted}
    videos = []
    with out.open(name, most=MOST_PART_BYTES) as file:
        for video, rows in _videos_in(file, where, None):
            if video not in names:
                continue
            try:
                _check_rows(where, video, rows)
            except ReportError:
                continue
            videos.append(_video(video, rows))
    return videos


def _videos_in(
    file: IO[bytes], where: str, provenance: Mapping[str, Any] | None
) -> Iterator[tuple[str, pa.Table]]:
    """Name and rows of each video of a part."""
    last = ""
    found: list[pa.Table] = []
    for rows in _batches(file, where, provenance):
        numbers = rows["video"].chunk(0).indices.to_numpy()
        starts = np.flatnonzero(np.diff(numbers, prepend=-1))
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(numbers)], strict=True):
            name = rows["video"][start].as_py()
            if found and name != last:
                yield last, pa.concat_tables(found)
                found = []
            last = name
            found.append(rows.slice(start, end - start))
    if found:
        yield last, pa.concat_tables(found)


def _batches(file: IO[bytes], where: str, provenance: Mapping[str, Any] | None) -> Iterator[pa.Table]:
    """The rows of a part; its provenance, if one is asked for, is that of the very bytes that are read."""
    try:
        size = size_of(file)
        part = opened(file, ["video"])
        schema, rows = part.schema_arrow, part.metadata.num_rows
        if provenance is not None:
            check_work(where, header_of(schema), provenance)
        if schema.remove_metadata() not in (_READ, _READ_EARLIER):
            raise ReportError(f"{where}: found columns {schema.names}, expected {SCHEMA.names}; {AGAIN}")
        if not 0 <= rows <= most_rows(size):
            raise ReportError(f"{where}: found {rows} rows in {size} bytes, expected fewer; {AGAIN}")
        for batch in part.iter_batches(BATCH_ROWS):
            batch.validate(full=True)
            if not len(batch):
                continue
            if any(batch[field.name].null_count for field in batch.schema if not field.nullable):
                raise ReportError(f"{where}: found rows without values; {AGAIN}")
            table = pa.Table.from_batches([batch]).replace_schema_metadata()
            for field in list(SCHEMA)[len(table.schema) :]:
                table = table.append_column(field, pa.nulls(len(table), field.type))
            yield table
    except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
        raise ReportError(f"{where}: not a whole table ({type(error).__name__}); {AGAIN}") from error


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
    """With values of its own: a view would keep the whole batch."""
    values = {column: np.array(rows[column].to_numpy()) for column in SCHEMA.names[1:]}

    def all_or_none(column: str) -> np.ndarray | None:
        return None if rows[column].null_count else values[column]

    return VideoScores(
        name=name,
        frames=values["frame"],
        scores=FrameScores(
            psnr=values["psnr"],
            feature_distance=values["feature_distance"],
            point_score=values["point_score"],
            memory_updated=values["memory_updated"],
        ),
        anomaly=values["anomaly_score"],
        labels=all_or_none("label"),
        seconds=all_or_none("seconds"),
        local_error=all_or_none("local_error"),
    )
