"""Watching gives what scoring gives, frame for frame, and leaves whole files behind."""

import dataclasses
from pathlib import Path

import av
import pyarrow.parquet as pq
import pytest

from pipeline.events.event import Event
from pipeline.scoring.rows import SCHEMA, read_rows
from pipeline.watch.plan import watch_config
from pipeline.watch.run import watch
from rtsp import camera
from shards.storage import Storage
from tests.helpers.receivers import until
from tests.helpers.watching import events_of, watching, without_skipping
from tests.helpers.yard import ABNORMAL, FRAMES, RATE, World


@pytest.fixture(scope="module")
def scored(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    out = tmp_path_factory.mktemp("scored")
    return out, list(world.score(out, overlay=False).events)


def told(event: Event) -> tuple[object, ...]:
    """What must not depend on how the frames came."""
    peak, threshold = event.peak, event.threshold
    assert peak is not None
    return (
        *(event.kind, round(event.start_seconds, 3), round(event.end_seconds or 0.0, 3), event.frames),
        *(peak.frame, round(peak.evidence, 2), round(peak.local_error, 3), peak.zone, threshold),
    )


def test_a_file_is_watched_to_its_end_and_gives_what_scoring_gives(
    world: World, scored: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    plan = watch_config(
        url=str(world.video), checkpoint=str(world.run), out=str(tmp_path / "out"), name="cam", device="cpu"
    )
    said: list[str] = []
    view = watch(plan, said.append).view
    seen = events_of(tmp_path / "out", "cam")
    assert [event.id for event in seen] == [event.id for event in scored[1]]
    assert list(map(told, seen)) == list(map(told, scored[1]))
    table = pq.read_table(tmp_path / "out" / "cam" / "scores" / "scores.parquet")
    assert table.schema.remove_metadata() == SCHEMA
    other = pq.read_table(scored[0] / "cam" / "scores" / "scores.parquet")
    assert table["frame"].to_pylist() == other["frame"].to_pylist()
    assert table["evidence"].to_pylist() == pytest.approx(other["evidence"].to_pylist(), abs=1e-3)
    assert view.snapshot("cam").scored == FRAMES - 4
    assert view.snapshot("cam").skipped == 0
    assert view.snapshot("cam").state == "ended"


def test_a_camera_gives_what_scoring_its_file_gives(
    world: World, scored: tuple[Path, list[Event]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_skipping(monkeypatch)
    with (
        camera(world.video, speed=10, loop=False) as source,
        watching(world, tmp_path, source.url) as engine,
    ):
        until(lambda: engine.view.snapshot("yard").scored >= FRAMES - 4, 60)
    seen = [event for event in events_of(tmp_path) if event.kind == "anomaly"]
    assert list(map(told, seen)) == list(map(told, scored[1]))
    for event, (start, end) in zip(seen, ABNORMAL, strict=True):
        assert event.source == source.url
        assert event.start is not None and event.end is not None
        assert event.start <= event.end
        assert event.files.clip is not None
        with av.open(str(tmp_path / "yard" / event.files.clip)) as container:
            shown = sum(1 for _ in container.decode(video=0))
        assert shown >= min(end, FRAMES) - start
        assert (tmp_path / "yard" / str(event.files.thumbnail)).read_bytes().startswith(b"\xff\xd8")
    rows = read_rows(Storage(str(tmp_path / "yard"))).to_pylist()
    assert [row["frame"] for row in rows] == list(range(4, FRAMES))
    assert all(row["time"].tzinfo is not None for row in rows)
    assert dataclasses.asdict(engine.view.snapshot("yard"))["limit_hours"] is not None
    assert engine.view.snapshot("yard").rate == RATE
