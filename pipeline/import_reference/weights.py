"""From the published network's names to this project's, and to what model the weights belong."""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.errors import CheckpointError
from pipeline.runs.spec import ModelSpec
from pipeline.runs.torchfile import TensorRef
from pipeline.runs.unpickling import Inert

BLOCKS = {
    "encoder.moduleConv1": "encoder.levels.0",
    "encoder.moduleConv2": "encoder.levels.1",
    "encoder.moduleConv3": "encoder.levels.2",
    "encoder.moduleConv4": "encoder.bottleneck",
    "decoder.moduleConv": "decoder.bottleneck",
    "decoder.moduleUpsample4": "decoder.upsample.0",
    "decoder.moduleDeconv3": "decoder.levels.0",
    "decoder.moduleUpsample3": "decoder.upsample.1",
    "decoder.moduleDeconv2": "decoder.levels.1",
    "decoder.moduleUpsample2": "decoder.upsample.2",
    "decoder.moduleDeconv1": "decoder.output",
}
"""Where the published network keeps what our blocks hold; layers within a block are numbered alike."""
_UNUSED = "encoder.moduleBatchNorm."
"""Present in the published network, but never applied."""
_WRAPPERS = ("module.", "_orig_mod.")
"""What wrappers of a model put before every name: DistributedDataParallel and torch.compile."""
_MOST_INPUTS = 10_000
"""Channels of all frames that a network sees at once; the published ones see 12."""
_MOST_MODULES = 1000
"""The most modules in a pickled model; the published network has 70."""


def named_tensors(root: Any, name: str) -> dict[str, Any]:
    """The tensors of a whole module, or of a state dict, by name; those of wrappers around it are dropped.

    Args:
        root: what the file holds.
        name: of the file, for messages.

    Raises:
        CheckpointError: it holds more modules than any network of this kind.
    """
    found = dict(_module_tensors(root, name)) if isinstance(root, Inert) else root
    if not isinstance(found, Mapping):
        return {}
    return {_unwrapped(str(key)): value for key, value in found.items()}


def _unwrapped(name: str) -> str:
    while name.startswith(_WRAPPERS):
        name = name.partition(".")[2]
    return name


def _module_tensors(root: Inert, name: str) -> Iterator[tuple[str, TensorRef]]:
    waiting = [("", root)]
    for seen in itertools.count(1):
        if not waiting:
            return
        if seen > _MOST_MODULES:  # one that holds itself twice, and so on, has no end
            raise CheckpointError(
                f"{name}: found more than {_MOST_MODULES} modules, expected the published network's"
            )
        prefix, module = waiting.pop()
        for kind in ("_parameters", "_buffers"):
            tensors = module.state.get(kind)
            for key, tensor in tensors.items() if isinstance(tensors, dict) else ():
                if isinstance(tensor, TensorRef):
                    yield f"{prefix}{key}", tensor
        modules = module.state.get("_modules")
        for key, child in modules.items() if isinstance(modules, dict) else ():
            if isinstance(child, Inert):
                waiting.append((f"{prefix}{key}.", child))


def our_name(name: str) -> str | None:
    """Our name for a tensor of the published network; None for what is never used.

    Raises:
        KeyError: the published network has no such tensor.
    """
    if name.startswith(_UNUSED):
        return None
    match = re.fullmatch(r"(\w+\.\w+)\.(\d+\.\w+)", name)
    if match is None:
        raise KeyError(name)
    return f"{BLOCKS[match[1]]}.{match[2]}"


def spec_of(
    shapes: Mapping[str, tuple[int, ...]], items: int, size: tuple[int, int] | None, name: str
) -> ModelSpec:
    """What model tensors of these shapes (by our names) belong to.

    Raises:
        CheckpointError: to none.
    """
    try:
        inputs = shapes["encoder.levels.0.0.weight"][1]
        (channels,) = shapes["decoder.output.6.bias"]
        below, above = shapes["decoder.upsample.0.0.weight"][:2]
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"{name}: found no layers of the published network, expected encoder.moduleConv1 and others; "
            "give a model that the published code saved"
        ) from error
    if not (1 <= channels <= 3 and inputs % channels == 0 and inputs < _MOST_INPUTS):
        raise CheckpointError(
            f"{name}: found a network from {inputs} to {channels} channels, expected frames of 1 to 3"
        )
    with_skips = above < below
    height, width = size or (None, None)
    return ModelSpec(
        method="pred" if with_skips else "recon",
        window=inputs // channels + 1 if with_skips else 1,
        items=items,
        height=height,
        width=width,
        channels=channels,
    )
