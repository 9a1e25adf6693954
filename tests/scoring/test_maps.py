"""Files of error maps: the same for any batches, and gone where they are discarded."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mnad import FrameScores, Observed
from mnad.scoring import error_map
from pipeline.scoring import maps
from pipeline.scoring.maps import MapWriter, read_maps
from pipeline.scoring.scorer import ScoredBatch
from shards.storage import Storage

SIZE = (64, 64)
LENGTHS = (29, 5)
STEMS = ("testing-a", "testing-b")


def error(video: int) -> torch.Tensor:
    """(F, 3, H, W) of one video."""
    return torch.rand(LENGTHS[video], 3, *SIZE, generator=torch.Generator().manual_seed(video))


def scored(batch: int) -> Iterator[ScoredBatch]:
    for video, length in enumerate(LENGTHS):
        for start in range(0, length, batch):
            part = error(video)[start : start + batch]
            values, none = np.zeros(len(part)), torch.zeros(len(part))
            scores = FrameScores(
                psnr=values, feature_distance=values, point_score=values, memory_updated=values > 0
            )
            yield ScoredBatch(
                video=video,
                frames=4 + start + np.arange(len(part)),
                scores=scores,
                seen=Observed(first=0, frame=none, target=none, error=part, queries=none, items=none),
                after=none,
            )


@pytest.mark.parametrize("batch", [1, 7, 8, 40])
def test_files_hold_a_chunk_each_and_read_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(maps, "CHUNK", 8)
    out = Storage(tmp_path)
    writer = MapWriter(out, ["work"] * len(STEMS), STEMS)
    for part in scored(batch):
        writer.observe(part)
    writer.close()
    starts = [f"testing-a-{first:08d}.npz" for first in (4, 12, 20, 28)]
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == [*starts, "testing-b-00000004.npz"]
    for video, stem in enumerate(STEMS):
        found = read_maps(out, stem, 4 + np.arange(LENGTHS[video]), "work", SIZE)
        levels = (error_map(error(video)).sqrt().sqrt() * 255).round().to(torch.uint8)
        assert np.array_equal(found, levels.numpy())


def test_discarding_removes_what_was_written_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "CHUNK", 8)
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "testing-z-00000004.npz").write_bytes(b"of another video")
    writer = MapWriter(Storage(tmp_path), ["work"] * len(STEMS), STEMS)
    for part in scored(5):
        writer.observe(part)
    assert len(list((tmp_path / "maps").iterdir())) > 1
    writer.discard()
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["testing-z-00000004.npz"]
