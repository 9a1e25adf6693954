"""The end of an evaluation: its figures, its page, and last of all `metrics.json`."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.config import recordable
from pipeline.evaluate.job import Job
from pipeline.evaluate.notes import notes
from pipeline.report.evaluation import gathered
from pipeline.report.plotfiles import delete_plots, write_plots
from pipeline.report.render import REPORT, render
from pipeline.runs.evaluation import EvaluationRecord, Localisation, ScoredModel, Speed
from pipeline.runs.provenance import work_digest
from pipeline.scoring.earlier import forget
from pipeline.scoring.exhibits import read_exhibits
from pipeline.scoring.figures import compute_figures
from pipeline.scoring.localisation import MaskedVideo, fit_masks, localisation
from pipeline.scoring.maps import read_maps
from pipeline.scoring.parts import FOLDER, Timing, read_timings
from pipeline.scoring.table import StreamedScores, read_scores
from pipeline.scoring.videoscores import VideoScores
from shards.masks import read_masks
from shards.names import video_stem

_TIMED = "reading and decoding shards, network, memory and scores; not loading the model or writing results"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What an evaluation found.

    Attributes:
        out: where everything lies.
        scores: where the table lies.
        report: where the page lies, if one was asked for.
        record: its figures and how they came about.
        reused: videos whose scores an earlier evaluation had.
    """

    out: str
    scores: str
    report: str | None
    record: EvaluationRecord
    reused: int


def conclude(job: Job) -> Summary:
    """Sum up the parts of all processes; `metrics.json` is written last.

    Raises:
        ReportError: something is of another evaluation, or damaged.
    """
    provenance = job.provenance.to_json()
    order = [video.name for video in job.videos]
    videos = read_scores(job.out, provenance, order)
    timings = read_timings(job.out, job.provenance)
    record = _record(job, videos, order, timings)
    job.out.delete(REPORT)
    delete_plots(job.out)
    if job.config.report:
        exhibits = read_exhibits(job.out, job.provenance.processes, work_digest(provenance))
        shown = gathered(str(job.out), record, videos, exhibits)
        write_plots(job.out, job.split, shown)
        job.out.write(REPORT, render([shown]).encode())
    record.save(job.out)
    forget(job.out)
    return Summary(
        out=str(job.out),
        scores=f"{job.out}/{FOLDER}",
        report=f"{job.out}/{REPORT}" if job.config.report else None,
        record=record,
        reused=sum(timing.reused for timing in timings),
    )


def _record(
    job: Job, videos: Iterable[VideoScores], order: list[str], timings: list[Timing]
) -> EvaluationRecord:
    figures = compute_figures(
        videos,
        job.provenance.alpha,
        job.config.smoothing,
        order=order,
        binned=isinstance(videos, StreamedScores),
    )
    seconds = max(timing.seconds for timing in timings)
    scored = sum(timing.frames for timing in timings)
    checkpoint = job.checkpoint
    return EvaluationRecord(
        **vars(figures),
        label_source=tuple(sorted({video.label_source for video in job.videos if video.label_source})),
        localisation=_localisation(job, videos),
        notes=tuple(notes(job, figures)),
        provenance=job.provenance,
        model=ScoredModel(
            **vars(checkpoint.spec),
            step=checkpoint.step,
            epoch=checkpoint.epoch,
            origin=checkpoint.origin,
        ),
        dataset=job.manifest.dataset,
        config=recordable(job.config),
        timing=Speed(
            frames_per_second=scored / seconds if scored else 0.0,
            seconds=seconds,
            frames=scored,
            timed=_TIMED,
            device=job.device,
        ),
    )


def _localisation(job: Job, videos: Iterable[VideoScores]) -> Localisation | None:
    """Figures over the videos with masks, or None without maps or masks."""
    by_name = {video.name: video for video in job.videos}
    geometry = job.manifest.geometry
    works = dict(zip(job.videos.names, job.works, strict=True))
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
                        works[video.name],
                        (geometry.height, geometry.width),
                    ),
                    masks=fit_masks(masks, geometry.height, geometry.width),
                )
            )
    return localisation(masked) if masked else None
