"""An exported model: a folder with the step of a model, `model.json` about it, and `check.npz` to check it.

A folder may come from anywhere. Names of files follow from the runtime, never from the folder; sizes are
looked at before anything is read and digests before anything is parsed; no file is unpickled or run; and a
model that does not give the scores of its own check is refused.
"""

import dataclasses
import hashlib
import json
import shlex
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from mnad.networks import WIDTHS
from mnad.step import Inputs, Outputs
from pipeline.errors import CheckpointError
from pipeline.runs.arrays import read_arrays
from pipeline.runs.calibration import Runtime as RuntimeName
from pipeline.runs.checkpoint import checkpoint_from_bytes
from pipeline.runs.entries import entries
from pipeline.runs.header import MOST_BYTES
from pipeline.runs.spec import ModelSpec
from pipeline.runtimes.bounds import Bounds, bounds
from pipeline.runtimes.runtime import Runtime, StepPrecision
from pipeline.runtimes.with_torch import torch_runtime
from shards import locations
from shards.jsonfile import read_json
from shards.rates import known_rate
from shards.storage import Storage

INT8 = "int8"
"""Where in a run the export lies that scores it in int8."""
RECORD, CHECK, EXAMPLE = "model.json", "check.npz", "example.py"
MODEL: dict[RuntimeName, tuple[str, ...]] = {
    "torch": ("model.safetensors",),
    "onnx": ("model.onnx",),
    "openvino": ("model.xml", "model.bin"),
}
"""The files of each runtime."""

WINDOWS = 16
"""The number of windows in the check of an exported model."""
_FORMAT, _VERSION = "mnad-export", 1
MOST_RECORD = 1 << 20
"""Bytes of `model.json`; it takes 2 kB."""
_REMEDY = "export it again, or take it from where it was made"
_COMPARED = ("psnr", "local_error", "feature_distance", "point_score")
_CHECK = {
    "window": "|u1",
    "memory": "<f4",
    "threshold": "<f4",
    "keep": "<f4",
    "next_memory": "<f4",
} | dict.fromkeys(_COMPARED, "<f4")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A file: its SHA-256 and its bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """By how much a step may differ from the check: PSNR and local error in dB, the memory after its last."""

    db: float
    memory: float


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """What makes an alarm of local errors: z = max over boxes of (smoothed - mean) / deviation.

    Attributes:
        tau: seconds over which each box's local error is smoothed.
        mean, deviation: of each box on normal video, dB.
        on, off: z that opens an alarm, and that closes it.
        alarms_per_hour: the most on normal video.
        optimistic: whether the model was trained on the calibration's video.
    """

    tau: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    on: float
    off: float
    alarms_per_hour: float
    optimistic: bool = False


@dataclass(frozen=True, kw_only=True)
class Movement:
    """How far int8 lies from fp32 on normal video that was kept aside.

    Attributes:
        quantile_99: 99 % of the evidence moves by less, standard deviations.
        events: of planted disturbances, which both raise.
    """

    quantile_99: float
    events: int


@dataclass(frozen=True, kw_only=True)
class ExportRecord:
    """What `model.json` says.

    Attributes:
        runtime, precision: what runs the model, and in what its convolutions compute.
        method, window, items, height, width: as in `ModelSpec`.
        channel_order: of the frames' three channels.
        rate: frames per second that are to be scored; None where nobody knows.
        threshold: published point score below which a frame updates the memory; -1 keeps it.
        score: what alarms are made of.
        boxes: edge of each box of `local_errors`, pixels.
        box: of `local_error`.
        checkpoint: SHA-256 of the file that was exported.
        code_version: of the program.
        check: what the windows of the check are of.
        tolerance: of the check.
        alarm: None where nothing was calibrated for these scores.
        movement: of int8; None of others.
        files: by name.
    """

    runtime: RuntimeName
    precision: StepPrecision
    method: Literal["pred", "recon"]
    window: int
    items: int
    height: int
    width: int
    channel_order: Literal["BGR"]
    rate: float | None
    threshold: float
    score: Literal["local"]
    boxes: tuple[int, ...]
    box: int
    checkpoint: str
    code_version: str
    check: str
    tolerance: Tolerance
    alarm: Alarm | None
    movement: Movement | None
    files: dict[str, Stored]

    def to_json(self) -> bytes:
        """The file."""
        record = {"format": _FORMAT, "version": _VERSION, **dataclasses.asdict(self)}
        return (json.dumps(record, indent=1, allow_nan=False) + "\n").encode()

    def refuse_impossible(self) -> None:
        """Refuse what no export says.

        Raises:
            ValueError: names it.
        """
        spec = ModelSpec(
            method=self.method, window=self.window, items=self.items, height=self.height, width=self.width
        )
        for name, value, expected in spec.wrong():
            raise ValueError(f"found {name} {value!r:.80}, expected {expected}")
        names = {*MODEL[self.runtime], CHECK}
        if self.files.keys() != names:
            raise ValueError(f"found files {sorted(self.files)!r:.200}, expected {sorted(names)}")
        pixels = self.height * self.width * self.window
        for name, holds in (
            ("rate", self.rate is None or known_rate(self.rate) is not None),
            ("tolerance", 0 < self.tolerance.db <= _MOST_DB and 0 < self.tolerance.memory <= 2),
            ("size", pixels <= _MOST_PIXELS and max(self.height, self.width) <= _MOST_EDGE),
        ):
            if not holds:
                raise ValueError(f"found a {name} that cannot be")


