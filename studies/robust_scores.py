"""Whether another score of the published form lands better, and on every seed: from evaluations of runs.

    python cli.py evaluate SHARDS RUN --out RUN/evaluation
    python cli.py evaluate SHARDS RUN --distance places --out RUN/evaluation-places
    python studies/robust_scores.py RUN [RUN ...]

All scores are those of the paper with its alpha and a min-max per video, in which the PSNR, the feature
distance, or both are replaced: by the local error of the table (dB, the worst box of H/8), by the distance
from what is normal at each place. Each as it is, and with both parts under the causal mean over 0.3 s before
their min-max. The script prints the AUC over all test frames in percent for each run, the mean, the standard
deviation over runs, and the worst run.
"""

import statistics
from collections.abc import Callable
from dataclasses import replace

import numpy as np

import probing
from mnad.evidence import causal_mean
from pipeline.report.evaluation import load_evaluation
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.scoring.choices import ALPHA
from pipeline.scoring.metrics import MOST_PSNR
from pipeline.scoring.videoscores import VideoScores

Part = Callable[[VideoScores], np.ndarray]


def psnr(video: VideoScores) -> np.ndarray:
    """(F,) dB, higher for more normal."""
    values: np.ndarray = np.minimum(video.scores.psnr, MOST_PSNR)
    return values


def local(video: VideoScores) -> np.ndarray:
    """(F,) dB, turned so that higher is more normal, as the PSNR."""
    if video.local_error is None:
        raise SystemExit("an evaluation has no local errors; evaluate again")
    values: np.ndarray = -video.local_error
    return values


def smooth(video: VideoScores, values: np.ndarray) -> np.ndarray:
    """Values (F,) of a video under the causal mean."""
    if video.seconds is None:
        raise SystemExit("an evaluation has no times; preprocess with --rate and evaluate again")
    return causal_mean(video.seconds, values[:, None])[0][:, 0]


def area(videos: list[VideoScores], others: list[VideoScores], part: Part, alpha: float, mean: bool) -> float:
    """AUC in percent of `part` weighed with the feature distance of the same frames in `others`."""
    made = []
    for video, other in zip(videos, others, strict=True):
        error, distance = part(video), other.scores.feature_distance
        if mean:
            error, distance = smooth(video, error), smooth(video, distance)
        made.append(replace(video, scores=replace(video.scores, psnr=error, feature_distance=distance)))
    return probing.area(made, alpha)


def row(run: str) -> list[float]:
    """The figures of one run: each part alone and with both distances, as it is and under the mean."""
    evaluations = [load_evaluation(f"{run}/{name}") for name in ("evaluation", "evaluation-places")]
    items, places = ([*evaluation.videos] for evaluation in evaluations)
    alpha = ALPHA[load_checkpoint(run).spec.method]
    ways = [(part, mean) for part in (psnr, local) for mean in (False, True)]
    return [
        area(items, others, part, weight, mean)
        for part, mean in ways
        for others, weight in ((items, 1.0), (items, alpha), (places, alpha))
    ]


def main() -> None:
    runs = probing.options(__doc__, of_a_set=False).runs
    errors = ("PSNR", "PSNR, mean", "local error", "local error, mean")
    names = [f"{error}{tail}" for error in errors for tail in (" alone", " + items", " + places")]
    columns = list(zip(*(row(run) for run in runs), strict=True))
    print("| score | " + " | ".join(runs) + " | mean ± sd | worst |\n" + "|---" * (len(runs) + 3) + "|")
    for name, values in zip(names, columns, strict=True):
        deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        cells = [*(f"{value:.2f}" for value in values), f"{statistics.mean(values):.1f}{deviation}"]
        print(f"| {name} | " + " | ".join([*cells, f"{min(values):.2f}"]) + " |")


if __name__ == "__main__":
    main()
