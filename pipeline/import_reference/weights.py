"""From the published network's names to this project's, and to what model the weights belong."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.errors import CheckpointError
from pipeline.header import ModelSpec
from pipeline.import_reference.pickles import Inert, TensorRef

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


def named_tensors(root: Any) -> dict[str, Any]:
    """The tensors of a whole module, or of a state dict, by name.

    Where training ran in several processes, the name `module` before each is dropped.
    """
    found = dict(_module_tensors(root, "")) if isinstance(root, Inert) else root
    if not isinstance(found, Mapping):
        return {}
    return {str(name).removeprefix("module."): value for name, value in found.items()}


def _module_tensors(module: Inert, prefix: str) -> Iterator[tuple[str, TensorRef]]:
    for kind in ("_parameters", "_buffers"):
        tensors = module.state.get(kind)
        for name, tensor in tensors.items() if isinstance(tensors, dict) else ():
            if isinstance(tensor, TensorRef):
                yield f"{prefix}{name}", tensor
    modules = module.state.get("_modules")
    for name, child in modules.items() if isinstance(modules, dict) else ():
        if isinstance(child, Inert):
            yield from _module_tensors(child, f"{prefix}{name}.")


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
    shapes: Mapping[str, tuple[int, ...]], items: int, height: int, width: int, name: str
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
    with_skips = above < below
    return ModelSpec(
        method="pred" if with_skips else "recon",
        window=inputs // max(1, channels) + 1 if with_skips else 1,
        items=items,
        height=height,
        width=width,
        channels=channels,
    )
