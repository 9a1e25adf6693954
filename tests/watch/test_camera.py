"""One camera among all that may happen to it, frame by frame and second by second."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.events import log
from pipeline.scoring.moments import Moment
from pipeline.video.tape import Tape
from pipeline.video.timed import TimedFrame, timed_frames
from pipeline.watch import face as face_module
from pipeline.watch.assembler import Arrival, Window
from pipeline.watch.engine import Engine
from pipeline.watch.face import Face
from pipeline.watch.plan import Plan, watch_config
from pipeline.watch.web.metrics import metrics
from pipeline.watch.web.standing import is_armed
from tests.helpers.videos import scene
from tests.helpers.watching import events_of, prepared
from tests.helpers.yard import ABNORMAL, RATE, World

START = datetime(2026, 5, 4, 12, tzinfo=UTC)


def planned(world: World, out: Path) -> Plan:
    return watch_config(
        url="rtsp://127.0.0.1:1/s", checkpoint=str(world.run), out=str(out), name="yard", device="cpu"
    )


@pytest.fixture
def made(world: World, tmp_path: Path) -> Iterator[Engine]:
    with prepared(planned(world, tmp_path)) as found:
        yield found


@pytest.fixture(scope="module")
def moments(world: World, tmp_path_factory: pytest.TempPathFactory) -> list[Moment]:
    """Of a minute with two alarms."""
    with prepared(planned(world, tmp_path_factory.mktemp("moments"))) as found:
        tool = found._posts["yard"].tool
        return list(tool.moments(timed_frames(world.video, "cam.mp4")))


def see(made: Engine, moment: Moment, later: float = 0.0) -> float:
    """Have a frame scored, so many seconds later than in its video; returns when it was."""
    camera, now = made._posts["yard"].camera, 1000.0 + moment.seconds + later
    frame = TimedFrame(number=moment.frame, seconds=now, picture=moment.picture, is_corrupt=False)
    last = Arrival(frame=frame, at=now, time=START + timedelta(seconds=now))
    small = moment.picture[::3, ::3]
    camera.feed.seen, camera.feed.shown = now, now
    camera.feed.turn("up", now)
    window = Window(frames=(small,) * 5, last=last, profile=None, gap=moment.gap)
    camera.see(window, dataclasses.replace(moment, seconds=now), now)
    camera.tick(now)
    return now


def alarm(made: Engine, moments: list[Moment], later: float = 0.0) -> float:
    """Have frames scored until an alarm is open, and for half a second more."""
    opened = False
    for moment in moments:
        now = see(made, moment, later)
        if opened:
            return now
        opened = made.view.snapshot("yard").alarm
    raise AssertionError("no alarm")


def happened(out: Path) -> list[tuple[str, str]]:
    return [(each.kind, each.type) for each in events_of(out)]


def test_an_alarm_ends_when_its_camera_goes_and_what_it_shows_later_is_another(
    made: Engine, moments: list[Moment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taped: list[str] = []

    def clip(self: Tape, span: object, out: object, stem: str) -> str:
        taped.append(stem)
        return f"{stem}.mp4"

    monkeypatch.setattr(Tape, "clip", clip)
    now, camera = alarm(made, moments), made._posts["yard"].camera
    camera.tick(now + 9.5)
    assert happened(tmp_path) == [("anomaly", "new")]
    camera.tick(now + 10.5)
    assert happened(tmp_path) == [("anomaly", "end"), ("camera_down", "new")]
    first = events_of(tmp_path)[0]
    assert first.end == START + timedelta(seconds=now) and not first.interrupted
    assert first.files.clip == f"{taped[0]}.mp4"
    snapshot = made.view.snapshot("yard")
    assert not snapshot.alarm and snapshot.rarity_hours is None
    at = ABNORMAL[0][0]
    alarm(made, moments[at - 8 :], later=now + 15 - moments[at].seconds - 1000)  # within what would reopen it
    camera.close()
    first, down, second = events_of(tmp_path)
    assert (first.kind, second.kind) == ("anomaly", "anomaly")
    assert first.id != second.id and second.start is not None and first.end is not None
    assert 0 < (second.start - first.end).total_seconds() < 30
    assert (down.type, down.interrupted) == ("end", False)


def test_an_alarm_ends_when_nothing_is_scored_any_more_though_pictures_come(
    made: Engine, moments: list[Moment], tmp_path: Path
) -> None:
    now, camera = alarm(made, moments), made._posts["yard"].camera
    for second in range(34):
        camera.feed.seen = now + second
        camera.tick(now + second)
        assert happened(tmp_path) == [("anomaly", "new" if second < 32 else "end")]
    assert not made.view.snapshot("yard").alarm


def test_a_stop_while_a_camera_is_gone_does_not_say_that_it_is_back(
    made: Engine, moments: list[Moment], tmp_path: Path
) -> None:
    camera = made._posts["yard"].camera
    now = see(made, moments[0])
    camera.tick(now + 11)
    camera.close()
    (down,) = events_of(tmp_path)
    assert (down.kind, down.type, down.interrupted) == ("camera_down", "end", True)


def test_what_is_said_of_an_incident_that_goes_on_is_there_when_it_is_over(
    made: Engine, moments: list[Moment], tmp_path: Path
) -> None:
    camera = made._posts["yard"].camera
    now = see(made, moments[0])
    camera.tick(now + 11)
    assert made.view.label("yard", events_of(tmp_path)[0].id, "real")
    camera.tick(now + 12)
    see(made, moments[1], later=20)
    (down,) = events_of(tmp_path)
    assert (down.type, down.label) == ("end", "real")


def armed(made: Engine) -> bool:
    snapshot = made.view.snapshot("yard")
    assert f'mnad_armed{{camera="yard"}} {float(is_armed(snapshot))}' in metrics([snapshot])
    return is_armed(snapshot)


def test_frames_too_far_apart_for_an_alarm_disarm_a_camera(
    made: Engine, moments: list[Moment], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    skips = SimpleNamespace(count=0)
    monkeypatch.setattr(Face, "skipped", property(lambda self: skips.count))
    for moment in moments[:20]:
        see(made, moment)
    assert armed(made)
    for number, moment in enumerate(moments[20:]):
        skips.count += 2
        see(made, moment, later=number * 1.0)  # each 1.5 s after the one before
    assert not armed(made)
    snapshot = made.view.snapshot("yard")
    assert snapshot.blocked == "too slow: no alarms" and "too slow: no alarms" in snapshot.words
    assert "yard: too slow: no alarms" in caplog.text
    for number in range(60):
        see(made, moments[number], later=200.0)
    assert armed(made)


def test_a_rate_that_is_not_the_models_disarms_a_camera(made: Engine, moments: list[Moment]) -> None:
    feed = made._posts["yard"].camera.feed
    see(made, moments[0])
    assert armed(made)
    feed.rate = RATE / 2
    see(made, moments[1])
    assert not armed(made)
    assert made.view.snapshot("yard").blocked == "rate off, nobody is told"
    feed.rate = float(RATE)
    see(made, moments[2])
    assert armed(made)


def test_of_a_view_that_stays_the_log_and_the_page_remind(
    made: Engine, moments: list[Moment], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = (scene(1, size=(48, 72), seed=seed)[0] for seed in (1, 2))
    for number in range(300):
        picture = here if number < 60 else there[::-1, ::-1]
        see(made, dataclasses.replace(moments[0], picture=picture, seconds=10.0 * number))
        snapshot = made.view.snapshot("yard")
        if happened(tmp_path)[-1:] == [("moved", "new")]:
            assert snapshot.blocked in ("moved, alarms pause", "pictures break off: no alarms")
            assert snapshot.notes == ()
    assert ("moved", "end") in happened(tmp_path)
    (note,) = made.view.snapshot("yard").notes
    assert "this is its usual view now" in note and f"yard: {note}" in caplog.messages


def test_what_is_prepared_before_takes_none_of_a_cameras_time(made: Engine) -> None:
    feed, stop = made._posts["yard"].camera.feed, threading.Event()
    feed.since -= 100
    before = time.monotonic()
    stop.set()
    made.run(stop)
    assert feed.since >= before


def downs(made: Engine, moment: Moment, numbers: range) -> None:
    """Have the camera go and come back, a minute apart."""
    for number in numbers:
        now = see(made, moment, later=60.0 * number)
        made._posts["yard"].camera.tick(now + 11)


def test_what_is_said_of_any_event_that_is_shown_is_in_the_log(
    world: World, moments: list[Moment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (log, face_module):
        monkeypatch.setattr(module, "RECENT", 4)
    with prepared(planned(world, tmp_path)) as made:
        view, camera = made.view, made._posts["yard"].camera
        downs(made, moments[0], range(5))
        for each in view.events("yard")[-2:]:  # the oldest
            assert view.label("yard", each.id, "real")
        downs(made, moments[0], range(5, 9))
        shown = [each.id for each in view.events("yard")]
        every = [each.id for each in events_of(tmp_path)]
        assert len(shown) == 4 and len(every) > 8
        taken = [each for each in every if view.label("yard", each, "normal")]
        assert set(shown) <= set(taken)
        for number in range(10):  # five others come before it is written down
            time = START + timedelta(days=1, minutes=number)
            camera._told(camera._incidents.turn("black", number % 2 == 0, 0.0, time))
        assert not set(taken) & {each.id for each in camera._log.events if each.type == "end"}
        camera.tick(1e6)
        said = {each.id for each in events_of(tmp_path) if each.label == "normal"}
        assert said == set(taken)
        last = view.events("yard")[0].id
        assert view.label("yard", last, "real")
        camera.close()
        assert [each.label for each in events_of(tmp_path) if each.id == last] == ["real"]
        assert not view.label("yard", last, "normal")


def replay(made: Engine, moments: list[Moment]) -> None:
    """Have all frames of a file scored."""
    camera = made._posts["yard"].camera
    for moment in moments:
        frame = TimedFrame(
            number=moment.frame, seconds=moment.seconds, picture=moment.picture, is_corrupt=False
        )
        last = Arrival(frame=frame, at=moment.seconds, time=None)
        window = Window(frames=(moment.picture,) * 5, last=last, profile=None, gap=moment.gap)
        camera.see(window, moment, moment.seconds)


def test_a_file_that_is_watched_again_keeps_what_was_said_and_the_clips_of_what_is_normal(
    world: World, moments: list[Moment], tmp_path: Path
) -> None:
    plan = watch_config(
        url=str(world.video), checkpoint=str(world.run), out=str(tmp_path), name="yard", device="cpu"
    )
    with prepared(plan) as made:
        replay(made, moments)
        first = made.view.events("yard")[-1]
        assert made.view.label("yard", first.id, "normal")
    kept, before = list((tmp_path / "yard" / "normal").iterdir()), events_of(tmp_path)
    assert len(kept) == 1
    with prepared(plan) as made:
        replay(made, moments)
        assert list((tmp_path / "yard" / "normal").iterdir()) == kept
        assert made.view.events("yard") == before[::-1]
    assert list((tmp_path / "yard" / "normal").iterdir()) == kept
    assert events_of(tmp_path) == before and before[0].label == "normal"
