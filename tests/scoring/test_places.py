"""What is normal at each place is learned from the windows that count, and from no other."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import Tensor

from mnad.places import NormalPlaces
from pipeline.scoring import places
from pipeline.scoring.places import normal_places
from shards.reader import SegmentReader
from shards.rows import Located
from shards.storage import Storage
from shards.stream import evaluation_batches
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.shards import make_set, random_frames

SIZE = (8, 16)
LENGTHS = (70, 3, 40, 5, 33)
"""The second video is shorter than a window."""
WINDOWS = sum(max(0, length - 4) for length in LENGTHS)


@pytest.mark.parametrize(
    ("most", "held", "batch", "gray"),
    [(WINDOWS, 2 << 30, 4, False), (9, 2 << 30, 4, True), (4, 2 << 30, 1, False), (9, 0, 1, False)],
)
def test_only_segments_that_hold_a_chosen_window_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, held: int, batch: int, gray: bool
) -> None:
    videos = [random_frames(length, SIZE, seed=seed, gray=gray) for seed, length in enumerate(LENGTHS)]
    manifest = make_set(tmp_path / "set", {"training": videos})
    model = make_checkpoint(tmp_path / "model.safetensors", size=SIZE).model().eval()
    storage, device = Storage(tmp_path / "set"), torch.device("cpu")
    stride = -(-WINDOWS // most)

    def queries(windows: Tensor) -> Tensor:
        return model.encode(model.split(windows)[0]).queries

    everything = torch.cat(
        [
            part.windows.clone()
            for part in evaluation_batches(storage, manifest, "training", window=5, batch=8, device=device)
        ]
    )
    assert len(everything) == WINDOWS
    with torch.no_grad():
        expected = NormalPlaces.fit(lambda: [queries(everything[::stride])])

    monkeypatch.setattr(places, "MOST", most)
    monkeypatch.setattr(places, "HELD_BYTES", held)
    read: list[tuple[int, int]] = []
    plain = SegmentReader.read

    def counted(self: SegmentReader, located: Located) -> np.ndarray:
        read.append((located.video, located.segment.first))
        return plain(self, located)

    with patch.object(SegmentReader, "read", counted), torch.no_grad():
        found = normal_places(
            model,
            storage,
            manifest,
            window=5,
            batch=batch,
            bf16=False,
            device=device,
            threads=2,
            quiet=True,
        )
    for name in ("mean", "variance", "usual", "spread"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-6)
    ends = np.cumsum([item.windows for item in manifest.segments("training", 5)])
    holders = {int(np.flatnonzero(ends > number)[0]) for number in range(0, WINDOWS, stride)}
    segments = manifest.segments("training", 5)
    used = sorted((segments[index].video, segments[index].segment.first) for index in holders)
    assert sorted(read) == (used if held else sorted(2 * used))
