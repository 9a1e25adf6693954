"""What a running process holds, from /proc, and what its page says to Prometheus."""

import os
import re
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

_SAMPLE = re.compile(
    r'(?P<name>\w+)\{camera="(?P<camera>[^"]*)"(?:,quantile="(?P<quantile>[^"]*)")?\} (?P<value>\S+)'
)
_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE = 10.0
"""Seconds that an answer of the page may take."""


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """A process at one time.

    Attributes:
        resident, anonymous: memory, MB of 10⁶ bytes; without what is mapped from files.
        descriptors, threads: that are open, that run.
        busy: CPU seconds since it began.
    """

    resident: float
    anonymous: float
    descriptors: int
    threads: int
    busy: float


def vitals(pid: int) -> Vitals:
    """Of a process of this user.

    Raises:
        OSError: it has ended.
    """
    home = Path(f"/proc/{pid}")
    status = dict(re.findall(r"^(\w+):\s+(\d+)", (home / "status").read_text(), re.M))
    times = (home / "stat").read_text().rpartition(")")[2].split()
    return Vitals(
        resident=1024e-6 * int(status["VmRSS"]),
        anonymous=1024e-6 * int(status["RssAnon"]),
        descriptors=len(os.listdir(home / "fd")),  # noqa: PTH208
        threads=int(status["Threads"]),
        busy=(int(times[11]) + int(times[12])) / _TICKS,
    )


def own_memory(name: str) -> float:
    """A figure of this process's memory as `/proc/self/status` calls it, MB of 1,000 kB."""
    return int(re.findall(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[0]) / 1e3


def reset_peak() -> None:
    """Let the peak, `VmHWM`, count from here."""
    Path("/proc/self/clear_refs").write_text("5")


Told = dict[str, dict[str, float]]
"""Values by metric and camera; a quantile is part of the metric's name, as in `latency_seconds 0.5`."""


def told(text: str) -> Told:
    """What `/metrics` says, metrics without `mnad_`."""
    found: Told = defaultdict(dict)
    for line in text.splitlines():
        if (sample := _SAMPLE.fullmatch(line)) is not None:
            quantile = sample["quantile"]
            name = sample["name"].removeprefix("mnad_") + (f" {quantile}" if quantile else "")
            found[name][sample["camera"]] = float(sample["value"])
    return found


def ask(page: str) -> Told:
    """What the page at an address says now.

    Raises:
        OSError: it does not answer.
    """
    with urllib.request.urlopen(f"{page}metrics", timeout=_PATIENCE) as answer:
        return told(answer.read().decode())
