"""Whether several cameras are scored faster side by side in OpenVINO than as one batch.

    python benchmarks/streams.py [--sizes 64 256] [--cameras 4] [--rounds 5]

The encoder of the network, with random weights, takes one window of each camera: as one batch on all cores,
which is what `watch` does, or window by window in streams that share the cores. Both take turns; medians are
printed.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from mnad import MNAD
from pipeline.runtimes.silent import HINTS
from pipeline.runtimes.silent import openvino as ov
from pipeline.scoring.openvinoruns import graphs


def ways(graph: "ov.Model", precision: str, windows: np.ndarray) -> dict[str, Callable[[], None]]:
    """What is compared."""
    cores = torch.get_num_threads()
    common = {"INFERENCE_PRECISION_HINT": HINTS[precision], "INFERENCE_NUM_THREADS": cores}
    core = ov.Core()
    batched = core.compile_model(graph, "CPU", {**common, "PERFORMANCE_HINT": "LATENCY"})
    streams = {**common, "PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": cores}
    queue = ov.AsyncInferQueue(core.compile_model(graph, "CPU", streams), cores)

    def apart() -> None:
        for window in windows:
            queue.start_async([window[None]])
        queue.wait_all()

    return {"one batch": lambda: batched([windows]), f"{cores} streams": apart}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256], help="height and width of frames")
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.manual_seed(0)
    model = MNAD("pred").eval()
    print("| size | precision | one batch, windows/s | streams, windows/s | streams / one batch |")
    print("|---|---|---|---|---|")
    for size in options.sizes:
        encoder = graphs(model, (size, size))[0]
        windows = (
            np.random.default_rng(0).uniform(-1, 1, (options.cameras, 12, size, size)).astype(np.float32)
        )
        for precision in ("fp32", "bf16"):
            every = ways(encoder, precision, windows)
            seconds: dict[str, list[float]] = {name: [] for name in every}
            for number in range(options.rounds + 1):
                for name, way in every.items():
                    started = time.perf_counter()
                    way()
                    if number:  # the first warms up
                        seconds[name].append(time.perf_counter() - started)
            batch, apart = (options.cameras / statistics.median(times) for times in seconds.values())
            print(f"| {size} | {precision} | {batch:.3g} | {apart:.3g} | {apart / batch:.2f} |", flush=True)


if __name__ == "__main__":
    main()
