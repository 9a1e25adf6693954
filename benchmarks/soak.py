"""The command `watch` over generated cameras for as long as is asked: what it holds, and how that grows.

    python benchmarks/soak.py [--minutes 60] [--cameras 2] [--faults] [--size 64] [--rate 5] [--out soak]

The model has random weights, and a calibration on two minutes of normal video; the cameras send 25 frames/s,
of which as many are scored as this machine carries with half of it to spare, and show something abnormal
once in two minutes. With --faults one of them drops, stalls or sends damage every forty seconds. `OUT.csv`
has a row every five seconds, `OUT.png` shows it.

The first tenth of the time, at most five minutes, warms up. Of the rest the medians of its first and its last
tenth are printed, and the slope of a line through all of it, per hour.
"""

import argparse
import contextlib
import csv
import dataclasses
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from rtsp import Camera, Fault, camera
from vitals import Told, Vitals, ask, vitals
from watched import (
    CAMERA_RATE,
    Running,
    carried_rate,
    command,
    held_bytes,
    make_run,
    make_video,
    speed_told,
    watch,
)

matplotlib.rcdefaults()

FAULTS: tuple[tuple[Fault, float], ...] = (("drop", 1.0), ("stall", 12.0), ("corrupt", 3.0))
"""What goes wrong in turns, and for how many seconds."""
FAULT_EVERY = 40.0
"""Seconds."""
LOOP, ABNORMAL = 120.0, (60.0, 62.0)
"""Seconds of a camera's video, and those in which something crosses fast."""
ALARMS_PER_HOUR = 120
"""That two minutes of normal video carry with 90 % confidence: 2.3 / 120 h are 69 s."""
SAMPLE_EVERY = 5.0
LONGEST_WARM_UP = 300.0
"""Seconds."""
SCORED, SKIPPED, RECONNECTS = "frames_scored_total", "frames_skipped_total", "reconnects_total"
P50, P95 = "latency_seconds 0.5", "latency_seconds 0.95"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What the command holds at one time, and has done until then.

    Attributes:
        seconds: since it was first asked.
        resident, anonymous, descriptors, threads, busy: as in `Vitals`.
        p50, p95: latency in seconds, of the slowest camera; NaN before a frame.
        scored, skipped, reconnects: of all cameras together.
        up: cameras whose pictures come.
    """

    seconds: float
    resident: float
    anonymous: float
    descriptors: int
    threads: int
    busy: float
    p50: float
    p95: float
    scored: int
    skipped: int
    reconnects: int
    up: int

    @classmethod
    def of(cls, seconds: float, held: Vitals, said: Told) -> "Sample":
        """From what the process holds and what its page says."""

        def together(name: str) -> int:
            return int(sum(said.get(name, {}).values()))

        return cls(
            seconds=seconds,
            **dataclasses.asdict(held),
            p50=max(said.get(P50, {}).values(), default=float("nan")),
            p95=max(said.get(P95, {}).values(), default=float("nan")),
            scored=together(SCORED),
            skipped=together(SKIPPED),
            reconnects=together(RECONNECTS),
            up=together("camera_up"),
        )


def fault_at(seconds: float, cameras: int) -> tuple[int, Fault]:
    """Which of some cameras something is wrong with, and what, so many seconds after the beginning."""
    turn, within = divmod(seconds, FAULT_EVERY)
    fault, length = FAULTS[int(turn) % len(FAULTS)]
    before = FAULT_EVERY / 2  # so that it begins in order, and the last one is over at the end
    return int(turn) % cameras, fault if before <= within < before + length else "none"


def slope(samples: Sequence[Sample], name: str) -> float:
    """How much a value grows per hour, by the line through it; 0 of fewer than two samples."""
    if len(samples) < 2:
        return 0.0
    hours = np.array([each.seconds / 3600 for each in samples])
    return float(np.polyfit(hours - hours.mean(), [getattr(each, name) for each in samples], 1)[0])


@dataclass(frozen=True, kw_only=True)
class Change:
    """A value over a run.

    Attributes:
        start, end: its medians.
        per_hour: its slope.
    """

    start: float
    end: float
    per_hour: float


def change(samples: Sequence[Sample], name: str) -> Change:
    """How a value has changed since the warm-up; at least one sample."""
    warm = samples[0].seconds + min(LONGEST_WARM_UP, (samples[-1].seconds - samples[0].seconds) / 10)
    kept = [each for each in samples if each.seconds >= warm]
    tenth = max(1, len(kept) // 10)
    values = [float(getattr(each, name)) for each in kept]
    return Change(
        start=statistics.median(values[:tenth]),
        end=statistics.median(values[-tenth:]),
        per_hour=slope(kept, name),
    )


def sampled(
    running: Running, cameras: Sequence[Camera], seconds: float, has_faults: bool
) -> Iterator[Sample]:
    """A sample now and then; the cameras fail meanwhile, if they are to."""
    started, due = time.monotonic(), 0.0
    while (now := time.monotonic() - started) < seconds:
        index, fault = fault_at(now, len(cameras)) if has_faults else (0, "none")
        for number, each in enumerate(cameras):
            each.fault = fault if number == index else "none"
        if now >= due:
            due += SAMPLE_EVERY
            yield Sample.of(now, vitals(running.pid), ask(running.page))
        time.sleep(0.1)


def written(out: Path) -> dict[str, int]:
    """Bytes of each kind of file of all cameras."""
    found: dict[str, int] = defaultdict(int)
    for folder in out.iterdir():
        for part in folder.iterdir() if folder.is_dir() else ():
            found[part.name] += held_bytes(part) if part.is_dir() else part.stat().st_size
    return dict(found)


def plot(samples: Sequence[Sample], title: str) -> Figure:
    """Memory, descriptors and threads, latency, and reconnects over the minutes of a run."""
    minutes = [each.seconds / 60 for each in samples]
    rows: tuple[tuple[str, dict[str, Sequence[float]]], ...] = (
        (
            "memory, MB",
            {
                "resident": [each.resident for each in samples],
                "not of files": [each.anonymous for each in samples],
            },
        ),
        (
            "count",
            {
                "descriptors": [each.descriptors for each in samples],
                "threads": [each.threads for each in samples],
            },
        ),
        (
            "latency, ms",
            {"p50": [1000 * each.p50 for each in samples], "p95": [1000 * each.p95 for each in samples]},
        ),
        ("reconnects", {"": [each.reconnects for each in samples]}),
    )
    figure = Figure(figsize=(7, 6.4), layout="constrained", facecolor="white")
    axes = figure.subplots(len(rows), 1, sharex=True)
    for axis, (label, lines) in zip(axes, rows, strict=True):
        for (name, values), colour in zip(lines.items(), ("#1d4ed8", "#b45309"), strict=False):
            axis.plot(minutes, values, color=colour, linewidth=1.2, label=name)
        axis.set_ylabel(label, fontsize=8)
        axis.set_ylim(bottom=0)
        axis.tick_params(labelsize=8, length=0)
        axis.grid(color="#e5e7eb", linewidth=0.6)
        for side in ("top", "right", "left", "bottom"):
            axis.spines[side].set_visible(False)
        if len(lines) > 1:
            axis.legend(fontsize=7, frameon=False, ncols=2, loc="lower right")
    axes[-1].set_xlabel("minutes", fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure


def report(samples: Sequence[Sample], files: Mapping[str, int]) -> None:
    """Print what a run was."""
    last = samples[-1]
    print(f"\n{last.seconds / 60:.1f} minutes, {len(samples)} samples\n")
    print("| | at the start | at the end | per hour |")
    print("|---|---|---|---|")
    for name, words, unit in (
        ("resident", "resident memory, MB", 1.0),
        ("anonymous", "of it not of files, MB", 1.0),
        ("descriptors", "descriptors", 1.0),
        ("threads", "threads", 1.0),
        ("p50", "latency p50, ms", 1000.0),
        ("p95", "latency p95, ms", 1000.0),
    ):
        found = change(samples, name)
        print(
            f"| {words} | {unit * found.start:.1f} | {unit * found.end:.1f} | {unit * found.per_hour:+.2f} |"
        )
    busy, scored = last.busy - samples[0].busy, last.scored - samples[0].scored
    print(
        f"\n{last.scored} frames scored, {last.skipped} skipped, {last.reconnects} reconnects; "
        f"{1000 * busy / max(1, scored):.1f} ms of CPU per scored frame, "
        f"{busy / (last.seconds - samples[0].seconds or 1):.2f} cores"
    )
    print("bytes written: " + ", ".join(f"{name} {size}" for name, size in sorted(files.items())))


def save(samples: Sequence[Sample], out: Path, title: str) -> None:
    """Write the table and the picture; their folder is made."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in dataclasses.fields(Sample)])
        writer.writeheader()
        writer.writerows(dataclasses.asdict(each) for each in samples)
    plot(samples, title).savefig(out.with_suffix(".png"), dpi=100, metadata={"Software": None})


