"""A curve over time as HTML that runs nothing: as wide as its page, with words as large as all others."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from pipeline.events.words import clock

Run = Sequence[tuple[float, float]]
"""Seconds, and heights in [0, 1], that belong together."""

_WIDTH, _HEIGHT = 1000, 100
_STEPS = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600),
    *(7200, 10800, 21600, 43200, 86400, 172800, 604800),
)
"""Seconds between two times that are named."""
_MOST_TIMES = 8
_LEAST_WIDTH = 2.0
"""The least width of what is marked, in thousandths of the plot's length."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A height with a name.

    Attributes:
        height: in [0, 1].
        text: its name.
        is_limit: whether it is the one that counts.
    """

    height: float
    text: str
    is_limit: bool = False


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A time that is marked.

    Attributes:
        start, end: seconds.
        text: what is shown where the mouse rests on it.
        target: id of the element that it leads to.
    """

    start: float
    end: float
    text: str
    target: str


def time_plot(
    runs: Sequence[Run],
    *,
    length: float,
    label: str,
    marks: Sequence[Mark],
    stretches: Sequence[Stretch],
    beyond: float | None = None,
    times: Sequence[tuple[float, str]] | None = None,
    is_whole: bool = False,
) -> str:
    """The plot, in the style of `pipeline.report.document`.

    Args:
        runs: the curve, with a gap between one run and the next.
        length: of all time, seconds, above 0.
        label: what the plot shows.
        marks: at heights.
        stretches: of time.
        beyond: the height above which the ground is hatched; None for nowhere.
        times: seconds that are named, and their names; None names round ones, counted from the start.
        is_whole: whether the time before the curve and after it is marked as one without a curve, too.
    """
    pieces = [f'<figure class="plot" aria-label="{escape(label)}">']
    if beyond is not None:
        pieces += [f'<div class="beyond" style="height:{100 * (1 - beyond):.2f}%"></div>']
    pieces += [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none">']
    around = [[(0.0, 0.0)], *runs, [(length, 0.0)]] if is_whole else runs
    pieces += [_box("unseen", start, end, length) for start, end in _between(around, length)]
    for stretch in stretches:
        box = _box("alarm", stretch.start, stretch.end, length, stretch.text)
        pieces.append(f'<a href="#{escape(stretch.target)}" aria-label="{escape(stretch.text)}">{box}</a>')
    for mark in marks:
        y = _y(mark.height)
        kind = "limit" if mark.is_limit else "grid"
        pieces.append(f'<line class="{kind}" x1="0" x2="{_WIDTH}" y1="{y}" y2="{y}"/>')
    for run in runs:
        pieces += _line(run, length)
    pieces.append("</svg>")
    for mark in marks:
        kind = "mark limit" if mark.is_limit else "mark"
        place = f"top:{100 * (1 - mark.height):.2f}%"
        pieces.append(f'<span class="{kind}" style="{place}">{escape(mark.text)}</span>')
    for seconds, name in _times(length) if times is None else times:
        place = f"left:{100 * seconds / length:.2f}%"
        pieces.append(f'<span class="time" style="{place}">{escape(name)}</span>')
    return "".join((*pieces, "</figure>"))


def _line(run: Run, length: float) -> Iterator[str]:
    """A run, and the ground under it; one of a single point is as wide as can be seen."""
    xs = [_x(seconds, length) for seconds, _ in run]
    ys = [_y(height) for _, height in run]
    if xs[-1] - xs[0] < _LEAST_WIDTH:
        xs, ys = [xs[0], round(xs[0] + _LEAST_WIDTH, 1)], [min(ys), min(ys)]
    path = "L".join(f"{x} {y}" for x, y in zip(xs, ys, strict=True))
    yield f'<path class="under" d="M{xs[0]} {_HEIGHT}L{path}L{xs[-1]} {_HEIGHT}Z"/>'
    yield f'<path class="curve" d="M{path}"/>'


def _between(runs: Sequence[Run], length: float) -> Iterator[tuple[float, float]]:
    """Times without a curve that are long enough to be seen."""
    for one, two in itertools.pairwise(runs):
        start, end = one[-1][0], two[0][0]
        if _x(end - start, length) > _LEAST_WIDTH:
            yield start, end


def _box(kind: str, start: float, end: float, length: float, text: str = "") -> str:
    x = _x(start, length)
    width = round(max(_x(end, length) - x, _LEAST_WIDTH), 1)
    title = f"<title>{escape(text)}</title>" if text else ""
    return f'<rect class="{kind}" x="{x}" y="0" width="{width}" height="{_HEIGHT}">{title}</rect>'


def _times(length: float) -> list[tuple[float, str]]:
    """Round times to name, from 0 on, with their names."""
    step = next((step for step in _STEPS if length / step < _MOST_TIMES), length)
    return [(number * step, clock(number * step)) for number in range(int(length / step) + 1)]


def _x(seconds: float, length: float) -> float:
    return round(seconds / length * _WIDTH, 1)


def _y(height: float) -> float:
    return round((1 - height) * _HEIGHT, 1)
