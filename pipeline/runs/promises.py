"""What a calibration promises, and what it cannot, in words."""

import math

from mnad.rates import Refusal, Threshold

LONG, SHORT = ("hours", "minutes", "seconds"), ("h", "min", "s")


def promise(threshold: Threshold, *, optimistic: bool = False) -> str:
    """What holds of alarms raised by a threshold, and what does not.

    Args:
        threshold: that keeps a rate.
        optimistic: whether the model was trained on the calibration's video.
    """
    rate = threshold.alarms_per_hour
    most = "is at most one alarm per hour" if rate == 1 else f"are at most {rate:g} alarms per hour"
    sure = "on average" if threshold.delta is None else f"with {_percent(threshold.delta)} confidence"
    kept = f"{sure} there {most}"
    count = threshold.labelled
    events = "1 event that was called normal is added as an alarm"
    if count != 1:
        events = f"{count} events that were called normal are added as alarms"
    added = f", to which {events}," if count else ","
    words = (
        f"If the camera goes on seeing what it saw in the {duration(threshold.hours)} of calibration{added} "
        f"then {kept}. It is no promise about what happens when season, light, framing or traffic change; "
        "the page shows when they have. It says nothing about how much is found."
    )
    return f"Optimistic, for the model was trained on this video: {words}" if optimistic else words


def refusal(refused: Refusal) -> str:
    """What is missing for a promise, and which one can be had."""
    rate, carried = refused.alarms_per_hour, rate_carried(refused)
    asked = f"{rate:g} alarm{'' if rate == 1 else 's'}/h"
    kept = "on average" if refused.delta is None else f"at {_percent(refused.delta)}"
    return (
        f"{asked} {kept} needs {duration(refused.hours_needed, SHORT, up=True)} of normal video like this; "
        f"found {duration(refused.hours, SHORT)}, which carry {carried:g}/h: give more, or "
        f"--alarms-per-hour {carried:g}"
    )


def rate_carried(refused: Refusal) -> float:
    """The lowest rate of two digits that is not refused."""
    digit = 10.0 ** (math.floor(math.log10(refused.carried)) - 1)
    rate = math.ceil(refused.carried / digit)
    while float(f"{rate * digit:.6g}") < refused.carried:  # rounding of binary numbers
        rate += 1
    return float(f"{rate * digit:.6g}")


def _percent(delta: float) -> str:
    return f"{100 * (1 - delta):.6g} %"


def duration(hours: float, units: tuple[str, str, str] = LONG, *, up: bool = False) -> str:
    """A time in the largest unit that it has one of, with one digit, rounded down or `up`."""
    per_hour = next((count for count in (1, 60, 3600) if hours * count >= 1), 3600)
    tenths = 10 * hours * per_hour
    shown = (math.ceil(tenths - 1e-9) if up else math.floor(tenths + 1e-9)) / 10
    return f"{shown:.1f} {units[(1, 60, 3600).index(per_hour)]}"
