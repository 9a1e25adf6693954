"""Video in a bucket is scored as a file is, and its credentials are written nowhere."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.errors import ShardError, SourceError
from shards.storage import Storage
from tests.helpers.objectstore import SECRETS, leaks, object_store
from tests.helpers.yard import World


@pytest.mark.slow
def test_video_in_a_bucket_is_scored_as_a_file_is(world: World, tmp_path: Path) -> None:
    options = {"overlay": False}
    expected = world.score(tmp_path / "local", **options)
    with object_store(tmp_path / "store") as store:
        Storage(store.location("yard")).write("cam.mp4", world.video.read_bytes())
        for location in ("yard/cam.mp4", "yard"):
            out = tmp_path / location.replace("/", "-")
            summary = world.score(out, store.location(location), **options)  # type: ignore[arg-type]
            assert [video.name for video in summary.videos] == ["cam"]
            spans = [(event.start_seconds, event.end_seconds) for event in summary.events]
            assert spans == [(event.start_seconds, event.end_seconds) for event in expected.events]
            assert all(event.files.clip is not None for event in summary.events)
            assert all(event.source.startswith("s3://tests/yard") for event in summary.events)
            tables = [
                pq.read_table(at / "cam" / "scores" / "scores.parquet") for at in (out, tmp_path / "local")
            ]
            assert tables[0].drop(["event"]).equals(tables[1].drop(["event"]))
            assert not leaks(Storage(str(out)))
        for gone in ("yard/gone.mp4", "nowhere"):
            with pytest.raises((SourceError, ShardError)) as told:
                world.score(tmp_path / "gone", store.location(gone), **options)  # type: ignore[arg-type]
            assert "\n" not in str(told.value)
            assert not [secret for secret in SECRETS if secret in str(told.value)]
