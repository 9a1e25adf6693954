"""`evaluate --maps` end to end: error maps, and what is measured on them."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ReportError
from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.run import evaluate
from pipeline.scoring.maps import read_maps
from pipeline.scoring.parts import part_name, schema_of, works_in
from shards.manifest import write_manifest
from shards.masks import write_masks
from shards.names import video_stem
from shards.rows import Videos
from shards.storage import Storage
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.shards import make_set, smooth_frames


def test_maps_are_written_and_measured(tmp_path: Path) -> None:
    frames = smooth_frames(12, (16, 24))
    manifest = make_set(tmp_path / "shards", {"testing": [frames, frames[:7]]})
    storage = Storage(tmp_path / "shards")
    marks = np.zeros((12, 32, 48), bool)  # twice the size of the stored frames
    marks[6:, 8:16, 8:16] = True
    _, masks = write_masks(storage, video_stem("testing", "01"), list(marks))
    first = dataclasses.replace(manifest.videos[0], masks=masks)
    changed = dataclasses.replace(manifest, videos=Videos.of((first, manifest.videos[1])))
    write_manifest(storage, changed)
    make_checkpoint(tmp_path / "model.safetensors", size=(16, 24))
    options: dict[str, Any] = {
        "shards": str(tmp_path / "shards"),
        "checkpoint": str(tmp_path / "model.safetensors"),
        "out": str(tmp_path / "out"),
    }
    summary = evaluate(EvaluateConfig(**options, maps=True, batch_size=3))
    assert summary is not None
    figures = summary.record.localisation
    assert figures is not None
    assert figures.pixel_auc is not None
    assert (figures.regions, figures.tracks) == (6, 1)
    assert 0 <= figures.pixel_auc <= 1
    assert f'["pixel AUC","{100 * figures.pixel_auc:.1f} %"' in (tmp_path / "out/report.html").read_text()
    stored = Storage(tmp_path / "out"), video_stem("testing", "01"), np.arange(4, 12)
    works = works_in(schema_of(stored[0], part_name(0, 1))).of
    assert read_maps(*stored, works["01"], (16, 24)).shape == (8, 16, 24)
    with pytest.raises(ReportError, match="maps of another evaluation"):
        read_maps(*stored, works["02"], (16, 24))
    bare = evaluate(EvaluateConfig(**options, batch_size=3))
    assert bare is not None
    assert bare.record.localisation is None
    assert not list((tmp_path / "out" / "maps").iterdir())
