"""Watching gives what scoring gives, frame for frame, and leaves whole files behind."""

import dataclasses
from pathlib import Path

import av
import pyarrow.parquet as pq
import pytest

from pipeline.errors import ConfigError
from pipeline.events.event import Event
from pipeline.scoring.rows import SCHEMA, read_rows
from pipeline.video.timed import NO_RATE
from pipeline.watch.plan import watch_config
from pipeline.watch.run import watch
from pipeline.watch.web.standing import is_armed
from rtsp import camera
from shards.storage import Storage
from tests.helpers.receivers import until
from tests.helpers.videos import scene, write_video
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


@pytest.fixture(scope="module")
def rateless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that does not say its rate, with something abnormal in it."""
    pictures = scene(40, size=(48, 72), seed=1, abnormal=(20, 36))
    return write_video(tmp_path_factory.mktemp("rateless") / "cam.h264", pictures, rate=RATE)


def test_a_file_of_unknown_rate_is_held_against_no_calibration_as_in_scoring(
    world: World, rateless: Path, tmp_path: Path
) -> None:
    result = world.score(tmp_path / "scored", rateless, overlay=False).videos[0].result
    plan = watch_config(
        url=str(rateless), checkpoint=str(world.run), out=str(tmp_path / "out"), name="cam", device="cpu"
    )
    said: list[str] = []
    snapshot = watch(plan, said.append).view.snapshot("cam")
    assert result.notes == (f"{NO_RATE}: give --rate",)
    assert snapshot.missing == f"{NO_RATE}: score it with --rate"
    assert f"note: cam: {snapshot.missing}" in said
    assert not is_armed(snapshot) and snapshot.promise is None
    table, other = (
        pq.read_table(tmp_path / name / "cam" / "scores" / "scores.parquet") for name in ("out", "scored")
    )
    for name in ("frame", "seconds", "rarity_hours", "alarm", "event"):
        assert table[name].to_pylist() == other[name].to_pylist()
    assert table["evidence"].to_pylist() == pytest.approx(other["evidence"].to_pylist(), abs=1e-3)
    assert table["rarity_hours"].null_count == len(table) == 36
    assert events_of(tmp_path / "out", "cam") == []


def test_a_camera_is_learned_from_no_file_of_unknown_rate(
    world: World, rateless: Path, tmp_path: Path
) -> None:
    plan = watch_config(
        url=str(rateless), checkpoint=str(world.run), out=str(tmp_path), name="cam", device="cpu", learn="24h"
    )
    words = r"camera cam: --learn: found .*cam\.h264, a file that does not say its frame rate, expected one"
    with pytest.raises(ConfigError, match=words):
        watch(plan)


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
