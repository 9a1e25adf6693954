"""The work of one process: its videos through the model, and what comes out into its sinks."""

import numpy as np
import torch
from torch import Tensor

from mnad import MNAD
from mnad.networks import STRIDE
from mnad.scoring import Distance, feature_distance
from pipeline.evaluate.job import Job
from pipeline.evaluate.known import Known, known_of, stride_of
from pipeline.processes.distributed import Process
from pipeline.report.pictures import draw_pictures
from pipeline.scoring.exhibitwriter import ExhibitWriter
from pipeline.scoring.maps import MapWriter
from pipeline.scoring.places import normal_places
from pipeline.scoring.scorer import Scorer
from pipeline.scoring.sinks import Sink, feed
from pipeline.scoring.tablewriter import TableWriter
from pipeline.terminal.progress import progress
from shards.names import video_stem
from shards.plan import videos_of_rank
from shards.stream import evaluation_batches


def score(job: Job, process: Process) -> None:
    """Score this process's videos and write its part of the results, the table last.

    Raises:
        CheckpointError: the model gives something that is no number.
        ConfigError, ShardError: the shards do not give what was asked for.
    """
    window = job.checkpoint.spec.window
    frames = job.videos.frames
    counts = np.maximum(0, frames - window + 1)
    mine = videos_of_rank(frames.tolist(), process.rank, process.world)
    known = known_of(job, mine)
    videos = [video for video in mine if video not in known.videos]
    total = int(counts[videos].sum())
    model = job.network.model
    memory = None if known.memory is None else torch.from_numpy(known.memory).to(process.device)
    scorer = Scorer(
        model=model,
        memory=job.config.memory,
        threshold=job.provenance.threshold,
        bf16=job.network.autocasts,
        distance=_distance(job, process, model) if total else feature_distance,
        start=memory,
    )
    sinks = _sinks(job, process, known, memory)
    batches = evaluation_batches(
        job.storage,
        job.manifest,
        job.split,
        window=window,
        batch=job.provenance.batch_size,
        device=process.device,
        videos=videos,
        threads=job.config.threads,
    )
    with progress("evaluate", total, "frames", quiet=not process.is_first) as advance:
        feed(sinks, scorer.scored(batches), advance)


def _distance(job: Job, process: Process, model: MNAD) -> Distance:
    if job.config.distance == "items":
        return feature_distance
    return normal_places(
        model,
        job.storage,
        job.manifest,
        window=job.checkpoint.spec.window,
        batch=job.provenance.batch_size,
        bf16=job.network.autocasts,
        device=process.device,
        threads=job.config.threads,
        quiet=not process.is_first,
    ).distance


def _sinks(job: Job, process: Process, known: Known, memory: Tensor | None) -> list[Sink]:
    """Those that the options ask for; the table is the last."""
    sinks: list[Sink] = []
    if job.config.maps:
        stems = [video_stem(job.split, name) for name in job.videos.names]
        sinks.append(MapWriter(job.out, job.works, stems))
    if job.config.report:
        geometry = job.manifest.geometry
        sinks.append(
            ExhibitWriter(
                job.out,
                process.rank,
                job.provenance,
                job.videos,
                items=job.network.model.memory.items,
                stride=stride_of(job),
                grid=(geometry.height // STRIDE, geometry.width // STRIDE),
                draw=draw_pictures,
                known=known.exhibits,
            )
        )
    table = TableWriter(
        job.out,
        process.rank,
        job.provenance,
        job.videos,
        works=job.works,
        known=known.videos,
        memory=memory,
    )
    return [*sinks, table]
