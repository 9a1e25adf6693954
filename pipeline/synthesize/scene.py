"""A walkway seen by a fixed camera: what its people and its unusual events look like.

Positions and speeds are in units of the frame's height, times in frames.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from shards.opencv import cv2

Event = Literal["speed", "direction", "shape"]
EVENTS: tuple[Event, ...] = ("speed", "direction", "shape")
"""Running; crossing the walkway; being lower and longer than a person, on wheels."""

WALKING = 0.009
"""Mean speed of people in the usual view."""

_SUBPIXEL = 4
"""Fractional bits of cv2's drawing coordinates: motion of less than a pixel per frame stays smooth."""


@dataclass(frozen=True, kw_only=True)
class View:
    """What a camera sees of people.

    Attributes:
        aspect: width of the frame.
        rate: frames per second.
        person_height: of people, about.
    """

    aspect: float
    rate: float = 15
    person_height: float = 0.22

    @property
    def scale(self) -> float:
        """How large everybody is, against the usual view."""
        return self.person_height / 0.22

    @property
    def pace(self) -> float:
        """How far everybody gets in a frame, against the usual view: who is large in it is near."""
        return self.scale * 15 / self.rate


@dataclass(frozen=True, kw_only=True)
class Walker:
    """Something that moves through the scene.

    Attributes:
        x, y: where its feet are at frame 0.
        dx, dy: speed per frame.
        height: of the body.
        shade: gray level of the clothes, 0 to 255.
        phase: of the gait.
        wheels: drawn as something on wheels rather than a person.
    """

    x: float
    y: float
    dx: float
    dy: float
    height: float
    shade: int
    phase: float
    wheels: bool = False

    def is_in_view(self, frame: int, view: View) -> bool:
        """Whether its middle is, at a frame."""
        x, y = self.x + self.dx * frame, self.y + self.dy * frame
        return 0 <= x < view.aspect and 0 <= y - self.height / 2 < 1


def background(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """An empty walkway, uint8 (H, W): grass above and below, a paved band with slabs between."""
    height, width = size
    coarse = rng.normal(0, 1, (height // 4, width // 4)).astype(np.float32)
    scene = 96 + 9 * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    top, bottom = int(0.22 * height), int(0.96 * height)
    scene[top:bottom] = 150 + 3 * rng.normal(0, 1, (bottom - top, width))
    for x in range(0, width, max(8, height // 6)):
        scene[top:bottom, x] -= 14
    return np.clip(scene, 0, 255).astype(np.uint8)


def pedestrian(rng: np.random.Generator, seen: tuple[float, float], view: View) -> Walker:
    """Someone who walks along the walkway and is in view at some time between the two frames `seen`."""
    speed = rng.uniform(0.007, 0.011) * view.pace * rng.choice([-1, 1])
    seen_at = rng.uniform(*seen)
    return Walker(
        x=rng.uniform(0, view.aspect) - speed * seen_at,
        y=rng.uniform(0.48, 0.92),
        dx=speed,
        dy=0,
        height=rng.uniform(0.20, 0.24) * view.scale,
        shade=int(rng.choice([rng.integers(25, 75), rng.integers(205, 245)])),
        phase=rng.uniform(0, 2 * math.pi),
    )


def way(event: Event, view: View) -> float:
    """How far an event goes through the view."""
    return 1.2 if event == "direction" else view.aspect + 0.2


def unusual(
    event: Event, rng: np.random.Generator, start: int, length: float, view: View
) -> tuple[Walker, Walker]:
    """The two who cross the view between frames `start` and `start + length` as nobody else does."""
    person = pedestrian(rng, (0, 1), view)
    if event == "direction":
        down = rng.choice([-1, 1])
        speed = down * way(event, view) / length
        y = 0.6 - down * 0.6 - speed * start
        first = replace(person, x=rng.uniform(0.25, view.aspect - 0.25), dx=0, y=y, dy=speed)
    else:
        right = rng.choice([-1, 1])
        speed = right * way(event, view) / length
        x = view.aspect / 2 - right * (view.aspect / 2 + 0.1) - speed * start
        first = replace(person, x=x, dx=speed)
    if event == "shape":
        first = replace(first, height=0.17 * view.scale, wheels=True)
    beside = 0.14 * view.scale, 0.09 * view.scale
    return first, replace(first, x=first.x + beside[0], y=first.y - beside[1], phase=first.phase + 1)


def draw(scene: np.ndarray, walker: Walker, frame: int) -> None:
    """Draw a walker onto uint8 (H, W) as it is at a frame."""
    unit = scene.shape[0]
    x, y, h = (
        (walker.x + walker.dx * frame) * unit,
        (walker.y + walker.dy * frame) * unit,
        walker.height * unit,
    )
    if walker.wheels:
        _ellipse(scene, x, y - 0.55 * h, 0.85 * h, 0.30 * h, walker.shade)
        for side in (-0.5, 0.5):
            _ellipse(scene, x + side * h, y - 0.16 * h, 0.16 * h, 0.16 * h, 255 - walker.shade)
        return
    swing = (
        0.16
        * h
        * math.sin(walker.phase + 90 * math.hypot(walker.dx, walker.dy) * frame * 0.25 / walker.height)
    )
    for side in (-1, 1):
        _line(scene, (x, y - 0.45 * h), (x + side * swing, y), 0.11 * h, walker.shade)
    _ellipse(scene, x, y - 0.62 * h, 0.14 * h, 0.24 * h, walker.shade)
    _ellipse(scene, x, y - 0.92 * h, 0.085 * h, 0.095 * h, 120)


def _fixed(value: float) -> int:
    return round(value * (1 << _SUBPIXEL))


def _ellipse(scene: np.ndarray, x: float, y: float, rx: float, ry: float, shade: int) -> None:
    center, axes = (_fixed(x), _fixed(y)), (_fixed(rx), _fixed(ry))
    cv2.ellipse(scene, center, axes, 0, 0, 360, shade, -1, cv2.LINE_AA, _SUBPIXEL)


def _line(
    scene: np.ndarray, a: tuple[float, float], b: tuple[float, float], width: float, shade: int
) -> None:
    start, end = (_fixed(a[0]), _fixed(a[1])), (_fixed(b[0]), _fixed(b[1]))
    cv2.line(scene, start, end, shade, max(1, round(width)), cv2.LINE_AA, _SUBPIXEL)
