"""Memory of `watch` over very many frames, with a model that costs nothing.

    python benchmarks/many_frames.py [--frames 1000000] [--minutes 15]

A camera on loopback sends as fast as it is taken, and nothing is skipped. It ends after so many frames, or
so many minutes. Printed is what the process holds after each twentieth of them; growth counts from the first
line on, so that the first twentieth warms up.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from freewatch import watch_freely
from pipeline.watch.view import Snapshot
from vitals import Vitals, vitals

PARTS = 20
"""Of a run, each with a line."""
MOST_MB = 20.0
"""That all frames together may add."""


class Looks:
    """Looks at the process after each part of a run.

    Args:
        frames: after which it ends.
        seconds: after which it ends, too.
    """

    def __init__(self, frames: int, seconds: float) -> None:
        self._frames, self._seconds = frames, seconds
        self._started: float | None = None
        self.held: list[Vitals] = []

    def __call__(self, camera: Snapshot) -> bool:
        """Print a line where one is due; whether the run is over."""
        now = time.monotonic()
        if self._started is None:
            self._started = now
        passed = now - self._started
        done = max(camera.scored / self._frames, passed / self._seconds)
        if done >= (len(self.held) + 1) / PARTS:
            held = vitals(os.getpid())
            self.held.append(held)
            print(
                f"| {camera.scored} | {held.resident:.1f} | {held.anonymous:.1f} | {held.descriptors} "
                f"| {held.threads} | {camera.scored / max(passed, 1e-9):.0f} |",
                flush=True,
            )
        return done >= 1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=15.0)
    options = parser.parse_args()
    looks = Looks(options.frames, 60 * options.minutes)
    print("| frames | resident, MB | not of files, MB | descriptors | threads | frames/s |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        alarms = watch_freely(Path(folder), looks)
    grown = looks.held[-1].resident - looks.held[0].resident
    print(f"\n{alarms} of the last 200 events are alarms")
    print(f"memory: {grown:+.1f} MB, {'within' if grown <= MOST_MB else 'more than'} {MOST_MB:g} MB")


if __name__ == "__main__":
    main()
