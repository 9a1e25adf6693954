"""Hours of the endless video of one camera: a file for each quarter of an hour, and `labels.csv`.

What a quarter shows is a function of the seed and of its number alone, so any of them can be drawn at any
time and by any run: hours 0:3 and 3:9 are of one camera and share no frame. Events are drawn apart from
ordinary people, who are the same with and without them.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.config import dump_config, parse_toml
from pipeline.errors import ConfigError
from pipeline.processes.locking import sole
from pipeline.runs.ownership import CONFIG, recorded_options, refuse_foreign_folder
from pipeline.synthesize.config import RECORDING_HOURS, SynthesizeConfig
from pipeline.synthesize.footage import drawn, write_video
from pipeline.synthesize.scene import (
    EVENTS,
    WALKING,
    Event,
    View,
    Walker,
    background,
    pedestrian,
    unusual,
    way,
)
from pipeline.synthesize.summary import Summary
from pipeline.terminal.progress import progress
from shards.storage import Storage

LABELS = "labels.csv"
COMMAND = "synthesize"

IN_VIEW = 4.5
"""People in view at a time, on average."""

QUICK = {"speed": 4.0, "direction": 2.0, "shape": 3.0}
"""How fast events are, against walking people."""

PAUSE = 35.0
"""Seconds before each event without another: so long after one, an alarm is another alarm."""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """An unusual event.

    Attributes:
        event: its kind.
        start, end: frames of its recording in which it is in view, the second excluded.
        walkers: who it is.
    """

    event: Event
    start: int
    end: int
    walkers: tuple[Walker, Walker]


def draw_hours(config: SynthesizeConfig, hours: tuple[float, float], view: View) -> Summary:
    """Write the hours into a folder that is new or empty, or in which the same command was killed.

    Raises:
        ConfigError: the folder holds something else, or is no folder of this machine.
        BusyError: another process draws into it.
    """
    folder = Storage(config.out)
    if not folder.is_local:
        raise ConfigError(f"{folder}: found a remote location, expected a folder of this machine")
    with sole("synthesis", folder):
        refuse_foreign_folder(folder, COMMAND)
        _refuse_other_options(folder, config)
        folder.clear_temporary()
        folder.write(CONFIG, dump_config(COMMAND, config).encode())
        start, end = (round(hour / RECORDING_HOURS) for hour in hours)
        return _draw(config, range(start, end), view, folder)


def _refuse_other_options(folder: Storage, config: SynthesizeConfig) -> None:
    found = recorded_options(folder, COMMAND)
    if found is None:
        return
    expected = parse_toml(dump_config(COMMAND, config).encode(), CONFIG)[COMMAND]
    for name in sorted({*found, *expected} - {"out"}):
        if found.get(name) != expected.get(name):
            raise ConfigError(
                f"{folder}: found video drawn with {name} = {found.get(name)}, expected "
                f"{expected.get(name)}; name another folder, or give the same options to go on"
            )


def _draw(config: SynthesizeConfig, numbers: range, view: View, folder: Storage) -> Summary:
    scene = background(config.size, np.random.default_rng(config.seed))
    frames = round(RECORDING_HOURS * 3600 * config.rate)
    there = set(folder.names())
    events: dict[str, list[Planted]] = {}
    with progress(COMMAND, len(numbers), "videos") as advance:
        for number in numbers:
            name = name_of(number)
            people, planting, noise = (
                np.random.default_rng([config.seed, number, purpose]) for purpose in range(3)
            )
            events[name] = planted(planting, count_of(number, config.events_per_hour), frames, view)
            if f"{name}.mp4" not in there:
                walkers = list(passers_by(people, frames, view))
                walkers += [walker for event in events[name] for walker in event.walkers]
                video = drawn(scene, walkers, frames, view, noise)
                write_video(Path(folder.path(f"{name}.mp4")), video, config.rate)
            advance(detail=name)
    if config.events_per_hour:
        folder.write(LABELS, label_table(events, config.rate).encode())
    return Summary(
        videos=len(numbers),
        frames=len(numbers) * frames,
        abnormal=sum(event.end - event.start for some in events.values() for event in some),
        labels=folder.path(LABELS) if config.events_per_hour else None,
    )


def name_of(number: int) -> str:
    """The name of a recording: the time at which it begins, such as `0003h15`."""
    hours = number * RECORDING_HOURS
    return f"{int(hours):04d}h{round(hours % 1 * 60):02d}"


def count_of(number: int, per_hour: float) -> int:
    """How many events a recording has, so that each hour has `per_hour` of them."""
    each = per_hour * RECORDING_HOURS
    return math.floor((number + 1) * each) - math.floor(number * each)


def passers_by(rng: np.random.Generator, frames: int, view: View) -> Iterator[Walker]:
    """The people of a recording, who come by chance: as many in view at its ends as in its middle."""
    crossing = view.aspect / (WALKING * view.pace)
    seen = -2 * crossing, frames + 2 * crossing
    for _ in range(rng.poisson(IN_VIEW * (seen[1] - seen[0]) / crossing)):
        yield pedestrian(rng, seen, view)


def planted(rng: np.random.Generator, count: int, frames: int, view: View) -> list[Planted]:
    """The events of a recording, one in each of `count` equal parts of it, each after a `PAUSE`."""
    events = []
    for part in range(count):
        event = EVENTS[rng.integers(len(EVENTS))]
        length = way(event, view) / (QUICK[event] * WALKING * view.pace)
        pause = PAUSE * view.rate
        start = part * frames / count + pause + rng.uniform(0, max(0, frames / count - pause - length))
        walkers = unusual(event, rng, round(start), length, view)
        around = range(max(0, round(start - length)), min(frames, round(start + 2 * length)))
        seen = [frame for frame in around if any(walker.is_in_view(frame, view) for walker in walkers)]
        events.append(Planted(event=event, start=seen[0], end=seen[-1] + 1, walkers=walkers))
    return events


def label_table(events: Mapping[str, Sequence[Planted]], rate: int) -> str:
    """CSV with a row for each event of each recording: when it is in view, seconds, and what it is."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["video", "start_seconds", "end_seconds", "event"])
    for name, some in events.items():
        for each in some:
            table.writerow([name, f"{each.start / rate:.3f}", f"{each.end / rate:.3f}", each.event])
    return text.getvalue()
