"""Frames are told apart by their colours, through compression and whatever is written on them."""

from datetime import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.video.daytimes import by_minute, is_by_clock
from pipeline.video.profiles import COLOUR, INFRARED, ByChroma, ByClock, profiler, profiles
from pipeline.video.timed import TimedFrame, timed_frames
from tests.helpers.videos import scene, tinted, write_video


def frame(picture: np.ndarray) -> TimedFrame:
    return TimedFrame(number=0, seconds=0.0, picture=picture, is_corrupt=False)


def flat(spread: int) -> np.ndarray:
    return np.full((40, 60, 3), 100, np.uint8) + np.array([0, spread // 2, spread], np.uint8)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize(("is_gray", "name"), [(False, COLOUR), (True, INFRARED)])
def test_video_of_a_kind_is_told_through_compression(
    tmp_path: Path, codec: str, is_gray: bool, name: str
) -> None:
    frames = tinted(scene(10, size=(48, 72)), is_gray=is_gray)
    frames[:, 2:6, 2:30] = (0, 255, 255)  # a clock in the corner
    path = write_video(tmp_path / "a.mp4", frames, codec=codec)
    tell = ByChroma()
    assert {tell(each) for each in timed_frames(path, "a.mp4")} == {name}


def test_between_the_two_it_is_as_it_was() -> None:
    tell = ByChroma()
    spreads = (0, 9, 12, 9, 7, 6, 9, 11, 12)
    found = [tell(frame(flat(spread))) for spread in spreads]
    gray, colour = INFRARED, COLOUR
    assert found == [gray, gray, colour, colour, colour, gray, gray, gray, colour]
    assert ByChroma()(frame(flat(10))) == colour
    assert ByChroma()(frame(flat(8))) == gray


def test_a_name_is_of_all_frames_and_each_video_is_told_anew() -> None:
    assert profiler("night")(frame(flat(50))) == "night"
    assert profiler(None)(frame(flat(50))) is None
    assert profiler("chroma") is not profiler("chroma")
    assert (profiles("night"), profiles(None), profiles("chroma")) == (
        ("night",),
        (None,),
        (COLOUR, INFRARED),
    )


DAYS = "day=07:00-19:00,night=19:00-07:00"


@pytest.mark.parametrize(
    ("now", "name"),
    [("06:59:59", "night"), ("07:00", "day"), ("18:59:59", "day"), ("19:00", "night"), ("00:00", "night")],
)
def test_a_clock_tells_day_from_night(now: str, name: str) -> None:
    assert ByClock(DAYS, lambda: time.fromisoformat(now))(frame(flat(0))) == name


def test_times_give_their_profiles_each_once() -> None:
    assert sorted(map(str, profiles(f"dusk=06:00-07:00,{DAYS[:15]},dusk=19:00-20:00,night=20:00-06:00"))) == [
        "day",
        "dusk",
        "night",
    ]
    assert isinstance(profiler(DAYS), ByClock)
    assert [is_by_clock(each) for each in (None, "night", "chroma", DAYS)] == [False, False, False, True]


@pytest.mark.parametrize(
    "text",
    [
        "day=07:00-19:00",
        "day=07:00-19:00,night=19:00-06:59",
        "day=07:00-19:00,night=18:59-07:00",
        "day=07:00-19:00,day=19:00-07:00",
        "day=07:00-07:00,night=08:00-09:00",
        "day=7-19,night=19-7",
        "Day=07:00-19:00,night=19:00-07:00",
        "day=07:00-24:00,night=00:00-07:00",
        "=",
    ],
)
def test_times_must_fill_the_day_once(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        by_minute(text)
