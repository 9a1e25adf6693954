"""What benchmarks/soak.py and its neighbours read, count and print."""

import csv
import math
import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.watch.web.metrics import metrics
from reconnects import report
from soak import FAULT_EVERY, FAULTS, Sample, change, fault_at, slope
from tests.helpers.commands import ROOT, TIMEOUT
from tests.helpers.statuspage import snapshot
from vitals import Vitals, told, vitals
from watched import carried_rate, speed_told


def sample(seconds: float, **changes: float) -> Sample:
    given: dict[str, float] = {
        "resident": 700.0,
        "anonymous": 500.0,
        "descriptors": 16,
        "threads": 8,
        "busy": seconds,
        "p50": 0.05,
        "p95": 0.1,
        "scored": 0,
        "skipped": 0,
        "reconnects": 0,
        "up": 2,
    }
    return Sample(seconds=seconds, **{**given, **changes})  # type: ignore[arg-type]


def test_what_a_process_holds_is_seen() -> None:
    before = vitals(os.getpid())
    # Not of the heap, which may have room for it already.
    with mmap.mmap(-1, 50_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as kept:
        kept.write(b"x" * 50_000_000)
        with Path(os.devnull).open():
            after = vitals(os.getpid())
    assert after.descriptors == before.descriptors + 1
    assert 40 < after.anonymous - before.anonymous < 120
    assert after.busy >= before.busy > 0
    assert before.threads >= 1


def test_the_page_of_metrics_is_read_by_metric_and_camera() -> None:
    cameras = [
        snapshot(name="yard", scored=7, latency_p95=0.25),
        snapshot(name="gate", state="down", latency_p95=None),
    ]
    found = told(metrics(cameras))
    assert found["frames_scored_total"]["yard"] == 7
    assert found["camera_up"] == {"yard": 1, "gate": 0}
    assert found["latency_seconds 0.95"] == {"yard": 0.25}


def test_a_sample_has_the_slower_camera_and_the_sum_of_both() -> None:
    cameras = [
        snapshot(name="yard", scored=7, latency_p95=0.25, reconnects=1),
        snapshot(name="gate", scored=5, latency_p95=0.5, reconnects=2),
    ]
    found = Sample.of(3.0, vitals(os.getpid()), told(metrics(cameras)))
    assert (found.scored, found.reconnects, found.p95, found.up) == (12, 3, 0.5, 2)
    assert math.isnan(Sample.of(0.0, vitals(os.getpid()), {}).p50)


def test_each_camera_has_each_fault_in_turn_and_is_in_order_between_them() -> None:
    seconds = [number / 2 for number in range(int(2 * FAULT_EVERY * len(FAULTS) * 2))]
    seen = [fault_at(each, 2) for each in seconds]
    wrong = {each for each in seen if each[1] != "none"}
    assert wrong == {(camera, fault) for camera in range(2) for fault, _ in FAULTS}
    assert seen[0][1] == seen[-1][1] == "none"
    assert all(fault_at(turn * FAULT_EVERY, 2)[1] == "none" for turn in range(20))


def test_growth_is_told_per_hour_and_warming_up_is_none() -> None:
    steps = [sample(36.0 * number, resident=700 + 0.1 * number) for number in range(101)]
    assert slope(steps, "resident") == pytest.approx(10.0)
    warm = [sample(number, threads=8 if number >= 10 else 1) for number in range(101)]
    found = change(warm, "threads")
    assert (found.start, found.end) == (8, 8)
    assert found.per_hour == pytest.approx(0, abs=1e-6)
    assert change([sample(0.0)], "threads").per_hour == 0


def test_a_rate_is_taken_that_leaves_half_of_the_machine() -> None:
    assert [carried_rate(speed, 2) for speed in (200, 99, 20.4, 5, 0.1)] == [25, 12.5, 5, 1, 1]
    assert speed_told("video        h264\nspeed        20.4 frames/s on this machine's cpu") == 20.4
    with pytest.raises(SystemExit, match="found no speed"):
        speed_told("video        h264\n")


def test_of_reconnects_only_what_grows_after_the_first_connection_counts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def held(resident: float, threads: int = 4) -> Vitals:
        return Vitals(resident=resident, anonymous=500.0, descriptors=15, threads=threads, busy=1.0)

    looks = [
        (0, held(600)),
        (0, held(700)),
        (0, held(690)),
        (1, held(695)),
        (9, held(703.5, 5)),
        (10, held(701)),
    ]
    report(looks, cycles=10)
    said = capsys.readouterr().out
    assert "at most +1 threads, +0 descriptors, +3.5 MB" in said
    assert "| 0 | 4 | 15 | 690.0 | 500.0 |" in said


@pytest.mark.slow
def test_a_short_soak_leaves_a_table_and_a_picture(tmp_path: Path) -> None:
    given = ("--minutes", "0.2", "--faults", "--size", "32", "--height", "90", "--rate", "5")
    arguments = [
        "benchmarks/soak.py",
        *given,
        "--work",
        str(tmp_path / "work"),
        "--out",
        str(tmp_path / "soak"),
    ]
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    assert "| resident memory, MB |" in done.stdout
    with (tmp_path / "soak.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 2
    assert all(float(row["resident"]) > 50 and int(row["descriptors"]) > 3 for row in rows)
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")
