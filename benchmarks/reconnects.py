"""What is left of many broken connections: a camera hangs up again and again, and `watch` comes back.

    python benchmarks/reconnects.py [--cycles 200] [--warm 300] [--frames 12]

The camera hangs up some frames after each connection, by default before its second key frame, and the pause
before the next is a fiftieth of that of the command. The first connections warm up, for what memory is taken
once is taken in the first thousands of frames. Printed are looks at the process, and the most that it held
while it warmed up and after that. The model costs nothing.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from freewatch import watch_freely
from pipeline.watch import readers
from pipeline.watch.view import Snapshot
from vitals import Vitals, vitals

PARTS = 10
"""Of a run, each with a line."""
MOST_MB = 5.0
"""That all connections together may add."""
FIRST_PAUSE = 0.02
"""Seconds, in place of one."""


def most(held: Sequence[tuple[int, Vitals]], name: str) -> float:
    """The largest value of some looks."""
    return max(float(getattr(each, name)) for _, each in held)


def report(held: Sequence[tuple[int, Vitals]], warm: int, cycles: int) -> None:
    """Print looks at a process, each after so many reconnects."""
    print("| reconnects | threads | descriptors | resident, MB | not of files, MB |")
    print("|---|---|---|---|---|")
    due = 0.0
    for count, each in held:
        if count >= due:
            due += (warm + cycles) / PARTS
            print(
                f"| {count} | {each.threads} | {each.descriptors} | {each.resident:.1f} "
                f"| {each.anonymous:.1f} |"
            )
    early = [look for look in held if look[0] < warm]
    late = [look for look in held if look[0] >= warm]
    for name in ("threads", "descriptors"):
        first, others = most(early, name), most(late, name)
        print(f"\n{name}: at most {first:g} in the first {warm} connections, {others:g} in the others")
    grown = most(late, "resident") - most(early, "resident")
    print(f"\nmemory: {grown:+.1f} MB, {'within' if grown <= MOST_MB else 'more than'} {MOST_MB:g} MB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cycles", type=int, default=200, help="after those that warm up")
    parser.add_argument("--warm", type=int, default=300, help="cycles that warm up")
    parser.add_argument("--frames", type=int, default=12, help="that the camera sends before it hangs up")
    options = parser.parse_args()
    readers.FIRST_PAUSE = FIRST_PAUSE
    held: list[tuple[int, Vitals]] = []
    scored = [0]

    def look(camera: Snapshot) -> bool:
        held.append((camera.reconnects, vitals(os.getpid())))
        scored[0] = camera.scored
        return bool(camera.reconnects >= options.warm + options.cycles)

    with tempfile.TemporaryDirectory() as folder:
        watch_freely(Path(folder), look, options.frames)
    print(f"{held[-1][0]} reconnects, {scored[0]} frames scored\n")
    report(held, options.warm, options.cycles)


if __name__ == "__main__":
    main()
