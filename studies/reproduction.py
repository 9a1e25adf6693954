"""What sweeps over seeds found: every run, and what the memory did in good and bad ones.

    python cli.py sweep SHARDS OUT/ones --seeds 5 --epochs 6 --batch-size 4 --bn-init ones
    python cli.py sweep SHARDS OUT/uniform --seeds 5 --epochs 6 --batch-size 4 --bn-init uniform
    python studies/reproduction.py OUT/ones OUT/uniform --out FOLDER

Reads the last epoch's evaluation of each run; trains nothing and chooses nothing. A runs.json that it has
written before can stand for its runs. Writes to FOLDER runs.json, tables.md (all runs; means and standard
deviations by sweep), alpha.png (the AUC against the weight of the PSNR) and places.png (each run's usual item
at each place of the frame). Of a memory: `used` is how many items
are nearest to at least 0.1 % of the test frames' queries, `closest` the highest cosine between two items,
`placed` the percentage of queries whose item is the usual one at their place in the frame, whatever is there,
and `range` the feature distance's 99th percentile over its 1st, of all test frames.
"""

import argparse
import json
import statistics
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot

from pipeline.report.evaluation import load_evaluation
from probing import area

ALPHAS = np.linspace(0, 1, 21)
EVALUATION = "evaluation"
"""Where in a run of a sweep its evaluation lies."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One run.

    Attributes:
        sweep, seed: which.
        auc, psnr, distance: AUC in percent of the score and of its two parts, min-max per video.
        unscaled: AUC of the score with one min-max over all videos.
        best_alpha, best_auc: the weight of the PSNR that gives the highest AUC, and that AUC. Chosen on the
            test labels: they say what the weight costs, and are no result.
        used, closest, placed, range: of the memory, see above.
        by_alpha: AUC by weight, at ALPHAS.
        places: the usual item at each place of the frame, row by row.
    """

    sweep: str
    seed: int
    auc: float
    psnr: float
    distance: float
    unscaled: float
    best_alpha: float
    best_auc: float
    used: int
    closest: float
    placed: float
    range: float
    by_alpha: tuple[float, ...]
    places: tuple[tuple[int, ...], ...]


def trial(run: Path) -> Trial:
    """What one run's evaluation says."""
    evaluation = load_evaluation(str(run / EVALUATION))
    videos = list(evaluation.videos)
    exhibits = evaluation.exhibits
    if exhibits is None:
        raise SystemExit(f"{run / EVALUATION}: has no exhibits; evaluate again with --report")
    by_alpha = tuple(area(videos, alpha) for alpha in ALPHAS)
    best = int(np.argmax(by_alpha))
    nearest = exhibits.nearest
    cosines = exhibits.items @ exhibits.items.T - 2 * np.eye(len(exhibits.items))
    low, high = np.percentile(np.concatenate([video.scores.feature_distance for video in videos]), (1, 99))
    figures = evaluation.record.of("anomaly_score")
    if figures is None or figures.auc is None or figures.auc_global is None:
        raise SystemExit(f"{run / EVALUATION}: has no AUC; evaluate a set with labels of both kinds")
    return Trial(
        sweep=run.parent.name,
        seed=int(run.name.removeprefix("seed-")),
        auc=100 * figures.auc,
        psnr=by_alpha[-1],
        distance=by_alpha[0],
        unscaled=100 * figures.auc_global,
        best_alpha=float(ALPHAS[best]),
        best_auc=by_alpha[best],
        used=int((nearest.sum(axis=(0, 1)) >= 0.001 * nearest.sum()).sum()),
        closest=float(cosines.max()),
        placed=100 * float(nearest.max(axis=2).sum() / nearest.sum()),
        range=float(high / low),
        by_alpha=by_alpha,
        places=tuple(map(tuple, nearest.argmax(axis=2).tolist())),
    )


def trials_of(source: Path) -> list[Trial]:
    """Of a sweep's finished runs, or of a runs.json."""
    if source.suffix == ".json":
        return [Trial(**one) for one in json.loads(source.read_text())]
    return [trial(run) for run in sorted(source.glob("seed-*")) if (run / EVALUATION).is_dir()]


def tables(trials: list[Trial]) -> str:
    """All runs, then each sweep's mean and standard deviation, in Markdown."""
    names = [
        field.name
        for field in fields(Trial)
        if field.type in ("float", "int", float, int) and field.name != "seed"
    ]
    lines = [f"| sweep | seed | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for one in trials:
        values = " | ".join(f"{getattr(one, name):.4g}" for name in names)
        lines.append(f"| {one.sweep} | {one.seed} | {values} |")
    lines += ["", f"| sweep | runs | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for sweep in dict.fromkeys(one.sweep for one in trials):
        runs = [one for one in trials if one.sweep == sweep]
        cells = []
        for name in names:
            figures = [float(getattr(one, name)) for one in runs]
            spread = f" ± {statistics.stdev(figures):.2g}" if len(figures) > 1 else ""
            cells.append(f"{statistics.mean(figures):.4g}{spread}")
        lines.append(f"| {sweep} | {len(runs)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(trials: list[Trial], path: Path) -> None:
    """AUC against alpha, a line per run, a colour per sweep."""
    figure, axis = pyplot.subplots(figsize=(6, 3.6))
    colours = {sweep: f"C{number}" for number, sweep in enumerate(dict.fromkeys(t.sweep for t in trials))}
    for one in trials:
        axis.plot(ALPHAS, one.by_alpha, color=colours[one.sweep], linewidth=1, alpha=0.8)
    for sweep, colour in colours.items():
        axis.plot([], [], color=colour, label=sweep)
    axis.axvline(0.6, color="gray", linestyle="--", linewidth=0.8, label="published")
    axis.set(xlabel="weight of the PSNR (0: feature distance alone)", ylabel="AUC, %")
    axis.legend(frameon=False)
    figure.savefig(path, dpi=200, bbox_inches="tight")


def draw_places(trials: list[Trial], path: Path) -> None:
    """The usual item at each place, a map per run, a row per sweep."""
    sweeps = list(dict.fromkeys(one.sweep for one in trials))
    most = max(sum(one.sweep == sweep for one in trials) for sweep in sweeps)
    figure, axes = pyplot.subplots(
        len(sweeps), most, figsize=(1.3 * most, 1.5 * len(sweeps)), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.axis("off")
    for row, sweep in zip(axes, sweeps, strict=True):
        for axis, one in zip(row, [one for one in trials if one.sweep == sweep], strict=False):
            axis.imshow(one.places, cmap="tab10", vmin=-0.5, vmax=9.5, interpolation="nearest")
            axis.set_title(f"{sweep} {one.seed}", fontsize=7)
    figure.savefig(path, dpi=200)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", type=Path, nargs="+", metavar="SWEEP or runs.json")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    trials = [one for source in options.sources for one in trials_of(source)]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "runs.json").write_text(json.dumps([asdict(one) for one in trials], indent=1) + "\n")
    (options.out / "tables.md").write_text(tables(trials))
    draw(trials, options.out / "alpha.png")
    draw_places(trials, options.out / "places.png")
    print(tables(trials))


if __name__ == "__main__":
    main()
