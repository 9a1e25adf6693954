"""Alarms against the promise, end to end: the commands themselves, on endless video of a generated camera.

    python benchmarks/rates.py [--seed 0] [--calibrate 3] [--count 6] [--planted 1] [--work FOLDER]

Hours of normal video are drawn, and a model is trained and calibrated on them, each on hours of its own. Then
other hours of the same camera are scored: normal ones, whose alarms are counted and held against the 95 %
Poisson limit of the promised rate, and hours with planted events, of which it is told how many were found and
how long after they came into view. If the hours of calibration do not carry the promised rate, as many more
are drawn and added as the formula asks for.

Whatever is tuned is tuned on other seeds. A run with --work that was killed goes on when it is run again.
"""

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mnad.poisson import upper_gamma

ROOT = Path(__file__).resolve().parents[1]
SURE = 0.95
"""Probability with which a promise that is just kept stays within the limit."""

FOUND_SHARE, DELAY_SECONDS = 0.9, 1.0
"""What is to be reached on planted events."""

EARLY_SECONDS = 1.0
"""Before an event's middle is in view, its front is: an alarm so much earlier is the event's."""

QUARTERS = 4
"""Recordings per hour."""


@dataclass(frozen=True)
class Span:
    """A time in a video.

    Attributes:
        video: its name.
        start, end: seconds.
    """

    video: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """Which planted events raised an alarm.

    Attributes:
        delays: seconds from coming into view to the alarm, of each event that was found.
        missed: events without an alarm.
        other: alarms that are of no event.
    """

    delays: tuple[float, ...]
    missed: tuple[Span, ...]
    other: int


def poisson_limit(mean: float, share: float = SURE) -> int:
    """The smallest count that a Poisson variable of a mean exceeds with probability at most 1 - share."""
    count = 0
    while upper_gamma(np.array([count + 1.0]), mean)[0] < share:
        count += 1
    return count


def matched(events: Sequence[Span], alarms: Sequence[Span]) -> Found:
    """Hold alarms against planted events: an alarm is of an event that is in view when it is raised."""
    delays, missed, used = [], [], set()
    for event in events:
        own = [
            index
            for index, alarm in enumerate(alarms)
            if alarm.video == event.video and event.start - EARLY_SECONDS <= alarm.start < event.end
        ]
        used.update(own)
        if own:
            delays.append(min(alarms[index].start for index in own) - event.start)
        else:
            missed.append(event)
    return Found(delays=tuple(delays), missed=tuple(missed), other=len(alarms) - len(used))


def read_planted(folder: Path) -> list[Span]:
    """The planted events that labels.csv of `synthesize` lists."""
    with (folder / "labels.csv").open(newline="") as file:
        return [
            Span(row["video"], float(row["start_seconds"]), float(row["end_seconds"]))
            for row in csv.DictReader(file)
        ]


def read_alarms(folder: Path) -> list[Span]:
    """The alarms that `score` has raised, with the names of their videos."""
    return [
        Span(record.parent.name, event["start_seconds"], event["end_seconds"])
        for record in sorted(folder.glob("*/events.json"))
        for event in json.loads(record.read_text())["events"]
    ]


