"""A run, or a checkpoint alone, in tables; reads no tensors and imports no torch."""

from pathlib import PurePosixPath
from typing import Any

from pipeline.errors import CheckpointError, ReportError
from pipeline.runs.evaluation import RECORD, load_record
from pipeline.runs.header import Header, read_header
from pipeline.runs.layout import FOLDER, METRICS, checkpoint_steps, model_name, training_name
from pipeline.runs.metricslines import metrics_lines
from pipeline.terminal.tables import Table
from shards.storage import Storage

_MEANS = {"step": "steps since the line before", "epoch": "the epoch"}
"""What lines of metrics.jsonl are means over, by kind."""
_FIGURES = ("total", "pixel", "compact", "separate", "samples_per_second")


def overview(storage: Storage) -> list[Table]:
    """What there is at a location: a run's model, checkpoints, losses and evaluations, or a checkpoint file.

    Raises:
        CheckpointError: it is neither, or its checkpoint is damaged.
    """
    steps = checkpoint_steps(storage)
    if not steps and not storage.exists(METRICS):
        return _file(storage)
    tables = []
    if steps:
        latest = model_name(steps[-1])
        header = read_header(storage, latest, f"{storage}/{latest}")
        tables += [_model(str(storage), header), *_held_out(header)]
    tables.append(
        _checkpoints([(str(s), storage.size(model_name(s)), _training_size(storage, s)) for s in steps])
    )
    return [*tables, _losses(storage), _evaluations(storage)]


def _file(storage: Storage) -> list[Table]:
    """Of a checkpoint file; its location is the storage's own."""
    try:
        size = storage.size("")
    except FileNotFoundError:
        raise CheckpointError(
            f"{storage}: found no manifest.json, {METRICS}, models in {FOLDER}/ or file; give a shard set "
            "that preprocess finished, a run, or a .safetensors file"
        ) from None
    header = read_header(storage, "", str(storage))
    checkpoints = _checkpoints([(str(header.step), size, None)])
    return [_model(str(storage), header), *_held_out(header), checkpoints]


def _model(where: str, header: Header) -> Table:
    spec = header.spec
    columns = ["method", "frames", "window", "memory items", "steps", "epochs", "of epochs", "virtual ranks"]
    rate = "" if header.rate is None else f", {header.rate:g} per second"
    counts = [spec.window, spec.items, header.step, header.epoch]
    total = header.origin.get("options", {}).get("epochs", "")
    return (
        where,
        columns,
        [
            [
                spec.method,
                f"{spec.frame}{rate}",
                *map(str, counts),
                str(total),
                str(header.virtual_ranks or ""),
            ]
        ],
    )


def _held_out(header: Header) -> list[Table]:
    """What of the training videos was kept aside, if anything."""
    rows = [[part.video, f"{part.start} to {part.end - 1}", str(part.gap)] for part in header.held_out]
    return [("kept aside from training", ["video", "frames", "gap before"], rows)] if rows else []


def _training_size(run: Storage, step: int) -> int | None:
    name = training_name(step)
    return run.size(name) if run.exists(name) else None


def _checkpoints(rows: list[tuple[str, int, int | None]]) -> Table:
    columns = ["checkpoint of step", "model MB", "training state MB"]
    return (
        "checkpoints",
        columns,
        [[step, _megabytes(model), _megabytes(state)] for step, model, state in rows],
    )


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:.1f}"


def _losses(run: Storage) -> Table:
    """The last line of each kind with losses."""
    last = {line["kind"]: line for _, line in metrics_lines(run) if str(line.get("kind")) in _MEANS}
    rows = [
        [str(line["step"]), _MEANS[line["kind"]], *(_number(line.get(name)) for name in _FIGURES)]
        for line in last.values()
    ]
    return "last losses", ["after step", "means over", "loss", *_FIGURES[1:-1], "samples/s"], rows


def _number(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, int | float) else ""


def _evaluations(run: Storage) -> Table:
    """Of every evaluation anywhere in the run."""
    columns = ["evaluation", "AUC %", "memory", "split", "of step", "shards"]
    names = sorted(name for name, _, _ in run.walk() if PurePosixPath(name).name == RECORD)
    rows = []
    for name in names:
        try:
            record = load_record(run, name)
        except ReportError:
            continue  # of another program, or damaged
        work = record.provenance
        auc = "no labels" if record.auc is None else f"{100 * record.auc:.2f}"
        known = [auc, work.memory, work.split, str(record.model.step), work.shards]
        rows.append([str(PurePosixPath(name).parent), *known])
    return "evaluations", columns, rows
