"""The strips: what is drawn where."""

import re
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.watch.view import Point
from pipeline.watch.web.strips import DAY, MINUTES, strip

NOW = datetime(2026, 5, 1, 14, 3, 26, tzinfo=UTC)
END = NOW + timedelta(seconds=2)
"""Of the strip: the end of the step that goes on."""


def drawn(*points: Point) -> str:
    return strip(MINUTES, points, NOW, 0.005, 2.0, "events")


def point(ago: float, rarity: float | None, *, alarm: bool = False, censored: bool = False) -> Point:
    start = END - timedelta(seconds=ago)
    return Point(start=start, rarity_hours=rarity, censored=censored, alarm=alarm)


def curves(html: str) -> list[str]:
    return re.findall(r'class="curve" d="M([^"]*)"', html)


def boxes(html: str, kind: str) -> list[tuple[float, float]]:
    found = re.findall(rf'<rect class="{kind}" x="([\d.]+)" y="0" width="([\d.]+)"', html)
    return [(float(x), float(x) + float(width)) for x, width in found]


def test_points_in_a_row_are_one_curve_of_steps() -> None:
    html = drawn(point(300, 0.001), point(298, 8.0), point(296, 0.001))
    assert curves(html) == ["500.0 95.0L503.3 95.0L503.3 5.0L506.7 5.0L506.7 95.0L510.0 95.0"]
    assert boxes(html, "unseen") == [(0.0, 500.0), (510.0, 1000.0)]


def test_a_break_is_shown_as_one() -> None:
    html = drawn(point(300, 0.001), point(200, 0.001))
    assert len(curves(html)) == 2
    assert len(boxes(html, "unseen")) == 3


def test_time_without_a_rarity_breaks_the_curve() -> None:
    assert len(curves(drawn(point(6, 1.0), point(4, None), point(2, 1.0)))) == 2


def test_alarms_that_follow_one_another_are_one() -> None:
    html = drawn(*(point(ago, 3.0, alarm=ago in (8, 6, 2)) for ago in (10, 8, 6, 4, 2)))
    assert [round(end - start) for start, end in boxes(html, "alarm")] == [7, 3]
    assert html.count('href="#events"') == 2


def test_what_nobody_can_tell_how_rare_lies_highest() -> None:
    assert curves(drawn(point(2, 1.0, censored=True))) == ["996.7 5.0L1000.0 5.0"]


def test_times_are_those_of_the_clock_of_this_machine() -> None:
    local = NOW.astimezone()
    named = re.findall(r'class="time" style="left:([\d.]+)%">([^<]+)<', drawn(point(2, 1.0)))
    assert len(named) == 5
    for _, name in named:
        assert name[3:] in {f"{minute:02d}" for minute in range(0, 60, 2)}
    assert named[-1][1] == f"{local.replace(minute=local.minute // 2 * 2):%H:%M}"


@given(
    st.lists(
        st.builds(
            point,
            st.floats(0, 100_000),
            st.none() | st.floats(1e-6, 1e6),
            alarm=st.booleans(),
            censored=st.booleans(),
        ),
        max_size=20,
    ).map(lambda found: tuple(sorted(found, key=lambda each: each.start)))
)
@settings(max_examples=50, deadline=None)
def test_nothing_is_drawn_outside(points: tuple[Point, ...]) -> None:
    for span in (MINUTES, DAY):
        html = strip(span, points, NOW, 0.005, 2.0, "events")
        numbers = [
            float(n) for path in re.findall(r' d="M([^"]*)"', html) for n in re.findall(r"[\d.]+", path)
        ]
        assert all(0 <= number <= 1002 for number in numbers)
        assert all(0 <= start < end <= 1002 for start, end in boxes(html, "alarm"))
