"""What the curve of a page is drawn on: rarities of a calibrated video, decibels of another."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.events.scale import height, round_marks
from pipeline.events.words import hours, once_in
from pipeline.report.timeplot import Mark
from pipeline.score.curve import Height

_BEYOND = 0.72
"""How high the hours of the calibration lie; above them is what is rarer than these hours can tell."""
_HEADROOM = 0.95
_USUAL = 0.05
"""How high lies what is too usual to have a rarity of its own."""
_APART = 0.08
"""The least distance between two names, as a share of the plot's height."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """How heights are drawn.

    Attributes:
        title: what they are.
        legend: kinds of what is drawn, and their meaning.
        marks: what is named.
        beyond: where in [0, 1] begins what nobody can tell; None for nowhere.
        up: from a height to its place in [0, 1].
    """

    title: str
    legend: Sequence[tuple[str, str]]
    marks: Sequence[Mark]
    beyond: float | None
    up: Callable[[Height], float]


def decibels(heights: Iterable[Height]) -> Axis:
    """For some heights without a calibration."""
    evidence = [found.evidence for found in heights]
    low, high = min(evidence), max(evidence)
    return Axis(
        title="Local error",
        legend=[("curve", "error of the worst place, smoothed; nobody knows which level is unusual")],
        marks=[Mark(height=0, text=_text(low)), Mark(height=1, text=_text(high))],
        beyond=None,
        up=lambda found: (found.evidence - low) / ((high - low) or 1.0),
    )


def rarities(
    heights: Iterable[Height], *, least_hours: float, limits: Mapping[str | None, float], most_hours: float
) -> Axis:
    """For some heights, on a logarithmic scale; what is rarer than can be told is as high as its evidence.

    Args:
        heights: to be drawn.
        least_hours: the least rarity that can be told; below it is what is usual.
        limits: the rarity that opens an alarm, by the profile of the frame; none where no alarm is raised.
        most_hours: of the calibration; no longer rarity can be told.
    """
    low = least_hours / 2
    beyond = [found.evidence for found in heights if found.is_censored]
    least, most = min(beyond, default=0.0), max(beyond, default=0.0)

    def place(length: float) -> float:
        return _USUAL + (_BEYOND - _USUAL) * height(length, low, most_hours)

    def up(found: Height) -> float:
        if not found.is_censored:
            return place(found.rarity_hours)
        share = (found.evidence - least) / (most - least) if most > least else 1.0
        return _BEYOND + share * (_HEADROOM - _BEYOND)

    levels = sorted(set(limits.values()))
    ends = [most_hours] if all(_BEYOND - place(limit) >= _APART for limit in levels) else []
    named = [
        limit for i, limit in enumerate(levels) if not i or place(limit) - place(levels[i - 1]) >= _APART
    ]
    others = round_marks(low, most_hours, [low, *levels, *ends], _APART / (_BEYOND - _USUAL))
    return Axis(
        title="Rarity",
        legend=[
            ("curve", "how rare: normal video of this camera shows as much once in so long"),
            *(
                (
                    "limit",
                    f"level of an alarm{f', {profile}' if profile else ''}: "
                    f"{once_in(limit, censored=limit >= most_hours)}",
                )
                for profile, limit in limits.items()
            ),
            *([("alarm", "alarm")] if limits else []),
            ("beyond", f"rarer than {hours(most_hours)} of calibration can tell; the higher, the stronger"),
        ],
        marks=[
            Mark(height=_USUAL, text="usual"),
            *(Mark(height=place(length), text=hours(length)) for length in (*others, *ends)),
            *(
                Mark(height=place(limit), text=hours(limit) if limit in named else "", is_limit=True)
                for limit in levels
            ),
        ],
        beyond=_BEYOND,
        up=up,
    )


def _text(value: float) -> str:
    return f"{value:.1f} dB".replace("-", "\N{MINUS SIGN}")
