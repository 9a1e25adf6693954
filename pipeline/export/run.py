"""The stage: a checkpoint becomes a folder with a model, what it is, and a check that it has passed."""

import dataclasses
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mnad.evidence import TAU
from mnad.local_error import TABLE_SCALES, box_sizes
from mnad.rates import Threshold
from pipeline.config import dump_config
from pipeline.errors import ConfigError
from pipeline.export.config import ExportConfig
from pipeline.export.example_text import example_text
from pipeline.export.material import GENERATED, Material, generated, material
from pipeline.processes.locking import sole
from pipeline.runs.calibration import RECORD as CALIBRATION
from pipeline.runs.calibration import calibrated_profiles, delta_of, load_calibration
from pipeline.runs.checkpoint import Checkpoint, load_checkpoint
from pipeline.runs.layout import home_of
from pipeline.runs.ownership import CONFIG, refuse_foreign_folder
from pipeline.runs.promises import promise
from pipeline.runs.trainedon import rate_of
from pipeline.runtimes.exported import (
    CHECK,
    EXAMPLE,
    MODEL,
    RECORD,
    WINDOWS,
    Alarm,
    ExportRecord,
    Movement,
    Tolerance,
    compare,
    made_check,
    opened,
    stored,
)
from pipeline.runtimes.program import program, shapes
from pipeline.runtimes.runtime import StepPrecision
from pipeline.runtimes.with_torch import torch_runtime
from pipeline.scoring.choices import THRESHOLD
from pipeline.scoring.instrument import frame_size
from pipeline.version import code_version
from shards.storage import Storage

COMMAND = "export"
_TOLERANCE: dict[StepPrecision, Tolerance] = {
    "fp32": Tolerance(db=1e-3, memory=1e-5),
    "bf16": Tolerance(db=0.1, memory=1e-5),
    "int8": Tolerance(db=1.0, memory=1e-5),
}
"""bf16 was measured to move scores by 0.03 dB, int8 by 0.3. Below fp32 the memory of the check is frozen: a
point score beside the threshold may decide otherwise."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What was made: the folder, and what it says of itself."""

    out: str
    record: ExportRecord
    notes: tuple[str, ...]


def export(config: ExportConfig) -> Summary:
    """Export a model.

    Raises:
        ConfigError: the runtime is not installed or cannot do it, or the folder is another command's.
        CheckpointError: the model cannot be exported, or does not give the same scores.
        CalibrationError: the run's calibration cannot be read.
    """
    out = Storage(config.out)
    if not out.is_local:
        raise ConfigError(f"{out}: found no local folder, expected one; choose one, and copy it from there")
    checkpoint = load_checkpoint(config.checkpoint)
    size = frame_size(checkpoint)
    with sole("exporting", out):
        refuse_foreign_folder(out, COMMAND)
        for name in (RECORD, *(name for names in MODEL.values() for name in names), CHECK, EXAMPLE):
            out.delete(name)
        out.write(CONFIG, dump_config(COMMAND, config).encode())
        return _exported(config, out, checkpoint, size)


def _exported(config: ExportConfig, out: Storage, checkpoint: Checkpoint, size: tuple[int, int]) -> Summary:
    alarm, about_alarm = _alarm(config, checkpoint, size)
    found = material(checkpoint, config.checkpoint, config.shards, config.threads)
    windows = generated(checkpoint, size, WINDOWS) if found is None else found.sampled(WINDOWS)
    model = checkpoint.model()
    check = made_check(
        torch_runtime(model, *size), windows, model.memory.items, frozen=config.precision != "fp32"
    )
    contents, movement = _model(config, checkpoint, size, found)
    buffer = io.BytesIO()
    np.savez(buffer, **check)  # type: ignore[arg-type]
    files = {**contents, CHECK: buffer.getvalue()}
    spec = checkpoint.spec
    record = ExportRecord(
        runtime=config.format,
        precision=config.precision,
        method=spec.method,
        window=spec.window,
        items=spec.items,
        height=size[0],
        width=size[1],
        channel_order="BGR",
        rate=rate_of(checkpoint.origin),
        threshold=THRESHOLD[spec.method],
        score="local",
        boxes=box_sizes(*size),
        box=box_sizes(*size, TABLE_SCALES)[0],
        checkpoint=checkpoint.sha256,
        code_version=code_version(),
        check=GENERATED if found is None else "training video",
        tolerance=_TOLERANCE[config.precision],
        alarm=alarm,
        movement=movement,
        files={name: stored(data) for name, data in files.items()},
    )
    compare(opened(record, contents, str(out)), check, record.tolerance, str(out))
    for name, data in files.items():
        out.write(name, data)
    out.write(EXAMPLE, example_text(config.format).encode())
    out.write(RECORD, record.to_json())
    return Summary(out=str(out), record=record, notes=tuple(_notes(found, about_alarm)))


