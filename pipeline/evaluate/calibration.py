"""What is normal at each place, from the training videos of the set that is evaluated."""

from collections.abc import Iterator

import torch
from torch import Tensor

from mnad import MNAD
from mnad.places import NormalPlaces
from pipeline.errors import ConfigError
from pipeline.terminal.progress import progress
from shards.choices import Split
from shards.manifest import Manifest
from shards.storage import Storage
from shards.stream import evaluation_batches

SPLIT: Split = "training"
MOST = 4096
"""Windows that are looked at, at most, evenly spread over all: enough for a mean and a variance."""


def normal_places(
    model: MNAD,
    storage: Storage,
    manifest: Manifest,
    *,
    window: int,
    batch: int,
    bf16: bool,
    device: torch.device,
    threads: int,
    quiet: bool,
) -> NormalPlaces:
    """Look at the training windows of a set; every process does so alone, with the same result.

    Args:
        model: in eval mode, on the device.
        storage, manifest: of the set.
        window: T.
        batch: windows encoded together.
        bf16: whether convolutions run in bfloat16.
        device, threads: as in EvaluateConfig.
        quiet: show no progress.

    Raises:
        ConfigError: the set has too few training windows, or they are all the same.
    """
    total = sum(located.windows for located in manifest.segments(SPLIT, window))
    stride = -(-total // MOST) or 1

    with progress("calibrate", 2 * total, "windows", quiet=quiet) as advance:

        def queries() -> Iterator[Tensor]:
            seen = 0
            for loaded in evaluation_batches(
                storage, manifest, SPLIT, window=window, batch=batch, device=device, threads=threads
            ):
                chosen = loaded.windows[-seen % stride :: stride]
                seen += len(loaded.windows)
                if len(chosen):
                    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                        encoded = model.encode(model.split(chosen)[0])
                    yield encoded.queries
                advance(len(loaded.windows))

        try:
            return NormalPlaces.fit(queries)
        except ValueError as error:
            raise ConfigError(
                f"--distance places: {storage}: {error}; "
                "preprocess training videos with it, or take --distance items"
            ) from error
