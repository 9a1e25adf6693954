"""The sink that keeps scores: one process's part of the table."""

import time
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from mnad import FrameScores, normality
from mnad.local_error import TABLE_SCALES, LocalError
from pipeline.runs.provenance import Provenance
from pipeline.scoring.parts import Timing, Works, marked, part_name
from pipeline.scoring.scorer import ScoredBatch
from pipeline.scoring.table import SCHEMA
from pipeline.scoring.videoscores import VideoScores, grouped
from shards.entries import Video
from shards.rates import rate_of
from shards.storage import Storage

_GROUP_ROWS = 1 << 19
"""The number of rows that are written together, each of 45 bytes until then; groups of an eighth took 20 %
more on disk."""


class TableWriter:
    """Gathers the scores of videos, and writes them together: a part is there when all of it is.

    The anomaly score of a frame is relative to its whole video, so scores, 58 bytes a frame, wait until then.

    Args:
        out: the evaluation.
        rank: of this process.
        provenance: of the work.
        videos: of the split.
        works: what the scores of each are of; nothing is said of them if left out.
        known: scores that are there, by the number of their video.
        memory: that is carried on from those, where it is.
    """

    def __init__(
        self,
        out: Storage,
        rank: int,
        provenance: Provenance,
        videos: Sequence[Video],
        *,
        works: Sequence[str] = (),
        known: Mapping[int, VideoScores] | None = None,
        memory: Tensor | None = None,
    ) -> None:
        self._out = out
        self._rank = rank
        self._provenance = provenance
        self._videos = videos
        self._video = 0
        self._frames: list[np.ndarray] = []
        self._scores: list[FrameScores] = []
        self._local_errors: list[np.ndarray] = []
        self._look: LocalError | None = None
        self._works = works
        self._known = known or {}
        self._memory = memory
        self._done: dict[int, VideoScores] = {}
        self._started = time.perf_counter()
        self._seconds = 0.0
        self._is_written = False

    def observe(self, scored: ScoredBatch) -> None:
        """Take the next batch."""
        if scored.video != self._video:
            self._finish_video()
        self._video = scored.video
        self._frames.append(scored.frames)
        self._scores.append(scored.scores)
        self._local_errors.append(self._local_error(scored.seen.error))
        self._memory = scored.after
        self._seconds = time.perf_counter() - self._started

    def close(self) -> None:
        """Write the part."""
        self._finish_video()
        frames = sum(len(video.frames) for video in self._done.values())
        timing = Timing(frames=frames, seconds=self._seconds, reused=len(self._known))
        done = dict(sorted({**self._known, **self._done}.items()))
        is_carried = self._provenance.memory == "carry" and self._memory is not None
        works = Works(
            of={video.name: self._works[number] for number, video in done.items()} if self._works else {},
            memory=self._memory.cpu().numpy() if is_carried and self._memory is not None else None,
        )
        write_part(self._out, self._rank, [*done.values()], self._provenance, timing, works)
        self._is_written = True

    def discard(self) -> None:
        """Remove the part."""
        if self._is_written:
            self._out.delete(part_name(self._rank, self._provenance.processes))

    def _local_error(self, error: Tensor) -> np.ndarray:
        """(B,) dB of squared errors (B, C, H, W)."""
        if self._look is None:
            everywhere = torch.ones(error.shape[-2:], dtype=torch.bool, device=error.device)
            self._look = LocalError.looking_at(everywhere, scales=TABLE_SCALES)
        return self._look(error)[:, 0].cpu().numpy()

    def _finish_video(self) -> None:
        if self._frames:
            video, labels = self._videos[self._video], self._videos[self._video].labels
            frames, scores = np.concatenate(self._frames), FrameScores.join(self._scores)
            self._done[self._video] = VideoScores(
                name=video.name,
                frames=frames,
                scores=scores,
                anomaly=1 - normality(scores.psnr, scores.feature_distance, self._provenance.alpha),
                labels=None if labels is None else labels[frames],
                seconds=None if (rate := rate_of(video)) is None else frames / rate,
                local_error=np.concatenate(self._local_errors),
            )
            self._frames, self._scores, self._local_errors = [], [], []


def write_part(
    out: Storage,
    rank: int,
    videos: Sequence[VideoScores],
    provenance: Provenance,
    timing: Timing,
    works: Works | None = None,
) -> None:
    """Write one process's part; it is there whole or not at all."""
    schema = marked(SCHEMA, provenance, timing, works or Works())
    with (
        out.writing(part_name(rank, provenance.processes)) as file,
        pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for group in grouped(videos, _GROUP_ROWS):
            writer.write_table(pa.concat_tables([_table(video, schema) for video in group]))


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
        _or_nulls(video.labels, count, pa.bool_()),
        _or_nulls(video.seconds, count, pa.float64()),
        _or_nulls(video.local_error, count, pa.float64()),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _or_nulls(values: np.ndarray | None, count: int, kind: pa.DataType) -> pa.Array:
    return pa.nulls(count, kind) if values is None else pa.array(values)
