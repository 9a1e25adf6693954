"""What the figures of an evaluation cost the process that sums up: memory and time, of more and more rows.

    python benchmarks/figures.py [--rows 1000000,3000000,10000000]

Scores are simulated, of videos of 1,000 frames, half of them with an abnormal quarter. Each way is a process
of its own: with all rows held, and with rows streamed, where figures over all frames are from histograms.
Seconds are those of the CPU, which a busy machine changes little; memory is the peak above what the imports
take.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mnad import FrameScores, normality
from pipeline.report.evaluation import gathered
from pipeline.report.render import render
from pipeline.runs.evaluation import EvaluationRecord, Figures, ScoredModel, Speed
from pipeline.runs.provenance import Provenance
from pipeline.scoring.figures import compute_figures
from pipeline.scoring.parts import Timing
from pipeline.scoring.table import MOST_ROWS, read_scores
from pipeline.scoring.tablewriter import write_part
from pipeline.scoring.videoscores import VideoScores
from shards.storage import Storage
from vitals import own_memory, reset_peak

FRAMES = 1000
ALPHA = 0.6
PARTS = 2
WORK = Provenance(
    code_version="1",
    checkpoint="model",
    checkpoint_sha256="00",
    shards="set",
    manifest_sha256="00",
    split="testing",
    memory="video",
    alpha=ALPHA,
    threshold=0.01,
    distance="items",
    runtime="torch",
    precision="fp32",
    batch_size=32,
    processes=PARTS,
    report=True,
    maps=False,
)
WAYS = {"held": sys.maxsize, "streamed": 0}


def video(number: int) -> VideoScores:
    """Scores that are worse where it is abnormal, by about as much as they spread."""
    rng = np.random.default_rng(number)
    labels = np.zeros(FRAMES, bool)
    if number % 2:
        labels[(start := int(rng.integers(0, FRAMES // 2))) : start + FRAMES // 4] = True
    noise = np.convolve(rng.normal(size=FRAMES), np.ones(8) / 3.2, "same")
    psnr = 35 + rng.normal(0, 2) + 1.5 * noise - 2.5 * labels
    distance = 0.002 * np.exp(0.2 * rng.normal(size=FRAMES) + 0.2 * labels)
    frames = np.arange(4, 4 + FRAMES)
    return VideoScores(
        name=f"{number:06d}",
        frames=frames,
        scores=FrameScores(
            psnr=psnr,
            feature_distance=distance,
            point_score=0.02 * rng.random(FRAMES),
            memory_updated=rng.random(FRAMES) < 0.5,
        ),
        anomaly=1 - normality(psnr, distance, ALPHA),
        labels=labels,
        seconds=frames / 25,
        local_error=12 - psnr + rng.normal(size=FRAMES),
    )


def write(folder: Path, rank: int, videos: int) -> None:
    """A part of the table, as one process writes it."""
    mine = [video(number) for number in range(rank, videos, PARTS)]
    write_part(Storage(folder), rank, mine, WORK, Timing(frames=1, seconds=1.0))


def measure(folder: Path, way: str, videos: int) -> dict[str, float]:
    """Read, compute all figures, and make the page."""
    order = [f"{number:06d}" for number in range(videos)]
    before, started = own_memory("VmRSS"), time.process_time()
    reset_peak()
    scores = read_scores(Storage(folder), WORK.to_json(), order, most_rows=WAYS[way])
    figures = compute_figures(scores, ALPHA, 0.0, order=order, binned=way == "streamed")
    found = {
        "figures: CPU s": time.process_time() - started,
        "figures: MB peak": own_memory("VmHWM") - before,
    }
    reset_peak()
    started = time.process_time()
    _page(scores, figures)
    bounds = figures.bounds and figures.bounds.of("anomaly_score")
    return found | {
        "page: CPU s": time.process_time() - started,
        "page: MB peak": own_memory("VmHWM") - before,
        "AUC": figures.auc or 0.0,
        "AUC within": (bounds.auc if bounds else None) or 0.0,
    }


def _page(scores: Iterable[VideoScores], figures: Figures) -> None:
    record = EvaluationRecord(
        **vars(figures),
        label_source=("simulated",),
        localisation=None,
        notes=(),
        provenance=WORK,
        model=ScoredModel(method="pred", window=5, items=10, height=64, width=64, step=0, epoch=0, origin={}),
        dataset="simulated",
        config={"smoothing": 0.0},
        timing=Speed(frames_per_second=1.0, seconds=1.0, frames=1, timed="nothing", device="cpu"),
    )
    render([gathered("simulated", record, scores, None)])


def _in_child(folder: Path, *arguments: object) -> str:
    command = [sys.executable, __file__, "--folder", str(folder), "--do", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="1000000,3000000,10000000")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--do", nargs=3, metavar=("WHAT", "WHICH", "VIDEOS"))
    options = parser.parse_args()
    if options.do:
        what, which, videos = options.do
        if what == "write":
            write(options.folder, int(which), int(videos))
        else:
            print(json.dumps(measure(options.folder, which, int(videos))))
        return
    print(f"up to {MOST_ROWS:,} rows are held")
    for rows in map(int, options.rows.split(",")):
        with tempfile.TemporaryDirectory() as made:
            for rank in range(PARTS):
                _in_child(Path(made), "write", rank, rows // FRAMES)
            size = sum(path.stat().st_size for path in Path(made, "scores").iterdir())
            print(f"{rows:,} rows, {size / 1e6:.0f} MB")
            for way in WAYS:
                found = json.loads(_in_child(Path(made), "measure", way, rows // FRAMES))
                print(f"  {way:<9}" + "".join(f"  {name} {value:.6g}" for name, value in found.items()))


if __name__ == "__main__":
    main()