class Camera:
    """A generated camera, and the model that watches it, in one folder."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._folder = folder
        self._options = options
        self._run = folder / "run"
        self._next = 0.0

    def draw(self, name: str, hours: float, *events: object) -> Path:
        """The next hours of the camera, in a folder of their own."""
        start, self._next = self._next, self._next + hours
        out = self._folder / name
        looks = ("--rate", self._options.rate, "--size", "72x96", "--seed", self._options.seed)
        command("synthesize", out, "--hours", f"{start:g}:{self._next:g}", *looks, *events)
        return out

    def train(self, video: Path) -> None:
        """A model, on all of the video."""
        shards = self._folder / "shards"
        command("preprocess", video, shards, "--size", self._options.size, "--workers", 1)
        training = ("--epochs", self._options.epochs, "--batch-size", 8, "--hold-out", 0)
        command("train", shards, self._run, *training, "--precision", self._options.precision)

    def calibrate(self, hours: float) -> dict[str, float]:
        """Until the promise is carried; returns `hours` and `phi`."""
        video, more = self.draw("calibration-0", hours), 0
        while True:
            record = self._run / "calibration.json"
            asked = ("--alarms-per-hour", self._options.alarms_per_hour)
            how = (*asked, "--precision", self._options.precision, *(["--add"] if more else []))
            if not self._holds(record, video):
                command("calibrate", self._run, video, *how)
            found = json.loads(record.read_text())
            have, phi = found["calibration"]["hours"], found["phi"]
            if found["promise"] is not None:
                return {"hours": have, "phi": phi}
            needed = -math.log(1 - found["confidence"]) * phi / self._options.alarms_per_hour
            more += 1
            lacking = max(1, math.ceil(QUARTERS * (needed - have)))
            print(f"# {have:.2f} h carry no promise at φ {phi:.2f}: {needed:.2f} h needed")
            video = self.draw(f"calibration-{more}", lacking / QUARTERS)

    def score(self, video: Path) -> list[Span]:
        """The alarms of a folder of video."""
        out = self._folder / f"scored-{video.name}"
        how = ("--precision", self._options.precision, "--no-overlay", "--no-clips")
        command("score", video, "--checkpoint", self._run, "--out", out, *how)
        return read_alarms(out)

    @staticmethod
    def _holds(record: Path, video: Path) -> bool:
        """Whether a calibration has the recordings of a folder, from a run that was killed later."""
        if not record.exists():
            return False
        names = {Path(each["name"]).stem for each in json.loads(record.read_text())["recordings"]}
        return {path.stem for path in video.glob("*.mp4")} <= names


def command(*arguments: object) -> None:
    """Run one of the project's commands, and say how long it took."""
    started = time.perf_counter()
    given = [str(argument) for argument in arguments]
    result = subprocess.run([sys.executable, ROOT / "cli.py", *given], capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"{' '.join(given)}: exit code {result.returncode}\n{result.stderr}")
    print(f"# {given[0]} {Path(given[1]).name}: {time.perf_counter() - started:.0f} s", flush=True)


def report(
    promised: float, hours: float, alarms: int, events: int, found: Found
) -> Iterable[tuple[str, str, str, str]]:
    """Rows of what was counted, found, and to be reached, and whether it was."""
    limit = poisson_limit(promised * hours)
    kept = "kept" if alarms <= limit else "BROKEN"
    yield f"alarms in {hours:g} h of normal video", str(alarms), f"at most {limit} ({promised:g}/h)", kept
    share = len(found.delays) / events
    reached = "reached" if share >= FOUND_SHARE else "MISSED"
    yield "planted events found", f"{len(found.delays)} of {events}", f"at least {FOUND_SHARE:.0%}", reached
    delay = float(np.median(found.delays)) if found.delays else math.inf
    reached = "reached" if delay <= DELAY_SECONDS else "MISSED"
    yield "median delay", f"{delay:.2f} s", f"at most {DELAY_SECONDS:g} s", reached
    yield "alarms beside the events", str(found.other), "", ""


def processor() -> str:
    """The CPU's name, and what may matter of it."""
    text = Path("/proc/cpuinfo").read_text()
    name = next((line.split(":")[1].strip() for line in text.splitlines() if "model name" in line), "CPU")
    amx = " with AMX" if "amx_bf16" in text else ""
    return f"{name}{amx}, {os.cpu_count()} cores, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="of the camera and all that it sees")
    for name, hours, what in (
        ("train", 1, "to train on"),
        ("calibrate", 3, "to calibrate on"),
        ("count", 6, "without events, whose alarms are counted"),
        ("planted", 1, "with events"),
    ):
        parser.add_argument(f"--{name}", type=float, default=hours, metavar="HOURS", help=what)
    parser.add_argument("--events-per-hour", type=float, default=40, help="in the hours with events")
    parser.add_argument("--alarms-per-hour", type=float, default=1, help="the promise")
    parser.add_argument("--rate", type=int, default=5, help="frames per second")
    parser.add_argument("--size", type=int, default=64, help="of the frames that the model sees")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--work", type=Path, help="a folder that stays, with all that is made")
    options = parser.parse_args()
    print(f"# {processor()}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        camera = Camera(options.work or Path(temporary), options)
        camera.train(camera.draw("training", options.train))
        normal = camera.draw("normal", options.count)
        planted = camera.draw("planted", options.planted, "--events-per-hour", options.events_per_hour)
        calibrated = camera.calibrate(options.calibrate)
        alarms = camera.score(normal)
        events = read_planted(planted)
        found = matched(events, camera.score(planted))
    print(f"# calibrated on {calibrated['hours']:.2f} h, φ {calibrated['phi']:.2f}")
    for row in report(options.alarms_per_hour, options.count, len(alarms), len(events), found):
        print("{:<32}{:>12}   {:<20}{}".format(*row))
    for event in found.missed:
        print(f"# missed: {event.video} at {event.start:.1f} s")


if __name__ == "__main__":
    main()
