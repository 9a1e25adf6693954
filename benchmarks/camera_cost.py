"""What a camera costs a CPU, by frame size, runtime and precision: from a coded picture to its scores.

    python benchmarks/camera_cost.py [--sizes 64 128 256] [--frames 40] [--height 360] [--rounds 3]

Video is decoded, resized and scored with random weights, one window at a time, as `watch` does for one
camera, on one thread. Printed are milliseconds of CPU per frame, of which a busy machine changes less than
of the time that passes, and how many cameras of 5 and of 25 frames/s two cores carry. Rounds of all ways take
turns, and medians are taken; `--sizes` without a size decodes alone. int8 is what `export` makes, with fewer
windows to learn ranges from.
"""

import argparse
import importlib.util
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from evaluate import walkway
from mnad import MNAD
from pipeline.runs.checkpoint import Checkpoint, load_checkpoint
from pipeline.scoring.choices import THRESHOLD, Precision, RuntimeChoice
from pipeline.scoring.instrument import Instrument
from pipeline.scoring.moments import Gaze
from pipeline.scoring.runtime import Network, network
from pipeline.scoring.scorer import Scorer
from pipeline.video.timed import TimedFrame, timed_frames
from watched import make_run, make_video

CPU = torch.device("cpu")
CALIBRATION = 24
"""Windows that int8 learns from."""
RATES = (5, 25)
CORES = 2


def ready(model: MNAD, size: int) -> Iterator[tuple[str, Network]]:
    """All networks that this environment has."""
    kinds: list[tuple[RuntimeChoice, Precision]] = [("torch", "fp32"), ("torch", "bf16")]
    if importlib.util.find_spec("openvino") is not None:
        kinds += [("openvino", "fp32"), ("openvino", "bf16")]
    for runtime, precision in kinds:
        yield f"{runtime} {precision}", network(model, (size, size), CPU, runtime, precision)
    if importlib.util.find_spec("nncf") is not None:
        from pipeline.export.quantising import quantised

        windows = walkway(4 * CALIBRATION, size).flip(0)[:CALIBRATION]
        made = network(
            model, (size, size), CPU, "openvino", "int8", lambda: quantised(model, (size, size), windows)
        )
        yield "openvino int8", made


def instrument(checkpoint: Checkpoint, made: Network, size: int) -> Instrument:
    """What measures frames with a network, one window at a time."""
    threshold = THRESHOLD[checkpoint.spec.method]
    return Instrument(
        checkpoint=checkpoint,
        scorer=Scorer(model=made.model, memory="frozen", threshold=threshold, bf16=made.autocasts),
        gaze=Gaze.through(torch.ones((size, size), dtype=torch.bool)),
        size=(size, size),
        batch=1,
        mask=None,
        runtime=made.runtime,
        precision=made.precision,
    )


def measure(folder: Path, video: Path, size: int, frames: int, rounds: int) -> None:
    """Print the rows of one size."""
    checkpoint = load_checkpoint(str(make_run(folder / f"run-{size}", size=size, rate=25)))
    tools = {name: instrument(checkpoint, made, size) for name, made in ready(checkpoint.model(), size)}
    spent: dict[str, list[float]] = {name: [] for name in tools}

    def some() -> Iterator[TimedFrame]:
        return itertools.islice(timed_frames(video, str(video)), frames)

    for number in range(rounds + 1):
        for name, tool in tools.items():
            started = time.process_time()
            scored = sum(1 for _ in tool.moments(some()))
            if number:  # the first warms up
                spent[name].append(1000 * (time.process_time() - started) / scored)
    for name, times in spent.items():
        each = statistics.median(times)
        cameras = " | ".join(f"{CORES * 1000 / (each * rate):.1f}" for rate in RATES)
        print(f"| {size}x{size} | {name} | {each:.3g} | {cameras} |", flush=True)


def decoding(video: Path) -> float:
    """Milliseconds of CPU for a frame that is decoded, and not looked at."""
    started = time.process_time()
    count = sum(1 for _ in timed_frames(video, str(video)))
    return 1000 * (time.process_time() - started) / count


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[64, 128, 256], help="height and width of frames"
    )
    parser.add_argument("--frames", type=int, default=40, help="per round; four fewer are scored")
    parser.add_argument("--height", type=int, default=360, help="of the camera's picture")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rates = " | ".join(f"cameras of {rate} frames/s on {CORES} cores" for rate in RATES)
    with tempfile.TemporaryDirectory() as folder:
        video = make_video(Path(folder) / "camera.mp4", 4.0, height=options.height)
        print(f"{decoding(video):.2g} ms of CPU to decode a frame {options.height} pixels high\n")
        print(f"| size | runtime | ms of CPU per frame | {rates} |\n|---|---|---|{len(RATES) * '---|'}")
        for size in options.sizes:
            measure(Path(folder), video, size, options.frames, options.rounds)


if __name__ == "__main__":
    main()