def _model(
    config: ExportConfig, checkpoint: Checkpoint, size: tuple[int, int], found: Material | None
) -> tuple[dict[str, bytes], Movement | None]:
    """The files of the model, and how far int8 moves."""
    if config.format == "torch":
        return {MODEL["torch"][0]: checkpoint.to_bytes()}, None
    spec = checkpoint.spec
    if config.format == "onnx":
        from pipeline.runtimes import with_onnx

        return {MODEL["onnx"][0]: with_onnx.converted(program(checkpoint.model(), spec.window, *size))}, None
    from pipeline.runtimes import with_openvino

    movement = None
    if config.precision == "int8":
        from pipeline.export.int8 import int8

        converted, movement = int8(checkpoint, size, found)
    else:
        converted = with_openvino.converted(
            program(checkpoint.model(), spec.window, *size), shapes(spec.items, spec.window, *size)
        )
    with tempfile.TemporaryDirectory() as folder:
        with_openvino.save(converted, Path(folder))
        return {name: (Path(folder) / name).read_bytes() for name in MODEL["openvino"]}, movement


def _alarm(config: ExportConfig, checkpoint: Checkpoint, size: tuple[int, int]) -> tuple[Alarm | None, str]:
    """The levels of the run's calibration, and a note about them; none where it is of other scores.

    One of fp32 holds for every runtime, whose scores differ by 1e-3 dB.
    """
    if config.precision != "fp32":
        return None, f"levels of alarms are none of {config.precision}'s, so the model carries none"
    home = Storage(home_of(config.checkpoint))
    if not home.exists(CALIBRATION):
        others = " but those of profiles" if calibrated_profiles(home) else ""
        return None, f"the run has no calibration{others}, so the model carries no alarm"
    record = load_calibration(home)
    found = dataclasses.replace(
        record.belongs,  # whatever its runtime
        checkpoint=checkpoint.sha256,
        score="local",
        alpha=None,
        tau=TAU,
        mask=None,
        height=size[0],
        width=size[1],
        rate=rate_of(checkpoint.origin) or record.belongs.rate,
        precision="fp32",
        memory="frozen",
    )
    differs = record.difference(found)
    if differs is not None:
        return None, (
            f"the run's calibration is of {differs[0]}, and the model's scores are of {differs[1]}, so it "
            "carries no alarm"
        )
    threshold = record.calibration.threshold(record.alarms_per_hour, delta_of(record.confidence))
    if not isinstance(threshold, Threshold):
        return None, (
            "the hours of the run's calibration do not carry its rate, so the model carries no alarm; "
            "calibrate on more, or for another rate"
        )
    alarm = Alarm(
        tau=record.belongs.tau,
        mean=record.mean,
        deviation=record.deviation,
        on=threshold.on,
        off=threshold.off,
        alarms_per_hour=threshold.alarms_per_hour,
        optimistic=record.optimistic,
    )
    return alarm, promise(threshold, optimistic=True) if record.optimistic else ""


def _notes(found: Material | None, about_alarm: str) -> list[str]:
    notes = []
    if found is None:
        notes.append(
            "the shard set of the run is not there, so the check is of generated frames; give --shards"
        )
    return [*notes, about_alarm] if about_alarm else notes
