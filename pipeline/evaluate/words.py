"""What evaluate says at its end."""

from collections.abc import Iterator

from pipeline.evaluate.summary import Summary


def lines(summary: Summary) -> Iterator[str]:
    """How fast it was, the figures of the published score and of those without future, and where all lies."""
    record = summary.record
    timing, provenance, online = record.timing, record.provenance, record.online
    for note in record.notes:
        yield f"note: {note}"
    if summary.reused:
        yield f"{summary.reused} of {len(record.videos)} videos have the scores of the evaluation before"
    yield f"{timing.frames} frames at {timing.frames_per_second:.1f} frames/s with {provenance.runtime}"
    if record.auc is not None:
        yield (
            f"AUC {100 * record.auc:.2f} % (all frames, min-max per video, memory {provenance.memory}; "
            f"labels: {', '.join(record.label_source)})"
        )
    if online is not None and online.local_error is not None and online.psnr is not None:
        yield (
            f"online AUC {100 * online.local_error:.2f} % by the local error, {100 * online.psnr:.2f} % by "
            "the PSNR (no statistic of the test video)"
        )
    if summary.report is not None:
        yield f"report: {summary.report}"
    yield f"scores: {summary.scores}"
