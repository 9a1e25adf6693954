"""The step of a checkpoint in int8, made of normal windows and accepted on normal video."""

import copy
from typing import Any

from mnad.fusion import fuse
from pipeline.errors import ConfigError
from pipeline.export.acceptance import accepted
from pipeline.export.material import Material
from pipeline.export.quantising import quantised
from pipeline.runs.checkpoint import Checkpoint
from pipeline.runtimes.exported import Movement
from pipeline.runtimes.joined import joined
from pipeline.scoring.openvinoruns import compiled, graphs
from shards.windows import normalise

_WINDOWS = 150
"""The number of windows of the training video from which the ranges of values are learned."""


def int8(checkpoint: Checkpoint, size: tuple[int, int], found: Material | None) -> tuple[Any, Movement]:
    """The step as an `openvino.Model`, and how far it moves.

    Raises:
        ConfigError: there is no video to learn from, or NNCF is not installed.
        CheckpointError: it does not raise the events of float32.
    """
    if found is None:
        raise ConfigError(
            "--precision int8: found no shard set, expected that of the training; give it with --shards, or "
            "take bf16"
        )
    fused = fuse(checkpoint.model())
    windows = normalise(found.sampled(_WINDOWS), found.manifest.geometry)
    networks = quantised(fused, size, windows)
    movement = accepted(
        compiled(copy.deepcopy(fused), graphs(fused, size), "fp32"),
        compiled(copy.deepcopy(fused), networks, "int8"),
        found.clips(),
        window=found.window,
        rate=found.rate,
        name=checkpoint.name,
    )
    return joined(fused, found.window, size, networks), movement
