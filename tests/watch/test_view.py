"""What persons see and say while cameras are watched, and what many cameras cost one another."""

import itertools
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.events.event import Event
from pipeline.scoring.scorer import Scorer
from pipeline.video.tape import Tape
from pipeline.video.timed import TimedFrame
from pipeline.watch import models, prepare
from pipeline.watch.assembler import Arrival, Window
from pipeline.watch.feed import Feed
from pipeline.watch.plan import watch_config
from pipeline.watch.slots import Slots
from rtsp import camera
from tests.helpers.commands import TIMEOUT
from tests.helpers.receivers import Subscriber, broker, receiver, until
from tests.helpers.watching import events_of, running, watching, without_skipping
from tests.helpers.yard import SIZE, World

CAMERAS, BATCH = 8, 2


@pytest.mark.slow
def test_events_can_be_labelled_and_snoozed_and_everybody_is_told(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released: list[Tape] = []

    def release(self: Tape) -> None:
        released.append(self)
        real(self)

    real = Tape.release
    monkeypatch.setattr(Tape, "release", release)
    without_skipping(monkeypatch)
    with (
        receiver() as hook,
        camera(world.video, speed=20) as source,
        watching(world, tmp_path, source.url, webhook=hook.url) as engine,
    ):
        view = engine.view

        def anomalies() -> list[Event]:
            return [event for event in view.events("yard") if event.kind == "anomaly"]

        until(lambda: [event for event in anomalies() if event.type == "end"], TIMEOUT)
        event = next(event for event in anomalies() if event.type == "end")
        assert view.label("yard", event.id, "normal")
        assert not view.label("yard", "0" * 16, "normal")
        until(lambda: any(b'"label":"normal"' in body for _, _, body in hook.requests), 20)
        (logged,) = (each for each in events_of(tmp_path) if each.id == event.id)
        assert logged.label == "normal"
        view.snooze("yard", 3600)
        asked = datetime.now(UTC)

        def later() -> list[Event]:
            """What began when nobody was to be told any more: its first frame has come since."""
            return [event for event in anomalies() if event.start is not None and event.start > asked]

        until(later, TIMEOUT)
        event, before = later()[0], len(released)
        assert all(each.suppressed for each in later())
        view.label("yard", event.id, "real")
        over = (event.id, "end", "real")
        until(lambda: over in [(each.id, each.type, each.label) for each in anomalies()], TIMEOUT)
        until(lambda: len(released) > before, 20)  # though somebody has said something of it
        snapshot = view.snapshot("yard")
        assert snapshot.snoozed_until is not None
        assert "snoozed" in snapshot.words
        assert snapshot.minutes and snapshot.day
        assert snapshot.latency_p50 is not None and snapshot.latency_p95 is not None
        assert 0 <= snapshot.latency_p50 <= snapshot.latency_p95
        picture = view.picture("yard", 32)
        assert picture is not None and len(picture) < 4000
        told = [each.id.encode() for each in later()]
    assert not any(one in body for _, _, body in hook.requests for one in told)


@pytest.mark.slow
def test_a_broker_hears_of_events_and_of_the_state(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_skipping(monkeypatch)
    with broker(tmp_path) as port:
        heard = Subscriber(port)
        with (
            camera(world.video, speed=20) as source,
            watching(world, tmp_path / "out", source.url, mqtt=f"mqtt://127.0.0.1:{port}"),
        ):
            until(lambda: heard.last("mnad/yard/state") == "ON", TIMEOUT)
            until(lambda: heard.last("mnad/yard/state") == "OFF", TIMEOUT)
            until(lambda: '"type":"end"' in (heard.last("mnad/yard/event") or ""), TIMEOUT)
        until(lambda: heard.last("mnad/status") == "offline", 10)
        heard.close()


def produced(feed: Feed, put: Any) -> None:
    """Windows of a camera that is far too fast."""
    for number in itertools.count():
        if feed.stopping.is_set():
            return
        picture = np.full((*SIZE, 3), number % 256, np.uint8)
        frame = TimedFrame(number=number, seconds=number / 100, picture=picture, is_corrupt=False)
        put(
            Window(
                frames=(picture,) * 5,
                last=Arrival(frame=frame, at=time.monotonic(), time=None),
                profile=None,
                gap=False,
            )
        )
        time.sleep(0.01)


def test_with_too_many_cameras_each_is_scored_its_share_and_what_is_skipped_is_counted(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reader(name: str, *given: Any) -> threading.Thread:
        feed = next(each for each in given if isinstance(each, Feed))
        slots = next(each for each in given if isinstance(each, Slots))
        return threading.Thread(
            target=produced, args=(feed, lambda window: slots.put(name, window)), daemon=True
        )

    real = Scorer.apart

    def slow(self: Scorer, windows: Any, items: Any) -> Any:
        assert len(windows) <= BATCH
        time.sleep(0.02)
        return real(self, windows, items)

    monkeypatch.setattr(prepare, "_reader", reader)
    monkeypatch.setattr(models, "BATCH", BATCH)
    monkeypatch.setattr(Scorer, "apart", slow)
    table = "".join(f'[watch.cameras.c{number}]\nurl = "{world.video}"\n' for number in range(CAMERAS))
    (tmp_path / "cameras.toml").write_text(
        f'[watch]\ncheckpoint = "{world.run}"\nout = "{tmp_path / "out"}"\ndevice = "cpu"\n{table}'
    )
    with running(watch_config(config=str(tmp_path / "cameras.toml"))) as engine:
        view = engine.view
        until(lambda: sum(view.snapshot(name).scored for name in view.cameras) >= 15 * CAMERAS, TIMEOUT)
    scored = [view.snapshot(name).scored for name in view.cameras]
    assert min(scored) >= 0.8 * np.mean(scored)
    for name in view.cameras:
        formed, skipped = engine.slots.counts(name)
        assert skipped > 0
        assert formed - skipped - view.snapshot(name).scored in (0, 1)
