"""What a calibration says to whoever made it."""

from collections.abc import Iterator, Sequence

from mnad.rates import Threshold
from pipeline.calibrate.feedback import Counted
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
    if record.labelled:
        yield f"{_events(len(record.labelled))} called normal, which count as alarms"
    if made.phi > 1:
        yield f"alarms come in bunches: those of ten minutes vary {made.phi:.1f} times as much as single ones"
    if not isinstance(answer, Threshold):
        yield f"no promise: {refusal(answer)}"
        return
    expected = f"on this video {float(f'{answer.expected:.2g}'):g} alarms per hour are to be expected"
    yield f"alarms from evidence {answer.on:.2f} on, until it is below {answer.off:.2f}; {expected}"
    yield promise(answer, optimistic=record.optimistic)


def counted(one: Counted) -> Iterator[str]:
    """What has become of a calibration by the events that were called normal."""
    new, gone = one.change
    of = "" if one.after.profile is None else f"{one.after.profile}: "
    taken = f", {gone} taken back" if gone else ""
    yield f"{of}{_events(len(one.after.labelled))} called normal, {new} of them new{taken}"
    before, after = one.thresholds
    if before is not None and after is not None:
        moved = f"before from {before.on:.2f} on" if before.on != after.on else "as before"
        yield f"alarms from evidence {after.on:.2f} on, {moved}"
        yield promise(after, optimistic=one.after.optimistic)


def remarks(found: Sequence[Counted]) -> Iterator[str]:
    """What whoever asked for it must know."""
    for one in found:
        if one.strangers:
            yield (
                f"{one.file}: {_events(one.strangers)} called normal left out, for another calibration has "
                "raised them, or they are of a file, which has no clock"
            )
        if one.still:
            rate = one.after.alarms_per_hour
            yield (
                f"{one.file}: {_events(one.still)} called normal would raise an alarm again, for "
                f"{rate:g} per hour leaves room for as many; ask for fewer alarms per hour if it is too many"
            )
    if any(one.before != one.after for one in found):
        yield "a watch that runs goes on as before; start it again to hold frames against this"


def _events(count: int) -> str:
    return f"{count} event{'' if count == 1 else 's'}"
