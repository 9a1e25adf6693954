"""What happens to the camera itself."""

import numpy as np

from pipeline.watch.health import Health
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
    assert not health.pauses_alarms
    for number in range(61):
        health.push(number * 0.5, np.zeros((16, 24, 3), np.uint8))
    assert health.pauses_alarms
    health.push(31.0, np.full((16, 24, 3), 90, np.uint8))
    assert not health.pauses_alarms


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
