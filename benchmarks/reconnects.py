"""What is left of many broken connections: a camera hangs up again and again, and `watch` comes back.

    python benchmarks/reconnects.py [--cycles 200] [--frames 12] [--warm 8000]

The camera hangs up some frames after each connection, by default before its second key frame, and the pause
before the next is a fiftieth of that of the command. The first connection warms up with thousands of frames,
for what memory is taken once is taken with them. Printed are looks at the process, and how much more it held
at most after that. The model costs nothing.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from freewatch import Breaks, watch_freely
from pipeline.watch import readers
from pipeline.watch.view import Snapshot
from vitals import Vitals, vitals

PARTS = 10
"""Of a run, each with a line."""
FIRST_PAUSE = 0.02
"""Seconds, in place of one."""


def report(held: Sequence[tuple[int, Vitals]], cycles: int) -> None:
    """Print looks at a process, each after so many reconnects."""
    print("| reconnects | threads | descriptors | resident, MB | not of files, MB |")
    print("|---|---|---|---|---|")
    early = [each for count, each in held if count == 0]
    due = 0.0
    for count, each in [(0, early[-1]), *(look for look in held if look[0])]:
        if count >= due:
            due += cycles / PARTS
            print(
                f"| {count} | {each.threads} | {each.descriptors} | {each.resident:.1f} "
                f"| {each.anonymous:.1f} |"
            )
    late = [each for count, each in held if count]
    threads, descriptors, grown = (
        max(getattr(each, name) for each in late) - max(getattr(each, name) for each in early)
        for name in ("threads", "descriptors", "resident")
    )
    print(f"\nat most {threads:+d} threads, {descriptors:+d} descriptors, {grown:+.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--frames", type=int, default=12, help="of each connection but the first")
    parser.add_argument("--warm", type=int, default=8000, help="frames of the first connection")
    options = parser.parse_args()
    readers.FIRST_PAUSE = FIRST_PAUSE
    held: list[tuple[int, Vitals]] = []
    scored = [0]

    def look(camera: Snapshot) -> bool:
        held.append((camera.reconnects, vitals(os.getpid())))
        scored[0] = camera.scored
        return bool(camera.reconnects >= options.cycles)

    with tempfile.TemporaryDirectory() as folder:
        watch_freely(Path(folder), look, Breaks(first=options.warm, others=options.frames))
    print(f"{held[-1][0]} reconnects, {scored[0]} frames scored\n")
    report(held, options.cycles)


if __name__ == "__main__":
    main()
