"""Trains and evaluates once per seed, through the commands, and summarises what came out.

Every run is reported; nothing is chosen. What was done already is not done again: a run goes on or is left
as it is, as `train` does, and an evaluation of the same model, set and code with the same options stays.
"""

import json
import statistics
from dataclasses import dataclass

from pipeline.errors import ReportError, TrainingError
from pipeline.processes.commands import run_command
from pipeline.runs.digest import file_digest
from pipeline.runs.evaluation import EvaluationRecord, load_record
from pipeline.runs.header import MOST_BYTES, header_from_start
from pipeline.runs.layout import checkpoint_steps, model_name
from pipeline.runs.ownership import refuse_links
from pipeline.scoring.choices import Wanted
from pipeline.scoring.settled import settled, split_of
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
"""What is summarised, and the score that it is the AUC of."""


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
        ShardError: the set cannot be read.
        TrainingError: there are no labels to evaluate with.
    """
    manifest = load_manifest(Storage(config.shards))
    if not manifest.split(split_of("auto", manifest)).labelled.any():
        raise _unlabelled(config)
    figures = {seed: _one_seed(config, seed) for seed in config.seeds}
    spreads = {name: _spread({seed: figures[seed][name] for seed in config.seeds}) for name in FIGURES}
    result = {
        "shards": shown(config.shards),
        "train_options": [shown(option) for option in config.train_options],
        "figures": {name: vars(spread) for name, spread in spreads.items()},
    }
    Storage(config.out).write(RESULT, (json.dumps(result, indent=1) + "\n").encode())
    return spreads


def _one_seed(config: SweepConfig, seed: int) -> dict[str, float]:
    """The FIGURES of one seed's evaluation."""
    refuse_links(Storage(config.out), (f"seed-{seed}", f"seed-{seed}/evaluation"))
    run = inside(config.out, f"seed-{seed}")
    out = inside(run, "evaluation")
    device = ("--device", config.device)
    run_command("train", config.shards, run, "--seed", str(seed), *device, *config.train_options)
    if not _is_evaluated(config.shards, run, Storage(out)):
        run_command("evaluate", config.shards, run, "--out", out, *device)
    record = load_record(Storage(out))
    found = {name: _auc(record, score) for name, score in FIGURES.items()}
    known = {name: auc for name, auc in found.items() if auc is not None}
    if len(known) < len(found):
        raise _unlabelled(config)
    return known


def _unlabelled(config: SweepConfig) -> TrainingError:
    return TrainingError(
        f"{shown(config.shards)}: found no frame labels of both kinds, which a sweep compares by; preprocess "
        "with --labels, or train and evaluate without a sweep"
    )


def _is_evaluated(shards: str, run: str, out: Storage) -> bool:
    """Whether there is an evaluation of the run's last model on the set, by the code as it is, that scored as
    `evaluate` does by default."""
    try:
        provenance = load_record(out).provenance
    except ReportError:
        return False
    models = Storage(run)
    name = model_name(checkpoint_steps(models)[-1])
    model = models.read(name, most=MOST_BYTES)
    manifest = load_manifest(Storage(shards))
    method = header_from_start(model, f"{models}/{name}").spec.method
    made_from = {
        "code_version": code_version(),
        "checkpoint_sha256": file_digest(model),
        "manifest_sha256": manifest.digest,
        **vars(settled(Wanted(), manifest, method)),
    }
    return all(getattr(provenance, name) == value for name, value in made_from.items())


def _auc(record: EvaluationRecord, score: str) -> float | None:
    figures = record.of(score)
    return None if figures is None else figures.auc


def _spread(values: dict[int, float]) -> Spread:
    numbers = list(values.values())
    sd = statistics.stdev(numbers) if len(numbers) > 1 else None
    return Spread(values=values, mean=statistics.mean(numbers), sd=sd)
