"""What is drawn over a frame and under it: where it has to be, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.video.drawing import _ALARM, _CALM, HEAT, Scale, Strip, annotated, composed, shown_size
from pipeline.video.lettering import lettering

SIZE = (240, 320)


def strip(
    rarities: list[float],
    *,
    alarms: list[bool] | None = None,
    censored: list[bool] | None = None,
    limit: float | None = 1.0,
) -> Strip:
    """A strip with a moment per second."""
    return Strip(
        seconds=np.arange(len(rarities)) * 1.0,
        rarity_hours=np.array(rarities),
        censored=np.array(censored or [False] * len(rarities)),
        alarm=np.array(alarms or [False] * len(rarities)),
        scale=None if limit is None else Scale(least_hours=limit / 1000, limit_hours=limit),
        span_seconds=30.0,
    )


def gray(size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.full((*size, 3), 90, np.uint8)


def has(picture: np.ndarray, colour: tuple[int, int, int], least: int = 5) -> bool:
    """Whether at least so many pixels have about a colour."""
    return int((np.abs(picture.astype(int) - colour).max(axis=-1) < 12).sum()) >= least


@given(
    st.tuples(st.integers(1, 2500), st.integers(1, 2500)).filter(lambda size: size[0] * size[1] < 1_000_000),
    st.integers(1, 40),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_any_frame_becomes_a_picture_that_can_be_encoded(
    size: tuple[int, int], moments: int, data: st.DataObject
) -> None:
    frame = gray(size)
    levels = st.sampled_from([np.nan, -np.inf, np.inf, -90.0, -15.0, 0.0])
    error_map = np.array(
        data.draw(st.lists(st.lists(levels, min_size=3, max_size=3), min_size=2, max_size=2))
    )
    rarities = st.sampled_from([np.nan, 1e-9, 0.0, 0.5, 1.0, 6.3, 1e9])
    box = data.draw(st.sampled_from([None, (0.0, 0.0, 1.0, 1.0), (1.0, 1.0, 0.0, 0.0), (0.2, 0.3, 0.1, 0.1)]))
    shown = strip(
        data.draw(st.lists(rarities, min_size=moments, max_size=moments)),
        alarms=data.draw(st.lists(st.booleans(), min_size=moments, max_size=moments)),
        censored=data.draw(st.lists(st.booleans(), min_size=moments, max_size=moments)),
        limit=data.draw(st.sampled_from([None, 0.01, 1.0, 500.0])),
    )
    picture = composed(frame, error_map, box, shown)
    height, width = shown_size(*size)
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (width, 3)
    assert picture.shape[0] > height
    assert picture.shape[0] % 2 == width % 2 == 0
    assert max(height, width) <= 1920
    assert (frame == 90).all()


def test_a_normal_frame_is_shown_as_it_is() -> None:
    frame = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    calm = np.full((64, 64), HEAT[0] - 1)
    assert np.array_equal(annotated(frame, calm, None), frame)
    assert np.array_equal(annotated(frame, None, None), frame)


def test_heat_lies_on_what_is_abnormal_alone_and_grows_with_it() -> None:
    error_map = np.full((48, 64), -40.0)
    error_map[12:24, 16:32] = -10.0
    error_map[12:24, 40:56] = -17.0
    picture = annotated(gray(), error_map, None).astype(int)
    changed = (picture != 90).any(axis=-1)
    assert changed[70:110, 90:150].all()
    assert not changed[:50].any()
    assert not changed[140:].any()
    assert not changed[:, 290:].any()
    strong, weak = picture[90, 120], picture[90, 240]
    assert np.abs(strong - 90).max() > np.abs(weak - 90).max() > 30
    assert strong[2] > 200 > strong[1]


def test_the_box_lies_around_its_place() -> None:
    picture = annotated(gray(), None, (0.25, 0.25, 0.5, 0.5))
    changed = (picture != 90).any(axis=-1)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert (rows[0], rows[-1]) == (pytest.approx(57, abs=4), pytest.approx(183, abs=4))
    assert (columns[0], columns[-1]) == (pytest.approx(77, abs=4), pytest.approx(243, abs=4))
    assert not changed[70:170, 90:230].any()


@pytest.mark.parametrize("is_alarm", [False, True])
def test_an_alarm_is_marked_on_the_frame_while_it_is_on(is_alarm: bool) -> None:
    picture = composed(gray(), None, None, strip([0.01, 5.0], alarms=[False, is_alarm]))[: SIZE[0]]
    assert has(picture, _ALARM, 500) == is_alarm
    assert (picture[0, 0] == _ALARM).all() == is_alarm


def test_the_strip_tells_a_past_alarm_from_calm() -> None:
    calm = composed(gray(), None, None, strip([0.01] * 20))[SIZE[0] :]
    alarm = composed(gray(), None, None, strip([0.01] * 20, alarms=[i == 9 for i in range(20)]))[SIZE[0] :]
    assert has(calm, _CALM)
    assert not has(calm, _ALARM)
    assert has(alarm, _ALARM)


def test_the_rarer_the_higher_and_a_gap_stays_empty() -> None:
    def top(rarity: float) -> int:
        picture = composed(gray(), None, None, strip([rarity] * 20))[SIZE[0] :]
        return int(np.flatnonzero((np.abs(picture.astype(int) - _CALM).max(axis=-1) < 12).any(axis=1))[0])

    assert top(5.0) < top(0.5) < top(0.05) < top(0.005)
    broken = strip([0.5] * 10 + [np.nan] * 10 + [0.5])
    column = composed(gray(), None, None, broken)[SIZE[0] :, SIZE[1] - 60]
    assert not has(column[None], _CALM, 1)


def test_above_what_is_rarer_than_can_be_told_the_strip_is_hatched() -> None:
    def hatched(censored: bool) -> int:
        shown = strip([1.0] * 20, censored=[censored] * 20)
        picture = composed(gray(), None, None, shown)[SIZE[0] :]
        rows = np.flatnonzero((np.abs(picture.astype(int) - _CALM).max(axis=-1) < 12).any(axis=1))
        return int(rows[-1] - rows[0])

    assert hatched(True) > hatched(False) + 8


def test_the_words_of_the_strip_say_more_than_where_nobody_knows() -> None:
    known, unknown = (composed(gray(), None, None, strip([6.3], censored=[c])) for c in (False, True))
    title = slice(SIZE[0], SIZE[0] + 20)
    assert np.count_nonzero(unknown[title] > 200) > np.count_nonzero(known[title] > 200)


def test_a_box_is_drawn_where_an_alarm_is_on_or_nothing_is_calibrated() -> None:
    def marked(shown: Strip) -> bool:
        picture = composed(gray(), None, (0.4, 0.4, 0.2, 0.2), shown)[: SIZE[0]]
        return bool((picture[80:160, 100:220] != 90).any())

    assert marked(strip([5.0], alarms=[True]))
    assert not marked(strip([0.01]))
    assert marked(strip([np.nan], limit=None))


def test_without_a_calibration_there_is_no_curve() -> None:
    picture = composed(gray(), None, None, strip([0.5] * 20, limit=None))[SIZE[0] :]
    assert not has(picture, _CALM)
    assert (picture != picture[-1, 0]).any()  # but words


def test_lettering_is_the_text_and_cannot_be_spoilt() -> None:
    one, other = lettering("0:41:07", 12), lettering("0:41:08", 12)
    assert one.max() > 200
    assert one.shape[0] == other.shape[0]
    assert one.shape != other.shape or (one != other).any()
    with pytest.raises(ValueError, match="read-only"):
        one[0, 0] = 1
