"""The README's picture: frames of a scored video with the heat, and under them its rarity and alarms.

    python studies/demo_picture.py VIDEO RUN PICTURE.png --at 1.5 3 6

`make picture` makes docs/demo.png of what `make demo` has made.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch

from pipeline.processes.distributed import processes
from pipeline.score.axes import Axis, rarities
from pipeline.score.config import ScoreConfig
from pipeline.score.curve import Height
from pipeline.score.job import Job, prepare
from pipeline.scoring.alarms import Alarms, Watch
from pipeline.video.drawing import annotated
from pipeline.video.footage import found
from pipeline.video.pyav_frames import Findings

matplotlib.rcdefaults()

INK, MUTED, GRID, CURVE, ALARM, SHADE = "#1f2430", "#5f6877", "#dde1e7", "#1d4ed8", "#d92626", "#fca5a5"
WIDTH, DPI = 8.3, 200


@dataclass(frozen=True)
class Scene:
    """A scored frame.

    Attributes:
        seconds: its time.
        height: of the curve.
        is_alarm: whether an alarm is on.
        picture: uint8 (H, W, 3) BGR, with the heat, and in an alarm the box.
    """

    seconds: float
    height: Height
    is_alarm: bool
    picture: np.ndarray


def scenes(job: Job, alarms: Alarms, video: str) -> Iterator[Scene]:
    """Every frame of a video from which an alarm can come."""
    watch, floor = Watch(alarms), alarms.record.calibration.levels.floor
    limit = math.inf if alarms.limit_hours is None else alarms.limit_hours
    (footage,) = found([video])
    with footage.local() as path:
        for moment in job.tool.moments(footage.frames(path, Findings())):
            seen = watch.push(moment)
            height = Height.of(seen, floor)
            if height is not None:
                levels = moment.gaze.boxes.levels(moment.error[None])[0, seen.signal].cpu().numpy()
                is_rare = seen.alarm and height.rarity_hours >= limit
                box = watch.place(moment, seen).box if is_rare else None
                picture = annotated(moment.picture, levels, box)
                yield Scene(moment.seconds, height, seen.alarm, picture)


def drawn(seen: list[Scene], shown: list[Scene], alarms: Alarms) -> Figure:
    """The picture: frames above, the curve below, and lines from each frame to its moment."""
    figure = Figure(figsize=(WIDTH, 4.5), facecolor="white")
    height, width = shown[0].picture.shape[:2]
    gap, left, right = 0.014, 0.1, 0.985
    across = (right - left - gap * (len(shown) - 1)) / len(shown)
    down = across * WIDTH * height / width / 4.5
    below = figure.add_axes((left, 0.1, right - left, 0.8 - down - 0.01))
    axis = plot(below, seen, alarms)
    for number, scene in enumerate(shown):
        above = figure.add_axes((left + number * (across + gap), 0.93 - down, across, down))
        frame(above, scene)
        color = ALARM if scene.is_alarm else MUTED
        at = (scene.seconds, axis.up(scene.height))
        figure.add_artist(
            ConnectionPatch((0.5, 0), at, above.transAxes, below.transData, color=color, linewidth=0.8)
        )
        below.plot(*at, "o", color=color, markersize=5, markeredgecolor="white", zorder=5)
    return figure


def frame(axes: Axes, scene: Scene) -> None:
    """A frame, with its time and whether an alarm is on."""
    is_alarm = scene.is_alarm
    axes.imshow(scene.picture[..., ::-1], aspect="auto", interpolation="bilinear")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=ALARM if is_alarm else GRID, linewidth=2.2 if is_alarm else 1)
    words = f"{scene.seconds:.1f} s   {'alarm' if is_alarm else 'nothing unusual'}"
    weight = "bold" if is_alarm else "normal"
    axes.set_title(words, fontsize=9, color=ALARM if is_alarm else INK, weight=weight, pad=4)


def plot(axes: Axes, seen: list[Scene], alarms: Alarms) -> Axis:
    """Rarity over time; returns how it is drawn."""
    heights = [scene.height for scene in seen]
    axis = rarities(
        heights,
        least_hours=alarms.least_hours,
        limits=alarms.limits,
        most_hours=alarms.record.calibration.hours,
    )
    seconds = [scene.seconds for scene in seen]
    ups = [axis.up(height) for height in heights]
    on = [scene.is_alarm for scene in seen]
    assert axis.beyond is not None
    axes.axhspan(axis.beyond, 1, facecolor="#f6f7f9", edgecolor=GRID, hatch="///", linewidth=0)
    axes.fill_between(seconds, 0, 1, where=on, step="post", color=SHADE, alpha=0.45, linewidth=0)
    axes.fill_between(seconds, 0, ups, color=CURVE, alpha=0.12, linewidth=0)
    axes.plot(seconds, ups, color=CURVE, linewidth=1.8)
    for mark in axis.marks:
        color, style = (ALARM, "--") if mark.is_limit else (GRID, "-")
        axes.axhline(mark.height, color=color, linestyle=style, linewidth=1, zorder=1)
    axes.set_yticks([mark.height for mark in axis.marks], [mark.text for mark in axis.marks])
    axes.set(xlim=(0, seconds[-1]), ylim=(0, 1))
    axes.tick_params(colors=MUTED, labelsize=8, length=0)
    for mark, label in zip(axis.marks, axes.get_yticklabels(), strict=True):
        label.set(color=ALARM if mark.is_limit else MUTED, weight="bold" if mark.is_limit else "normal")
    words = "rarer than all of the calibration"
    axes.text(0.1, 0.96, words, fontsize=8, color=MUTED, backgroundcolor="white", va="center")
    axes.set_xlabel("seconds of video", fontsize=8, color=MUTED)
    axes.set_ylabel("as unusual as normal video\nis once in", fontsize=8, color=MUTED)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axis


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video")
    parser.add_argument("run")
    parser.add_argument("picture")
    parser.add_argument("--at", type=float, nargs="+", required=True, help="seconds of the frames to show")
    given = parser.parse_args()
    config = ScoreConfig(videos=(given.video,), checkpoint=given.run, out="nowhere", device="cpu")
    with processes("cpu") as process:
        job = prepare(config, process)
        assert job.alarms is not None, "run `make demo` first"
        seen = list(scenes(job, job.alarms, given.video))
    shown = [min(seen, key=lambda scene: abs(scene.seconds - at)) for at in given.at]
    drawn(seen, shown, job.alarms).savefig(given.picture, dpi=DPI, metadata={"Software": None})


if __name__ == "__main__":
    main()
