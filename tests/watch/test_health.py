"""What happens to the camera itself."""

import numpy as np
import pytest

from pipeline.watch.health import Health, Moved
from tests.helpers.videos import scene


def noisy(picture: np.ndarray, number: int) -> np.ndarray:
    noise = np.random.default_rng(number).integers(-3, 4, picture.shape)
    return (picture.astype(int) + noise).clip(0, 255).astype(np.uint8)


def turns(pictures: list[np.ndarray], step: float = 0.5) -> list[tuple[float, str, bool]]:
    health = Health()
    return [
        (number * step, kind, is_on)
        for number, picture in enumerate(pictures)
        for kind, is_on in health.push(number * step, picture)
    ]


def test_a_picture_that_stands_still_is_told_after_half_a_minute_and_its_end_at_once() -> None:
    walking = list(scene(100))
    still = [noisy(each, number) for number, each in enumerate(walking)]
    pictures = [*still, *[still[-1]] * 80, *still[:10]]
    assert turns(pictures) == [(79.5, "frozen", True), (90.0, "frozen", False)]


def test_a_camera_that_looks_elsewhere_is_told_after_a_minute() -> None:
    here, there = scene(1, seed=1)[0], scene(1, seed=2)[0][::-1, ::-1]
    pictures = [noisy(here, number) for number in range(400)]
    pictures += [noisy(there, number) for number in range(400)]
    found = turns(pictures)
    assert [(kind, is_on) for _, kind, is_on in found] == [("moved", True)]
    assert 260 <= found[0][0] <= 320


def looks(seed: int, contrast: float = 1.0) -> np.ndarray:
    """A view of its own (H, W, 3)."""
    levels = np.random.default_rng(seed).integers(0, 256, (8, 8, 1))
    return np.repeat((128 + contrast * (levels.repeat(8, 0).repeat(8, 1) - 128)).astype(np.uint8), 3, 2)


def followed(views: list[tuple[np.ndarray, str | None, int]]) -> tuple[Moved, list[tuple[int, bool]]]:
    """Views of a profile for so many seconds each, one after the other; when a move began and ended."""
    moved, seconds, before, found = Moved(), 0, False, []
    for picture, profile, count in views:
        for _ in range(count):
            seconds += 1
            is_on = moved.push(float(seconds), picture, profile)
            if is_on != before:
                found.append((seconds, is_on))
            before = is_on
    return moved, found


@pytest.mark.parametrize("contrast", [1.0, 0.2, 5.0])
def test_a_view_that_stays_is_the_usual_one_after_half_an_hour(contrast: float) -> None:
    here, there = looks(1, min(1.0, 1 / contrast)), looks(2, min(1.0, contrast))
    moved, ((began, _), (ended, is_on)) = followed([(here, None, 600), (there, None, 3600)])
    assert 660 <= began <= 800
    assert not is_on
    assert 900 < ended - began <= 1800
    assert moved.has_stayed
    moved, found = followed([(here, None, 600), (there, None, 300), (here, None, 300)])
    assert [is_on for _, is_on in found] == [True, False]
    assert 900 < found[1][0] <= 1020
    assert not moved.has_stayed


def test_a_view_that_is_back_after_hours_is_the_one_before() -> None:
    moved, found = followed([(looks(1), None, 600), (looks(2), None, 36000), (looks(1), None, 3600)])
    assert [is_on for _, is_on in found] == [True, False, True, False]
    assert not moved.has_stayed


def test_each_profile_has_its_usual_view_and_a_turned_camera_is_so_in_each() -> None:
    day, night, turned = (looks(1), "day"), (looks(2, 0.2), "night"), looks(3)
    days = [(*day, 3600), (*night, 3600)] * 3
    moved, found = followed([*days, (turned, "night", 300), (turned, "day", 300), (*day, 300)])
    assert [is_on for _, is_on in found] == [True, False]
    assert 6 * 3600 + 60 <= found[0][0] <= 6 * 3600 + 120
    assert found[1][0] > 6 * 3600 + 600
    assert not moved.has_stayed


def test_what_a_break_hides_makes_no_view_the_usual_one() -> None:
    moved = Moved()
    assert not any(moved.push(float(second), looks(1)) for second in range(120))
    assert any(moved.push(float(second), looks(2)) for second in range(7200, 7300))


def test_a_black_picture_is_told_after_half_a_minute_once_whatever_is_written_on_it() -> None:
    walking = list(scene(10, size=(48, 72)))
    capped = [noisy(np.full_like(walking[0], 8), number) for number in range(80)]
    for number, each in enumerate(capped):
        each[2:5, 2 + number % 3 : 20] = 255  # a clock in the corner, 1.6 % of it
    unplugged = [np.zeros_like(walking[0])] * 80
    expected = [(35.0, "black", True), (45.0, "black", False)]
    for black in (capped, unplugged):
        assert turns([*walking, *black, *walking]) == expected


def test_alarms_pause_while_the_picture_is_black_or_elsewhere() -> None:
    health = Health()
    assert health.pausing is None
    for number in range(61):
        health.push(number * 0.5, np.zeros((16, 24, 3), np.uint8))
    assert health.pausing == "black"
    health.push(31.0, np.full((16, 24, 3), 90, np.uint8))
    assert health.pausing is None


def test_walkers_darkness_and_noise_are_no_move() -> None:
    walking = [noisy(each, number) for number, each in enumerate(scene(400))]
    darker = [noisy((each * 0.3).astype(np.uint8), number) for number, each in enumerate(scene(400))]
    black = [np.zeros_like(walking[0])] * 20
    assert turns([*walking, *darker, *black, *walking[:100]]) == []


def test_a_camera_without_frames_is_down_until_one_comes() -> None:
    health = Health()
    assert health.wait(9.0) == []
    assert health.wait(10.5) == [("camera_down", True)]
    assert health.wait(60.0) == []
    assert health.wait(0.1) == [("camera_down", False)]
