"""What computes a network: PyTorch, OpenVINO or ONNX Runtime, behind one model.

Encoder and decoder are run elsewhere; what lies between them, the memory and the scores, stays PyTorch's in
float32. So batches stay exact, whatever computes them, and sinks see what they always see.
"""

import hashlib
import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from mnad import MNAD
from mnad.fusion import fuse
from pipeline.errors import ConfigError, missing_package
from pipeline.processes.measuring import CLEARLY_FASTER, least_seconds
from pipeline.runs.calibration import Runtime, calibrated_profiles, load_calibration, record_name
from pipeline.runs.checkpoint import Checkpoint
from pipeline.runs.layout import home_of
from pipeline.runtimes.exported import INT8, MOST_RECORD, RECORD, int8_networks
from pipeline.scoring.choices import BATCH, PRECISIONS, Precision, RuntimeChoice
from pipeline.scoring.scorer import largest_batch
from pipeline.video.profiles import profiles
from shards.storage import Storage

PACKAGES: dict[Runtime, str] = {"openvino": "openvino", "onnx": "onnxruntime"}
"""The package that each runtime needs; the name of its extra is the runtime's."""
_ROUNDS = 4


@dataclass(frozen=True, kw_only=True)
class Network:
    """A model that is ready to score.

    Attributes:
        model: in eval mode, on the device.
        runtime: what computes it.
        precision: in which.
    """

    model: MNAD
    runtime: Runtime
    precision: Precision

    @property
    def autocasts(self) -> bool:
        """Whether PyTorch is to compute its convolutions in bfloat16."""
        return self.runtime == "torch" and self.precision == "bf16"


def network_of(
    checkpoint: Checkpoint,
    size: tuple[int, int],
    device: torch.device,
    runtime: RuntimeChoice,
    precision: Precision,
) -> Network:
    """Make the model of a checkpoint ready; in int8, that which lies exported in its run.

    The other arguments are those of `network`.

    Raises:
        ConfigError: as `network`.
        CheckpointError: it is asked for in int8, and no such export lies in its run.
    """
    int8 = partial(int8_networks, home_of(checkpoint.name), checkpoint.sha256)
    return network(checkpoint.model(), size, device, runtime, precision, int8)


def int8_record(checkpoint: str) -> str:
    """What the networks in int8 are that lie exported in the run of a checkpoint: a digest of their record.

    Raises:
        FileNotFoundError: there are none.
    """
    folder = Storage(f"{Storage(home_of(checkpoint))}/{INT8}")
    return hashlib.sha256(folder.read(RECORD, most=MOST_RECORD)).hexdigest()


def network(
    model: MNAD,
    size: tuple[int, int],
    device: torch.device,
    runtime: RuntimeChoice,
    precision: Precision,
    int8: Callable[[], list[Any]] | None = None,
) -> Network:
    """Make a model ready.

    Args:
        model: in eval mode, on the CPU; it is copied.
        size: height and width of frames.
        device: where PyTorch computes.
        runtime: what computes the network; `auto` takes what this machine scores with clearly faster than
            with PyTorch, which it measures.
        precision: of the convolutions.
        int8: gives encoder and decoder in int8, `openvino.Model`s, where it is asked for.

    Raises:
        ConfigError: the runtime is not installed, or computes neither there nor so.
    """
    if runtime == "auto" and precision == "int8":
        runtime = "openvino"  # which alone has it
    if runtime == "auto":
        return _fastest(model, size, device, precision)
    if (refusal := _refusal(runtime, device, precision)) is not None:
        raise refusal
    fused = fuse(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # converters use what PyTorch calls deprecated
        if runtime == "openvino":
            from pipeline.scoring import openvinoruns

            graphs = openvinoruns.graphs(fused, size) if int8 is None or precision != "int8" else int8()
            ready = openvinoruns.compiled(fused, graphs, precision)
        elif runtime == "onnx":
            from pipeline.scoring import onnxruns

            ready = onnxruns.compiled(fused, size)
        else:
            ready = fused.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Network(model=ready, runtime=runtime, precision=precision)


def _refusal(runtime: Runtime, device: torch.device, precision: Precision) -> ConfigError | None:
    """Why a runtime cannot be taken; None if it can."""
    asked = f"--runtime {runtime}"
    if precision not in PRECISIONS[runtime]:
        expected = " or ".join(PRECISIONS[runtime])
        return ConfigError(
            f"{asked}: found --precision {precision}, expected {expected}; take --runtime openvino"
        )
    if runtime == "torch":
        return None
    if importlib.util.find_spec(PACKAGES[runtime]) is None:
        return missing_package(asked, PACKAGES[runtime], runtime)
    if device.type != "cpu":
        return ConfigError(
            f"{asked}: found {device.type}, expected a CPU; take --device cpu, or --runtime torch"
        )
    return None


def _fastest(model: MNAD, size: tuple[int, int], device: torch.device, precision: Precision) -> Network:
    """The network of whichever runtime scores clearly fastest; PyTorch's if none does."""
    runtimes: list[Runtime] = ["torch"]
    runtimes += [name for name in PACKAGES if _refusal(name, device, precision) is None]
    if device.type != "cpu" or len(runtimes) == 1:
        return network(model, size, device, "torch", precision)
    made = [network(model, size, device, runtime, precision) for runtime in runtimes]
    batch = largest_batch(BATCH, *size, device)
    inputs = torch.zeros(batch, next(model.encoder.parameters()).shape[1], *size)
    seconds = least_seconds([partial(_forward, each, inputs) for each in made], _ROUNDS)
    best = min(range(len(made)), key=seconds.__getitem__)
    return made[best] if seconds[0] / seconds[best] > CLEARLY_FASTER else made[0]


@torch.no_grad()
def _forward(network: Network, inputs: torch.Tensor) -> None:
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=network.autocasts):
        network.model(inputs)


def network_asked(
    runtime: RuntimeChoice | None, precision: Precision | None, home: Storage, profile: str | None = None
) -> tuple[RuntimeChoice | None, Precision | None]:
    """What is to compute the network, and how, if nothing or `auto` is asked for: as the calibration has it.

    Scores of another runtime or precision are others, so the fastest one would be of no use to alarms.

    Args:
        runtime, precision: by the options.
        home: of the run, where calibrations may lie.
        profile: of the video, whose calibration comes first.

    Returns:
        Both, or what was given where nothing is calibrated.

    Raises:
        CalibrationError: the calibration is damaged.
    """
    if runtime not in (None, "auto") and precision is not None:
        return runtime, precision
    for each in (*profiles(profile), *calibrated_profiles(home)):
        if home.exists(record_name(each)):
            own = load_calibration(home, record_name(each)).belongs
            runtime = own.runtime if runtime in (None, "auto") else runtime
            return runtime, precision or (own.precision if runtime == own.runtime else None)
    return runtime, precision
