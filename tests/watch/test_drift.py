"""A camera whose scene has changed says so, and goes on with the thresholds that it has."""

import dataclasses
import os
import shutil
from pathlib import Path

import pytest

from pipeline.runs.calibration import load_calibration
from pipeline.watch import camera as module
from pipeline.watch.web.standing import standing
from rtsp import camera
from shards.storage import Storage
from tests.helpers.commands import TIMEOUT
from tests.helpers.receivers import until
from tests.helpers.watching import events_of, watching, without_skipping
from tests.helpers.yard import World


@pytest.mark.slow
def test_a_scene_that_has_changed_is_an_event_and_moves_no_threshold(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_skipping(monkeypatch)
    monkeypatch.setattr(module, "_DRIFT_SECONDS", 0.5)
    run = Path(shutil.copytree(world.run, tmp_path / "run", copy_function=os.link))
    record = load_calibration(Storage(str(run)))
    # As if ten hours had been as quiet as its minute: the blocks of the video are far too many then.
    ten_hours = dataclasses.replace(record.calibration, hours=10.0)
    dataclasses.replace(record, calibration=ten_hours, alarms_per_hour=1.0).save(Storage(str(run)))
    out = tmp_path / "out"
    with (
        camera(world.video, speed=20) as source,
        watching(World(run=run, video=world.video), out, source.url) as engine,
    ):
        limit = engine.view.snapshot("yard").limit_hours
        until(lambda: any(event.kind == "drift" for event in engine.view.events("yard")), TIMEOUT)
        snapshot = engine.view.snapshot("yard")
        words = [word.text for word in standing(snapshot, engine.view.events("yard"))]
        assert snapshot.limit_hours == limit is not None
    assert snapshot.drift.startswith("recalibrate: more alarms than calibrated")
    assert "drift, recalibrate" in words
    (event,) = (event for event in events_of(out) if event.kind == "drift")
    assert (event.peak, event.threshold, event.suppressed) == (None, None, False)