_MOST_DB = 3.0
_MOST_PIXELS = 1 << 24
"""The most pixels of a window, in all its frames together, so that a check of 16 windows takes less than a
gigabyte."""
_MOST_EDGE = 4096
"""The longest side of a frame, pixels; its boxes take memory with the square of it, however narrow the frame
is."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A folder that has passed its check.

    Attributes:
        record: what it says of itself.
        memory: (M, D) the trained items.
        runtime: the model, ready.
    """

    record: ExportRecord
    memory: torch.Tensor
    runtime: Runtime


def stored(data: bytes) -> Stored:
    """How a file is recorded."""
    return Stored(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def load_exported(location: str) -> Exported:
    """Open an exported model, and check it.

    Raises:
        CheckpointError: it is missing, damaged, hostile, or does not give what its check says.
        ConfigError: its runtime is not installed.
    """
    folder = Storage(location)
    record = read_record(folder)
    contents, check = _read(folder, record)
    runtime = opened(record, contents, str(folder))
    compare(runtime, check, record.tolerance, str(folder))
    return Exported(record=record, memory=torch.from_numpy(check["memory"].copy()), runtime=runtime)


def int8_networks(run: str, checkpoint: str) -> list[Any]:
    """Encoder and decoder in int8, `openvino.Model`s, of the export that lies in a run.

    Args:
        run: where it lies.
        checkpoint: SHA-256 of the file that is to be scored with.

    Raises:
        CheckpointError: it is missing, of another checkpoint, damaged, hostile, or does not give what its
            check says.
        ConfigError: OpenVINO is not installed.
    """
    from pipeline.runtimes import joined

    folder = Storage(f"{Storage(run)}/{INT8}")
    places = shlex.join((locations.shown(run), str(folder)))
    remedy = f"make it: python cli.py export {places} --format openvino --precision int8"
    if not folder.exists(RECORD):
        raise CheckpointError(f"{folder}: not found, expected the model in int8; {remedy}")
    record = read_record(folder)
    found = (record.runtime, record.precision, record.checkpoint)
    if found != ("openvino", "int8", checkpoint):
        raise CheckpointError(
            f"{folder}: found {record.runtime} {record.precision} of the checkpoint with SHA-256 "
            f"{record.checkpoint:.12}..., expected openvino int8 of {checkpoint:.12}...; {remedy}"
        )
    contents, check = _read(folder, record)
    model = _openvino_model(record, contents, str(folder))
    compare(_openvino_runtime(record, model, str(folder)), check, record.tolerance, str(folder))
    return joined.networks_of(model, f"{folder}/{MODEL['openvino'][0]}")


def _read(folder: Storage, record: ExportRecord) -> tuple[dict[str, bytes], dict[str, np.ndarray]]:
    """The files of the model, and the check."""
    contents = {name: _content(folder, name, known) for name, known in record.files.items()}
    check = read_check(contents.pop(CHECK), f"{folder}/{CHECK}", record)
    return contents, check


def read_record(folder: Storage) -> ExportRecord:
    """`model.json`, checked.

    Raises:
        CheckpointError: it is missing, or says what no export does.
    """
    where = f"{folder}/{RECORD}"
    try:
        value = read_json(folder, RECORD, most=MOST_RECORD)
        record = entries(ExportRecord, value)
        if (value.get("format"), value.get("version")) != (_FORMAT, _VERSION):
            raise ValueError(f"found {value.get('format')!r:.80}, expected {_FORMAT} version {_VERSION}")
        record.refuse_impossible()
    except FileNotFoundError:
        raise CheckpointError(f"{where}: not found, expected an exported model; run export first") from None
    except ValueError as error:
        reason = str(error).removeprefix(f"{where}: ")
        raise CheckpointError(f"{where}: not of an exported model ({reason}); {_REMEDY}") from error
    return record


def _content(folder: Storage, name: str, known: Stored) -> bytes:
    where = f"{folder}/{name}"
    if not 0 < known.bytes <= MOST_BYTES:
        raise CheckpointError(
            f"{where}: found {known.bytes} bytes in {RECORD}, expected at most {MOST_BYTES}; {_REMEDY}"
        )
    try:
        size = folder.size(name)
        if size != known.bytes:
            raise CheckpointError(f"{where}: found {size} bytes, expected {known.bytes}; {_REMEDY}")
        data = folder.read(name, most=known.bytes)
    except FileNotFoundError:
        raise CheckpointError(f"{where}: not found, expected it beside {RECORD}; {_REMEDY}") from None
    if stored(data) != known:
        raise CheckpointError(f"{where}: its content does not match its digest in {RECORD}; {_REMEDY}")
    return data


def opened(record: ExportRecord, contents: dict[str, bytes], folder: str) -> Runtime:
    """The model of an export, made ready.

    Args:
        record: what it says of itself.
        contents: its files of `MODEL`.
        folder: where it lies, for messages.

    Raises:
        CheckpointError: a file is not what the record says, or may do harm.
        ConfigError: the runtime is not installed.
    """
    where = f"{folder}/{MODEL[record.runtime][0]}"
    if record.runtime == "torch":
        checkpoint = checkpoint_from_bytes(contents["model.safetensors"], where)
        if (checkpoint.spec.window, checkpoint.spec.items) != (record.window, record.items):
            raise CheckpointError(f"{where}: found another model than {RECORD} tells of; {_REMEDY}")
        bf16 = record.precision == "bf16"
        return torch_runtime(checkpoint.model(), record.height, record.width, bf16=bf16)
    if record.runtime == "onnx":
        from pipeline.runtimes import with_onnx

        return with_onnx.onnx_runtime(
            with_onnx.checked(contents["model.onnx"], where, _bounds(record)), where
        )
    return _openvino_runtime(record, _openvino_model(record, contents, folder), folder)


def _openvino_runtime(record: ExportRecord, model: Any, folder: str) -> Runtime:
    from pipeline.runtimes import with_openvino

    try:
        return with_openvino.openvino_runtime(model, record.precision)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise CheckpointError(
            f"{folder}/{MODEL['openvino'][0]}: found a model that OpenVINO cannot compile ({reason:.100}); "
            f"{_REMEDY}"
        ) from error


def _openvino_model(record: ExportRecord, contents: dict[str, bytes], folder: str) -> Any:
    from pipeline.runtimes import with_openvino

    xml, weights = MODEL["openvino"]
    return with_openvino.read(contents[xml], contents[weights], f"{folder}/{xml}", _bounds(record))


def _bounds(record: ExportRecord) -> Bounds:
    return bounds(record.items, record.window, record.height, record.width)


def made_check(
    runtime: Runtime, windows: torch.Tensor, memory: torch.Tensor, *, frozen: bool
) -> dict[str, np.ndarray]:
    """What a runtime says of windows, one after the other, the memory carried on.

    Args:
        runtime: that of fp32, in PyTorch.
        windows: (16, T, H, W, 3) uint8.
        memory: (M, D).
        frozen: whether no frame updates the memory; otherwise about half of them do.
    """
    keep = torch.ones(windows.shape[2:4])
    asked = Inputs(windows[:1], memory[None], torch.tensor(-1.0), keep)
    threshold = torch.tensor(-1.0)
    if not frozen:
        points = [float(runtime.step(asked._replace(window=each[None])).point_score) for each in windows]
        threshold = torch.tensor(_gap(points))
    outputs = walk(runtime, windows, memory, threshold, keep)
    return {
        "window": windows.numpy(),
        "memory": memory.numpy(),
        "threshold": threshold.numpy(),
        "keep": keep.numpy(),
        "next_memory": outputs[-1].next_memory[0].numpy(),
        **{name: np.concatenate([getattr(each, name).numpy() for each in outputs]) for name in _COMPARED},
    }


def _gap(points: list[float]) -> float:
    """A threshold among the middle half of point scores, as far from all of them as may be."""
    some = np.sort(np.array(points))[len(points) // 4 : -(len(points) // 4)]
    index = int(np.diff(some).argmax())
    return float(some[index : index + 2].mean())


def walk(
    runtime: Runtime, windows: torch.Tensor, memory: torch.Tensor, threshold: torch.Tensor, keep: torch.Tensor
) -> list[Outputs]:
    """One window at a time, the memory (M, D) carried on."""
    found = []
    items = memory[None]
    for window in windows.split(1):
        found.append(runtime.step(Inputs(window, items, threshold, keep)))
        items = found[-1].next_memory
    return found


def read_check(data: bytes, where: str, record: ExportRecord) -> dict[str, np.ndarray]:
    """`check.npz`.

    Raises:
        CheckpointError: it is damaged, or of another model.
    """
    pixels = record.window * record.height * record.width
    shapes = {
        "window": (WINDOWS, record.window, record.height, record.width, 3),
        "memory": (record.items, WIDTHS[-1]),
        "threshold": (),
        "keep": (record.height, record.width),
        "next_memory": (record.items, WIDTHS[-1]),
        **dict.fromkeys(_COMPARED, (WINDOWS,)),
    }
    try:
        if len(data) < 3 * WINDOWS * pixels:  # or a few bytes would let the model take what such windows need
            raise ValueError(f"found {len(data)} bytes, expected {3 * WINDOWS * pixels} of windows alone")
        arrays = read_arrays(
            data, _CHECK, 3 * WINDOWS * pixels + 8 * (pixels + record.items * WIDTHS[-1]) + 4096
        )
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise ValueError(f"found {name} of {arrays[name].shape!r:.80}, expected {shape}")
    except ValueError as error:
        raise CheckpointError(f"{where}: not a check of this model ({error}); {_REMEDY}") from error
    return arrays


def compare(runtime: Runtime, check: dict[str, np.ndarray], tolerance: Tolerance, where: str) -> None:
    """Run the check.

    Raises:
        CheckpointError: names what differs, by how much, and how much may.
    """
    given = {name: torch.from_numpy(check[name].copy()) for name in ("window", "memory", "threshold", "keep")}
    try:
        outputs = walk(runtime, given["window"], given["memory"], given["threshold"], given["keep"])
    except Exception as error:  # runtimes have no common class
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(
            f"{where}: found a model that does not run ({reason[-1]:.100}); {_REMEDY}"
        ) from error
    shapes = {**dict.fromkeys(_COMPARED, (1,)), "next_memory": (1, *given["memory"].shape)}
    for each in outputs:
        for name, shape in shapes.items():
            if (got := tuple(getattr(each, name).shape)) != shape:
                raise CheckpointError(f"{where}: found {name} of {got}, expected {shape}; {_REMEDY}")
    found = {name: np.concatenate([getattr(each, name).numpy() for each in outputs]) for name in _COMPARED}
    updates = found["point_score"] < check["threshold"]
    moved = {name: float(np.abs(found[name] - check[name]).max()) for name in ("psnr", "local_error")}
    memory = float(np.abs(outputs[-1].next_memory[0].numpy() - check["next_memory"]).max())
    for name, by, most in (
        *((name, by, tolerance.db) for name, by in moved.items()),
        ("memory", memory, tolerance.memory),
        ("decisions", float((updates != (check["point_score"] < check["threshold"])).sum()), 0.5),
    ):
        if not by <= most:  # also for what is no number
            raise CheckpointError(
                f"{where}: found a model whose {name} differs by {by:.3g} from its check on this machine, "
                f"expected at most {most:g}; {_REMEDY}"
            )
