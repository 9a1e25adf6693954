"""What is left of many broken connections: the command `watch`, whose camera hangs up again and again.

    python benchmarks/reconnects.py [--cycles 200] [--frames 12] [--warm 20]

The camera hangs up a few frames after each connection, some of which are scored; the command waits for half
a second to a second then, as it does after each connection that had frames. Threads, descriptors and memory
are looked at in each cycle while pictures come. Printed are their largest values in the first cycles, which
warm up, and in all others.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rtsp import camera
from vitals import Vitals, ask, vitals
from watched import make_run, make_video, watch

PATIENCE = 60.0
"""Seconds that a cycle may take."""
MOST_MB = 5.0
"""That all cycles together may add."""
RATE, SIZE, HEIGHT = 25, 32, 180


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something.

    Raises:
        SystemExit: it does not come.
    """
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"found no {what} in {PATIENCE:g} s, expected one")
        time.sleep(0.02)


def cycled(folder: Path, cycles: int, frames: int) -> tuple[list[Vitals], int, float]:
    """What the command holds in each connection; scored frames; seconds of all."""
    run = make_run(folder / "run", size=SIZE, rate=RATE)
    video = make_video(folder / "camera.mp4", 4.0, height=HEIGHT)
    held = []
    with camera(video) as source, watch(run, folder / "watched", {"yard": source.url}) as running:
        started = time.monotonic()
        for cycle in range(cycles + 1):
            source.fault = "none"
            until(lambda cycle=cycle: source.connections > cycle, "connection")  # type: ignore[misc]
            sent = source.sent
            until(lambda sent=sent: source.sent >= sent + frames, "frames")  # type: ignore[misc]
            held.append(vitals(running.pid))
            source.fault = "drop"
            until(lambda cycle=cycle: source.ended > cycle, "end of the connection")  # type: ignore[misc]
        said = ask(running.page)
        passed = time.monotonic() - started
        reconnects = said["reconnects_total"]["yard"]
        if reconnects < cycles:
            raise SystemExit(f"found {reconnects:g} reconnects, expected {cycles}")
    return held, int(said["frames_scored_total"]["yard"]), passed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--frames", type=int, default=12, help="that the camera sends before it hangs up")
    parser.add_argument("--warm", type=int, default=20, help="cycles that warm up")
    options = parser.parse_args()
    if not 0 < options.warm <= options.cycles:
        parser.error(f"found --warm {options.warm}, expected 1 to the number of cycles")
    with tempfile.TemporaryDirectory() as folder:
        held, scored, seconds = cycled(Path(folder), options.cycles, options.frames)
    early, late = held[: options.warm], held[options.warm :]
    print(f"{options.cycles} reconnects, {scored} frames scored, {seconds / options.cycles:.2f} s each\n")
    print(f"| | first {options.warm} | the others, at most | last |")
    print("|---|---|---|---|")
    for name in ("threads", "descriptors", "resident", "anonymous"):
        first, others = ([getattr(each, name) for each in part] for part in (early, late))
        print(f"| {name} | {max(first):.6g} | {max(others):.6g} | {others[-1]:.6g} |")
    grown = max(each.resident for each in late) - max(each.resident for each in early)
    print(f"\n{grown:+.1f} MB, {'within' if grown <= MOST_MB else 'more than'} {MOST_MB:g} MB")


if __name__ == "__main__":
    main()
