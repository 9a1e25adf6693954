"""The work of one process: its videos through the model, and what comes out into its sinks."""

import numpy as np

from mnad import MNAD
from mnad.networks import STRIDE
from mnad.scoring import Distance, feature_distance
from pipeline.evaluate.job import Job
from pipeline.processes.distributed import Process
from pipeline.report.pictures import draw_pictures
from pipeline.runs.provenance import work_digest
from pipeline.scoring.exhibitwriter import ExhibitWriter, stride_for
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
    mine = videos_of_rank(frames.tolist(), process.rank, process.world)
    counts = np.maximum(0, frames - window + 1)
    model = job.network.model
    scorer = Scorer(
        model=model,
        memory=job.config.memory,
        threshold=job.provenance.threshold,
        bf16=job.network.autocasts,
        distance=_distance(job, process, model),
    )
    sinks = _sinks(job, process, model, int(counts.sum()))
    batches = evaluation_batches(
        job.storage,
        job.manifest,
        job.split,
        window=window,
        batch=job.provenance.batch_size,
        device=process.device,
        videos=mine,
        threads=job.config.threads,
    )
    total = int(counts[mine].sum())
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


def _sinks(job: Job, process: Process, model: MNAD, frames: int) -> list[Sink]:
    """Those that the options ask for, given the scored frames of all processes; the table is the last."""
    sinks: list[Sink] = []
    if job.config.maps:
        stems = [video_stem(job.split, name) for name in job.videos.names]
        sinks.append(MapWriter(job.out, work_digest(job.provenance.to_json()), stems))
    if job.config.report:
        geometry = job.manifest.geometry
        sinks.append(
            ExhibitWriter(
                job.out,
                process.rank,
                job.provenance,
                job.videos,
                items=model.memory.items,
                stride=stride_for(frames),
                grid=(geometry.height // STRIDE, geometry.width // STRIDE),
                draw=draw_pictures,
            )
        )
    return [*sinks, TableWriter(job.out, process.rank, job.provenance, job.videos)]
