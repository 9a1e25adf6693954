"""What is normal at each place, from the training videos of the set that is evaluated."""

from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from mnad import MNAD
from mnad.places import NormalPlaces
from pipeline.errors import ConfigError
from pipeline.terminal.progress import progress
from shards.choices import Split
from shards.manifest import Manifest
from shards.storage import Storage
from shards.stream import windows_at
from shards.windows import normalise

SPLIT: Split = "training"
MOST = 4096
"""Windows that are looked at, at most, evenly spread over all: enough for a mean and a variance."""
HELD_BYTES = 2 << 30
"""Windows are gone through twice: up to so many bytes, as all of 256x256 in gray, are read once and held."""


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
        device: where batches are made.
        threads: that read and decode.
        quiet: show no progress.

    Raises:
        ConfigError: the set has too few training windows, or they are all the same.
    """
    total = int(manifest.segments(SPLIT, window).windows.sum())
    numbers = np.arange(0, total, -(-total // MOST) or 1)
    read = partial(windows_at, storage, manifest, SPLIT, numbers, window=window, batch=batch, threads=threads)
    geometry = manifest.geometry
    frame = geometry.height * geometry.width * manifest.stored_channels(SPLIT)
    held: Iterable[Tensor] | None = None

    with progress("calibrate", 2 * len(numbers), "windows", quiet=quiet) as advance:

        def queries() -> Iterator[Tensor]:
            nonlocal held
            if held is None and len(numbers) * window * frame <= HELD_BYTES:
                held = list(read())
            for stored in read() if held is None else held:
                windows = normalise(stored.to(device), geometry)
                with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                    encoded = model.encode(model.split(windows)[0])
                yield encoded.queries
                advance(len(stored))

        try:
            return NormalPlaces.fit(queries)
        except ValueError as error:
            raise ConfigError(
                f"--distance places: {storage}: {error}; "
                "preprocess training videos with it, or take --distance items"
            ) from error
