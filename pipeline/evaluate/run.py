"""The stage: score this process's videos, write its part of the table; the first process sums up.

`metrics.json` is written last: an evaluation that has it is whole. Parts of an evaluation that was
killed are kept where they are whole and from the same work, so only the missing ones are redone.
"""

import dataclasses
import json
import time
from dataclasses import dataclass
from typing import Any

import torch

from mnad import Observed, normality
from mnad.fusion import fuse
from mnad.networks import STRIDE
from mnad.scoring import Distance, feature_distance
from pipeline.config import dump_config, recordable
from pipeline.errors import CheckpointError, ConfigError, ShardError
from pipeline.evaluate.calibration import normal_places
from pipeline.evaluate.config import ALPHA, THRESHOLD, EvaluateConfig
from pipeline.evaluate.exhibits import (
    Collector,
    delete_without_part,
    read_exhibits,
    source_shape,
    stride_for,
    write_exhibits,
)
from pipeline.evaluate.figures import compute_figures
from pipeline.evaluate.inference import Scorer, full_float32, largest_batch
from pipeline.evaluate.localisation import MaskedVideo, fit_masks, localisation
from pipeline.evaluate.maps import MapWriter, delete_maps, read_maps
from pipeline.evaluate.plotfiles import MOST_TIMELINES, delete_plots, write_plots
from pipeline.evaluate.report import METRICS, REPORT, Evaluation, render
from pipeline.evaluate.scores import (
    FOLDER,
    Provenance,
    Timing,
    VideoScores,
    delete_stale,
    is_whole,
    part_names,
    read_scores,
    read_timings,
    wait_for_parts,
    work_digest,
    write_part,
)
from pipeline.evaluate.target import COMMAND, claim, is_taken
from pipeline.processes.distributed import Process, from_first, held_by_first, processes, together
from pipeline.processes.locking import sole
from pipeline.runs.checkpoint import Checkpoint, load_checkpoint
from pipeline.runs.evaluations import FORMAT
from pipeline.runs.ownership import CONFIG
from pipeline.terminal.progress import progress
from pipeline.version import code_version
from shards import locations
from shards.choices import Split
from shards.manifest import Manifest, load_manifest
from shards.masks import read_masks
from shards.plan import videos_of_rank
from shards.storage import Storage
from shards.stream import VideoBatch, evaluation_batches
from shards.writer import video_stem

