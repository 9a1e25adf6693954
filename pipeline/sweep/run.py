"""Trains and evaluates once per seed, through the commands, and summarises what came out.

Every run is reported; nothing is chosen. What was done already is not done again: a run goes on or is left
as it is, as `train` does, and an evaluation of the same model, set and code stays.
"""

import hashlib
import json
import statistics
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ReportError, TrainingError
from pipeline.processes.commands import run_command
from pipeline.runs.evaluations import read_metrics
from pipeline.runs.layout import checkpoint_steps, model_name
from pipeline.runs.ownership import refuse_links
from pipeline.sweep.config import SweepConfig
from pipeline.version import code_version
from shards.locations import inside, shown
from shards.manifest import load_manifest
from shards.storage import Storage

RESULT = "sweep.json"
FIGURES = {
    "AUC": "anomaly_score",
    "AUC of PSNR alone": "psnr",
    "AUC of feature distance alone": "feature_distance",
}
"""What is summarised, and the score in `metrics.json` that it is the AUC of."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """One figure over the seeds.

    Attributes:
        values: by seed.
        mean: their mean.
        sd: their standard deviation (n - 1), or None for a single one.
    """

    values: dict[int, float]
    mean: float
    sd: float | None

    def __str__(self) -> str:
        sd = "" if self.sd is None else f" ± {100 * self.sd:.2f}"
        return f"{100 * self.mean:.2f}{sd} %"


def sweep(config: SweepConfig) -> dict[str, Spread]:
    """Run the sweep; returns the spread of each of FIGURES.

    Raises:
        CommandError: a training or an evaluation failed.
        TrainingError: there are no labels to evaluate with.
    """
    metrics = {seed: _one_seed(config, seed) for seed in config.seeds}
    spreads = {
        name: _spread({seed: metrics[seed]["metrics"][score]["auc"] for seed in config.seeds})
        for name, score in FIGURES.items()
    }
    result = {
        "shards": shown(config.shards),
        "train_options": [shown(option) for option in config.train_options],
        "figures": {name: vars(spread) for name, spread in spreads.items()},
    }
    Storage(config.out).write(RESULT, (json.dumps(result, indent=1) + "\n").encode())
    return spreads


def _one_seed(config: SweepConfig, seed: int) -> dict[str, Any]:
    """The metrics of one seed's evaluation."""
    refuse_links(Storage(config.out), (f"seed-{seed}", f"seed-{seed}/evaluation"))
    run = inside(config.out, f"seed-{seed}")
    out = inside(run, "evaluation")
    run_command("train", config.shards, run, "--seed", str(seed), *config.train_options)
    if not _is_evaluated(config.shards, run, Storage(out)):
        run_command("evaluate", config.shards, run, "--out", out)
    metrics = read_metrics(Storage(out))
    if any(_auc(metrics, score) is None for score in FIGURES.values()):
        raise TrainingError(
            f"{shown(config.shards)}: found no frame labels of both kinds, which a sweep compares by"
        )
    return metrics


def _is_evaluated(shards: str, run: str, out: Storage) -> bool:
    """Whether there is an evaluation of the run's last model on the set, by the code as it is."""
    try:
        provenance = read_metrics(out)["provenance"]
    except ReportError:
        return False
    models = Storage(run)
    model = models.read(model_name(checkpoint_steps(models)[-1]))
    made_from = {
        "code_version": code_version(),
        "checkpoint_sha256": hashlib.sha256(model).hexdigest(),
        "manifest_sha256": load_manifest(Storage(shards)).digest,
    }
    return all(provenance[name] == value for name, value in made_from.items())


def _auc(metrics: dict[str, Any], score: str) -> float | None:
    auc: float | None = (metrics["metrics"] or {}).get(score, {}).get("auc")
    return auc


def _spread(values: dict[int, float]) -> Spread:
    numbers = list(values.values())
    sd = statistics.stdev(numbers) if len(numbers) > 1 else None
    return Spread(values=values, mean=statistics.mean(numbers), sd=sd)
