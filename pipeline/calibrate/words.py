"""What a calibration says to whoever made it."""

from collections.abc import Iterator

from mnad.rates import Threshold
from pipeline.calibrate.run import Summary
from pipeline.runs.promises import duration, promise, refusal


def lines(summary: Summary) -> Iterator[str]:
    """How much video there is, what alarms there will be, and the promise, or what is missing for it."""
    record, answer = summary.record, summary.answer
    made = record.calibration
    count = len(record.recordings)
    video = f"{duration(made.hours)} of normal video in {count} recording{'' if count == 1 else 's'}"
    if record.profile is not None:
        video = f"{record.profile}: {video}"
    yield f"{video}, optimistic: the model was trained on it" if record.optimistic else video
    if made.phi > 1:
        yield f"alarms come in bunches: those of ten minutes vary {made.phi:.1f} times as much as single ones"
    if not isinstance(answer, Threshold):
        yield f"no promise: {refusal(answer)}"
        return
    expected = f"on this video {float(f'{answer.expected:.2g}'):g} alarms per hour are to be expected"
    yield f"alarms from evidence {answer.on:.2f} on, until it is below {answer.off:.2f}; {expected}"
    yield promise(answer, optimistic=record.optimistic)