_VERSION = 1
_TIMED = "reading and decoding shards, network, memory and scores; not loading the model or writing results"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What an evaluation found.

    Attributes:
        out: where everything lies.
        scores: where the table lies.
        report: where the page lies, if one was asked for.
        metrics: what `metrics.json` holds.
    """

    out: str
    scores: str
    report: str | None
    metrics: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """Everything that the processes agree on."""

    config: EvaluateConfig
    storage: Storage
    manifest: Manifest
    checkpoint: Checkpoint
    split: Split
    provenance: Provenance
    device: str
    out: Storage


def evaluate(config: EvaluateConfig) -> Summary | None:
    """Evaluate a model on a shard set; the summary on the first process, None on the others.

    Raises:
        ConfigError, CheckpointError, ShardError: it cannot be done as asked.
    """
    # Results must say which set they are of wherever they are read.
    config = dataclasses.replace(config, shards=locations.absolute(config.shards))
    with processes(config.device) as process:
        with together(process):
            told_apart = process.is_first and is_taken(config)
        out = Storage(config.output(told_apart=bool(from_first(told_apart, process))))
        with together(process):
            job = _prepare(config, process, out)
        with held_by_first(sole("evaluation", out), process):
            return _evaluate(job, process)


def _evaluate(job: _Job, process: Process) -> Summary | None:
    rank, provenance = process.rank, job.provenance
    with together(process):
        if process.is_first:
            _clear(job)
    if not is_whole(job.out, rank, provenance):
        with full_float32():
            _score(job, process)
    wait_for_parts(job.out, provenance)
    return _conclude(job) if process.is_first else None


def _clear(job: _Job) -> None:
    """Leave the parts that this work goes on from: of one that is whole none, for it was asked for again."""
    claim(job.config, job.out)
    finished = job.out.exists(METRICS)
    job.out.delete(METRICS)
    job.out.write(CONFIG, dump_config(COMMAND, job.config).encode())
    delete_stale(job.out, None if finished else job.provenance)
    delete_without_part(job.out)
    if not part_names(job.out):
        delete_maps(job.out)


def _prepare(config: EvaluateConfig, process: Process, out: Storage) -> _Job:
    if config.memory == "carry" and process.world > 1:
        raise ConfigError(
            "memory carry takes the memory from video to video in order, so it cannot run in "
            f"{process.world} processes; use one process, or --memory video or frozen"
        )
    storage = Storage(config.shards)
    manifest = load_manifest(storage, config.manifest_digest)
    checkpoint = load_checkpoint(config.checkpoint)
    check_fit(checkpoint, manifest, str(storage))
    split: Split = choose_split(manifest) if config.split == "auto" else config.split
    if not any(located.windows for located in manifest.segments(split, checkpoint.spec.window)):
        raise ShardError(
            f"{storage}: no {split} video with at least {checkpoint.spec.window} frames; "
            "choose another --split or preprocess longer videos"
        )
    method = checkpoint.spec.method
    provenance = Provenance(
        code_version=code_version(),
        checkpoint=checkpoint.name,
        checkpoint_sha256=checkpoint.sha256,
        shards=str(storage),
        manifest_sha256=manifest.digest,
        split=split,
        memory=config.memory,
        alpha=ALPHA[method] if config.alpha is None else config.alpha,
        threshold=THRESHOLD[method] if config.threshold is None else config.threshold,
        distance=config.distance,
        precision=config.precision,
        batch_size=largest_batch(
            config.batch_size, manifest.geometry.height, manifest.geometry.width, process.device
        ),
        processes=process.world,
        report=config.report,
        maps=config.maps,
    )
    return _Job(
        config=config,
        storage=storage,
        manifest=manifest,
        checkpoint=checkpoint,
        split=split,
        provenance=provenance,
        device=process.device.type,
        out=out,
    )


def choose_split(manifest: Manifest) -> Split:
    """Testing videos where there are any, else training videos."""
    return "testing" if manifest.split("testing") else "training"


def check_fit(checkpoint: Checkpoint, manifest: Manifest, shards: str) -> None:
    """Refuse shards of frames that the model was not made for.

    A model whose frame size nobody knows, an imported one, takes any that the network does.

    Raises:
        CheckpointError: naming what was found and what the model expects.
    """
    spec, geometry = checkpoint.spec, manifest.geometry
    height, width = spec.height or geometry.height, spec.width or geometry.width
    expected = (height, width, spec.channels, spec.channel_order)
    found = (geometry.height, geometry.width, geometry.channels, geometry.channel_order)
    if found != expected:
        raise CheckpointError(
            f"{shards}: found frames of {_frame(*found)}, expected {_frame(*expected)} for "
            f"{checkpoint.name}; preprocess again with --size {height}x{width}, or take another checkpoint"
        )
    if height % STRIDE or width % STRIDE:
        raise CheckpointError(
            f"{shards}: found frames of {height}x{width}, expected multiples of {STRIDE}; "
            "preprocess again with another --size"
        )
    if spec.window > manifest.window:
        raise CheckpointError(
            f"{shards}: found windows of up to {manifest.window} frames, expected {spec.window} for "
            f"{checkpoint.name}; preprocess again with --window {spec.window}"
        )


def _frame(height: int, width: int, channels: int, order: str) -> str:
    return f"{height}x{width}x{channels} {order}"


def _score(job: _Job, process: Process) -> None:
    """Score this process's videos and write its part of the results, the table last."""
    window = job.checkpoint.spec.window
    videos = job.manifest.split(job.split)
    mine = videos_of_rank([video.frames for video in videos], process.rank, process.world)
    model = fuse(job.checkpoint.model()).to(process.device)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    bf16 = job.provenance.precision == "bf16"
    distance: Distance = feature_distance
    if job.config.distance == "places":
        distance = normal_places(
            model,
            job.storage,
            job.manifest,
            window=window,
            batch=job.provenance.batch_size,
            bf16=bf16,
            device=process.device,
            threads=job.config.threads,
            quiet=not process.is_first,
        ).distance
    counts = [max(0, video.frames - window + 1) for video in videos]
    work = work_digest(job.provenance.to_json())
    maps = MapWriter(job.out, work)
    geometry = job.manifest.geometry
    grid = (geometry.height // STRIDE, geometry.width // STRIDE)
    collector = Collector(model.memory.items, stride_for(sum(counts)), grid)

    def observe(batch: VideoBatch, seen: Observed) -> None:
        video = videos[batch.video]
        if job.config.report:
            collector.observe(video.name, batch.frames, seen, source_shape(video.source))
        if job.config.maps:
            maps.observe(video_stem(job.split, video.name), batch.frames, seen)

    scorer = Scorer(
        model=model,
        memory=job.config.memory,
        threshold=job.provenance.threshold,
        bf16=bf16,
        distance=distance,
        observe=observe if job.config.report or job.config.maps else None,
    )
    total = sum(counts[index] for index in mine)
    started = time.perf_counter()
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
    done = []
    with progress("evaluate", total, "frames", quiet=not process.is_first) as advance:
        for scored in scorer.videos(batches, advance):
            video, scores = videos[scored.video], scored.scores
            labels = video.labels
            done.append(
                VideoScores(
                    name=video.name,
                    frames=scored.frames,
                    scores=scores,
                    anomaly=1 - normality(scores.psnr, scores.feature_distance, job.provenance.alpha),
                    labels=None if labels is None else labels[scored.frames],
                )
            )
    timing = Timing(frames=total, seconds=time.perf_counter() - started)
    maps.flush()
    if job.config.report:
        write_exhibits(job.out, process.rank, process.world, collector.exhibits(), work)
    write_part(job.out, process.rank, done, job.provenance, timing)


def _conclude(job: _Job) -> Summary:
    provenance = job.provenance.to_json()
    order = [video.name for video in job.manifest.split(job.split)]
    videos = read_scores(job.out, provenance, order)
    metrics = _metrics(job, videos, read_timings(job.out, job.provenance))
    job.out.delete(REPORT)
    delete_plots(job.out)
    if job.config.report:
        write_plots(job.out, job.split, videos, metrics)
        exhibits = read_exhibits(job.out, job.provenance.processes, work_digest(provenance))
        shown = Evaluation(name=str(job.out), metrics=metrics, videos=videos, exhibits=exhibits)
        job.out.write(REPORT, render([shown]).encode())
    job.out.write(METRICS, (json.dumps(metrics, indent=1) + "\n").encode())
    return Summary(
        out=str(job.out),
        scores=f"{job.out}/{FOLDER}",
        report=f"{job.out}/{REPORT}" if job.config.report else None,
        metrics=metrics,
    )


def _metrics(job: _Job, videos: list[VideoScores], timings: list[Timing]) -> dict[str, Any]:
    seconds = max(timing.seconds for timing in timings)
    scored = sum(timing.frames for timing in timings)
    split = job.manifest.split(job.split)
    return {
        "format": FORMAT,
        "version": _VERSION,
        **compute_figures(videos, job.provenance.alpha, job.config.smoothing),
        "label_source": sorted({video.label_source for video in split if video.label_source}),
        "localisation": _localisation(job, videos),
        "notes": _notes(job, videos),
        "provenance": job.provenance.to_json(),
        "model": {
            **dataclasses.asdict(job.checkpoint.spec),
            "step": job.checkpoint.step,
            "epoch": job.checkpoint.epoch,
            "origin": job.checkpoint.origin,
        },
        "dataset": job.manifest.dataset,
        "config": recordable(job.config),
        "timing": {
            "frames_per_second": scored / seconds,
            "seconds": seconds,
            "frames": scored,
            "timed": _TIMED,
            "device": job.device,
        },
    }


def _localisation(job: _Job, videos: list[VideoScores]) -> dict[str, Any] | None:
    """Figures over the videos with masks, or None without maps or masks."""
    by_name = {video.name: video for video in job.manifest.split(job.split)}
    geometry = job.manifest.geometry
    work = work_digest(job.provenance.to_json())
    masked = []
    for video in videos if job.config.maps else ():
        source = by_name[video.name]
        if source.masks is not None:
            scored = set(video.frames.tolist())
            marks = enumerate(read_masks(job.storage, source.masks, source.frames))
            masks = (mask for frame, mask in marks if frame in scored)
            masked.append(
                MaskedVideo(
                    maps=read_maps(
                        job.out,
                        video_stem(job.split, video.name),
                        video.frames,
                        work,
                        (geometry.height, geometry.width),
                    ),
                    masks=fit_masks(masks, geometry.height, geometry.width),
                )
            )
    return dataclasses.asdict(localisation(masked)) if masked else None


def _notes(job: _Job, videos: list[VideoScores]) -> list[str]:
    """What a reader of the figures must know."""
    split = job.manifest.split(job.split)
    scored = {video.name for video in videos}
    window = job.checkpoint.spec.window
    notes = []
    if job.config.split == "auto" and job.split == "training":
        notes.append("no testing videos in the set: the training videos were evaluated")
    short = [video.name for video in split if video.name not in scored]
    if short:
        notes.append(f"{len(short)} videos shorter than {window} frames have no scores: {', '.join(short)}")
    if job.config.report and len(videos) > MOST_TIMELINES:
        notes.append(
            f"plots/ has timelines of {MOST_TIMELINES} of {len(videos)} videos, those with both normal and "
            "abnormal frames first"
        )
    unlabelled = [video.name for video in videos if video.labels is None]
    if len(unlabelled) == len(videos):
        notes.append("no labels: scores only, no AUC")
    elif unlabelled:
        notes.append(
            f"{len(unlabelled)} videos without labels are not in the figures: {', '.join(unlabelled)}"
        )
    labels = [video.labels for video in videos if video.labels is not None]
    if labels and (all(part.all() for part in labels) or not any(part.any() for part in labels)):
        kind = "abnormal" if labels[0].all() else "normal"
        notes.append(f"all labelled frames are {kind}: no AUC is defined")
    if labels:
        single = sum(bool(part.all() or not part.any()) for part in labels)
        if single:
            notes.append(f"{single} videos with one class only are left out of the macro AUC")
        if window > 1:
            notes.append(
                f"the first {window - 1} frames of each video have no score; their labels are unused"
            )
    return notes