def prepare(work: Path, options: argparse.Namespace) -> tuple[Path, Path, float]:
    """A calibrated run, the video of its cameras, and the rate at which it scores them."""
    size, height, rate = options.size, options.height, options.rate
    normal = make_video(work / "normal.mp4", LOOP, height=height)
    run = make_run(work / "run", size=size, rate=rate or float(CAMERA_RATE))
    if rate is None:
        speed = speed_told(command("doctor", normal, "--checkpoint", run, "--runtime", "torch"))
        rate = carried_rate(speed, options.cameras)
        print(f"{speed:g} frames/s on this machine, so {rate:g} of each camera", flush=True)
        run = make_run(work / "carried", size=size, rate=rate)
    command("calibrate", run, normal, "--alarms-per-hour", ALARMS_PER_HOUR, "--device", "cpu")
    return run, make_video(work / "camera.mp4", LOOP, height=height, abnormal=ABNORMAL), rate


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--cameras", type=int, default=2)
    parser.add_argument("--faults", action="store_true", help="let the cameras fail now and then")
    parser.add_argument("--size", type=int, default=64, help="height and width of what the model sees")
    parser.add_argument("--height", type=int, default=360, help="of a camera's picture")
    parser.add_argument("--rate", type=float, help="frames/s that are scored of each camera")
    parser.add_argument("--work", type=Path, help="folder that is kept; a temporary one without")
    parser.add_argument("--out", type=Path, default=Path("soak"), help="of the table and the picture")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        work = options.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        run, video, rate = prepare(work, options)
        cameras = [stack.enter_context(camera(video)) for _ in range(options.cameras)]
        urls = {f"camera{number}": each.url for number, each in enumerate(cameras, start=1)}
        samples: list[Sample] = []
        with watch(run, work / "watched", urls) as running:
            samples.extend(sampled(running, cameras, 60 * options.minutes, options.faults))
        title = f"watch: {options.cameras} cameras of {rate:g} frames/s at {options.size}x{options.size}"
        save(samples, options.out, title + (", with faults" if options.faults else ""))
        report(samples, written(work / "watched"))


if __name__ == "__main__":
    main()
