"""What the page and its programs' side say and do, without a browser."""

import contextlib
import gc
import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.errors import ConfigError
from pipeline.events.event import Event, Files, Label, to_json
from pipeline.watch.address import address
from pipeline.watch.view import View
from pipeline.watch.web import records, routes
from pipeline.watch.web.server import Server
from tests.helpers.statuspage import (
    ask,
    fake,
    jpeg,
    live_event,
    messages,
    page_of,
    points,
    streamed,
)


def with_files(folder: Path) -> Event:
    """An event with a clip and a thumbnail that are there."""
    (folder / "clips").mkdir(parents=True)
    (folder / "thumbs").mkdir()
    (folder / "clips" / "a.mp4").write_bytes(bytes(range(256)))
    (folder / "thumbs" / "a.jpg").write_bytes(jpeg(1))
    return live_event(files=Files(clip="clips/a.mp4", thumbnail="thumbs/a.jpg"))


def test_the_page_of_all_cameras_names_them_with_their_state_and_events(tmp_path: Path) -> None:
    frozen = live_event(1, type="new", kind="frozen", peak=None, threshold=None)
    cameras = {
        "yard": fake(tmp_path / "yard", alarm=True, events=[live_event()]),
        "gate": fake(tmp_path / "gate", state="down", reason="connection refused", drift="watch: brighter"),
        "lane": fake(
            tmp_path / "lane", limit_hours=None, least_hours=None, missing="no calibration", events=[frozen]
        ),
    }
    with page_of(cameras) as server:
        page = ask(server, "/").data.decode()
    for words in ("alarm", "down", "connection refused", "Drift: watch: brighter", "no alarms", "frozen"):
        assert f">{words}<" in page
    assert page.index('href="/cameras/yard"') < page.index('href="/cameras/gate"')
    assert "once in more than 6.3 h · middle left" in page
    assert page.count('<img alt="what') == 3


def test_the_page_of_one_camera_has_its_figures_strips_and_promise(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    minutes, day = points(2, 300, now, 1), points(300, 288, now, 2)
    with page_of({"yard": fake(tmp_path, minutes=minutes, day=day)}) as server:
        page = ask(server, "/").data.decode()
        assert ask(server, "/cameras/yard").data.decode().count("<figure") == 2
    for words in ("84 ms", "95 % within 151 ms", "an alarm from 2.1 h on", "1,200 scored", "0.2 % of all"):
        assert words in page
    assert "at most one alarm per hour" in page
    assert 'class="alarm"' in page
    assert 'class="unseen"' in page


def test_the_page_says_which_profile_is_in_force_and_what_it_is_held_against(tmp_path: Path) -> None:
    note = "no calibration of profile night: its frames are held against the strictest, that of day"
    with page_of({"yard": fake(tmp_path, profile="night", notes=(note,))}) as server:
        page = ask(server, "/cameras/yard").data.decode()
    for words in ("armed", "night", note, "What an alarm means (night)"):
        assert f">{words}<" in page


@pytest.mark.parametrize("label", ["normal", "real", None])
def test_what_becomes_of_a_label_is_said_where_one_is_normal(tmp_path: Path, label: Label | None) -> None:
    with page_of({"yard": fake(tmp_path, events=[live_event(label=label)])}) as server:
        page = ask(server, "/").data.decode()
    assert ("keeps its clip, and counts in the calibration once feedback" in page) == (label == "normal")


def test_a_camera_without_promise_has_no_strip(tmp_path: Path) -> None:
    with page_of({"yard": fake(tmp_path, limit_hours=None, least_hours=None)}) as server:
        assert "<figure" not in ask(server, "/").data.decode()


def test_what_is_unknown_is_not_found(tmp_path: Path) -> None:
    with page_of({"yard": fake(tmp_path, events=[live_event()])}) as server:
        event = live_event(5).id
        paths = (
            "/nothing",
            "/cameras/gate",
            "/cameras/gate/live",
            "/cameras/gate/picture",
            f"/cameras/yard/events/{event}/clip",
            f"/cameras/yard/events/{live_event().id}/thumbnail",
            "/api/events?camera=gate",
            "/stream?camera=gate",
        )
        assert {path: ask(server, path).status for path in paths} == dict.fromkeys(paths, 404)
        assert ask(server, f"/cameras/yard/events/{event}/label", form={"label": "real"}).status == 404


def test_files_of_an_event_are_served_in_ranges_and_left_out_once_they_are_gone(tmp_path: Path) -> None:
    happened = with_files(tmp_path)
    here = f"/cameras/yard/events/{happened.id}"
    with page_of({"yard": fake(tmp_path, events=[happened])}) as server:
        assert f'href="{here}/clip"' in ask(server, "/").data.decode()
        clip = ask(server, f"{here}/clip", headers={"Range": "bytes=10-19"})
        assert (clip.status, clip.headers["Content-Type"]) == (206, "video/mp4")
        assert clip.data == bytes(range(10, 20))
        assert ask(server, f"{here}/thumbnail").headers["Content-Type"] == "image/jpeg"
        (tmp_path / "clips" / "a.mp4").unlink()
        assert ask(server, f"{here}/clip").status == 404
        assert f"{here}/clip" not in ask(server, "/").data.decode()


def test_forms_snooze_and_label_and_lead_back_to_the_camera(tmp_path: Path) -> None:
    happened = live_event()
    camera = fake(tmp_path, events=[happened])
    label = f"/cameras/yard/events/{happened.id}/label"
    with page_of({"yard": camera}) as server:
        answer = ask(server, "/cameras/yard/snooze", form={"seconds": "3600"})
        assert (answer.status, answer.headers["Location"]) == (303, "/cameras/yard")
        assert camera.shown.snoozed_until is not None
        assert "snoozed until" in ask(server, "/").data.decode()
        ask(server, "/cameras/yard/snooze", form={"seconds": "0"})
        assert camera.shown.snoozed_until is None
        answer = ask(server, label, form={"label": "normal"})
        assert answer.headers["Location"] == f"/cameras/yard#{happened.id}"
        assert camera.happened[0].label == "normal"
        assert 'aria-pressed="true">normal' in ask(server, "/").data.decode()
        ask(server, label, form={"label": ""})
        assert camera.happened[0].label is None


@pytest.mark.parametrize("seconds", ["", "-1", "1e9", "nan", "inf", "an hour"])
def test_a_snooze_of_no_sensible_length_is_refused(tmp_path: Path, seconds: str) -> None:
    camera = fake(tmp_path)
    with page_of({"yard": camera}) as server:
        assert ask(server, "/cameras/yard/snooze", form={"seconds": seconds}).status == 400
    assert camera.shown.snoozed_until is None


def test_programs_get_cameras_and_events_as_json(tmp_path: Path) -> None:
    happened = live_event()
    now = datetime.now(UTC)
    cameras = {
        "yard": fake(tmp_path / "a", events=[happened], minutes=points(2, 3, now, 1)),
        "gate": fake(tmp_path / "b", events=[live_event(3)]),
    }
    with page_of(cameras) as server:
        yard, _ = ask(server, "/api/cameras").json()["cameras"]
        assert (yard["name"], yard["rarity_hours"], yard["standing"]) == ("yard", 0.01, ["live", "armed"])
        assert datetime.fromisoformat(yard["minutes"][0]["start"]) == now - timedelta(seconds=6)
        assert len(ask(server, "/api/events").json()["events"]) == 2
        assert ask(server, "/api/events?camera=yard").json()["events"] == [happened.record()]


def test_a_stream_tells_all_at_first_and_then_what_has_changed(tmp_path: Path) -> None:
    happened = live_event()
    camera = fake(tmp_path, events=[happened])
    with page_of({"yard": camera}) as server, streamed(server, "/api/stream") as answer:
        told = messages(answer)
        kind, first = next(told)
        assert (kind, first["name"], "minutes" in first) == ("camera", "yard", False)
        assert next(told) == ("event", happened.record())
        camera.happened = [live_event(0, label="real"), happened]
        kind, second = next(told)
        assert (kind, second["label"]) == ("event", "real")


def test_an_event_is_put_into_words_once_for_all_who_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop of the page waits for none of it: it is done in threads."""
    worded: list[tuple[str, bool]] = []

    def counted(event: Event) -> str:
        worded.append((event.id, threading.current_thread().name == "page"))
        return to_json(event)

    monkeypatch.setattr("pipeline.watch.web.records.to_json", counted)
    monkeypatch.setattr(routes, "_FRESH", 0.0)
    happened = [live_event(number) for number in range(20)]
    cameras = {name: fake(tmp_path / name, name=name, events=happened) for name in ("yard", "gate")}
    with page_of(cameras) as server:
        for _ in range(2):
            assert len(ask(server, "/api/events").json()["events"]) == 40
            assert ask(server, "/api/events?camera=gate").json()["events"][0] == happened[0].record()
            with streamed(server, "/api/stream") as answer:
                told = messages(answer)
                assert [next(told)[0] for _ in range(42)].count("event") == 40
        cameras["yard"].happened = [live_event(0, label="real"), *happened[1:]]
        ask(server, "/api/events")
    assert len(worded) == 41
    assert not any(is_on_loop for _, is_on_loop in worded)


def test_what_has_not_changed_is_the_same_object(tmp_path: Path) -> None:
    camera = fake(tmp_path, events=[live_event()])
    made = records.Records(View({"yard": camera}))
    before = made.messages()
    assert made.messages() is before
    camera.shown = replace(camera.shown, scored=7)
    assert made.messages() is not before


def test_the_pictures_of_a_camera_follow_one_another(tmp_path: Path) -> None:
    with page_of({"yard": fake(tmp_path)}) as server, streamed(server, "/cameras/yard/live") as answer:
        assert answer.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=picture"
        seen = b""
        while seen.count(b"--picture\r\n") < 4:
            seen += answer.read1()
    parts = [part for part in seen.split(b"--picture\r\n") if part][:3]
    pictures = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts]
    assert len(set(pictures)) == 3
    assert all(picture.startswith(b"\xff\xd8") and picture.endswith(b"\xff\xd9") for picture in pictures)


def test_pictures_are_made_for_all_who_look_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "PICTURE_SECONDS", 60.0)
    camera = fake(tmp_path)
    with page_of({"yard": camera}) as server:
        ask(server, "/")
        assert camera.pictures == 0
        with streamed(server, "/cameras/yard/live") as one, streamed(server, "/cameras/yard/live") as two:
            first = [one.read(2000), two.read(2000)]
            assert first[0] == first[1]
        assert camera.pictures == 1


def test_pictures_are_made_for_nobody_else(tmp_path: Path) -> None:
    camera = fake(tmp_path)
    with page_of({"yard": camera}) as server:
        ask(server, "/")
        assert camera.pictures == 0
        with streamed(server, "/cameras/yard/live") as one, streamed(server, "/cameras/yard/live") as two:
            assert one.read(2000) and two.read(2000)
        wait_until(lambda: stands_still(camera))


def test_no_picture_yet_is_no_error(tmp_path: Path) -> None:
    camera = fake(tmp_path, state="connecting")
    camera.is_seen = False
    with page_of({"yard": camera}) as server:
        assert ask(server, "/cameras/yard/picture").status == 404
        with streamed(server, "/cameras/yard/live") as answer:
            assert answer.read1() == b"--picture\r\n"
            camera.is_seen = True
            assert answer.read1().startswith(b"Content-Type: image/jpeg")


def test_whoever_leaves_makes_room_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_MOST_STREAMS", 2)
    with page_of({"yard": fake(tmp_path)}) as server:
        with streamed(server, "/stream"), streamed(server, "/api/stream"):
            full = ask(server, "/stream")
            assert (full.status, full.headers["Retry-After"]) == (503, "10")
            assert ask(server, "/").status == 200
            with streamed(server, "/cameras/yard/live") as answer:
                assert answer.status == 200

        def is_free() -> bool:
            with streamed(server, "/stream") as answer:
                return answer.status == 200

        wait_until(is_free)


def test_prometheus_reads_each_camera(tmp_path: Path) -> None:
    cameras = {
        "yard": fake(tmp_path / "a", alarm=True),
        "gate": fake(tmp_path / "b", name="gate", state="down", rarity_hours=None, latency_p95=None),
    }
    with page_of(cameras) as server:
        answer = ask(server, "/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.data.decode().splitlines()
    for line in (
        'mnad_camera_up{camera="yard"} 1.0',
        'mnad_camera_up{camera="gate"} 0.0',
        'mnad_alarm{camera="yard"} 1.0',
        'mnad_rarity_hours{camera="yard"} 0.01',
        'mnad_frames_skipped_total{camera="gate"} 3.0',
        'mnad_latency_seconds{camera="yard",quantile="0.95"} 0.151',
    ):
        assert line in lines
    assert not any(line.startswith('mnad_rarity_hours{camera="gate"') for line in lines)
    helped = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(helped) == len(set(helped))
    assert {line.partition("{")[0] for line in lines if line[0] != "#"} <= set(helped)


def test_health_page_and_metrics_tell_of_results_that_cannot_be_written(tmp_path: Path) -> None:
    reason = "out/yard/thumbs/a.jpg: cannot be written: No space left on device"
    cameras = {
        "yard": fake(tmp_path / "a", unwritten=reason, write_failures=3, left_out=2),
        "gate": fake(tmp_path / "b", name="gate"),
    }
    with page_of(cameras) as server:
        health = ask(server, "/healthz")
        assert (health.status, health.data) == (503, b"results cannot be written\n")
        lines = ask(server, "/metrics").data.decode().splitlines()
        assert reason in ask(server, "/cameras/yard").data.decode()
        assert "results cannot be written" in ask(server, "/api/cameras").json()["cameras"][0]["standing"]
    for line in (
        'mnad_results_written{camera="yard"} 0.0',
        'mnad_results_written{camera="gate"} 1.0',
        'mnad_write_failures_total{camera="yard"} 3.0',
        'mnad_messages_left_out_total{camera="yard"} 2.0',
    ):
        assert line in lines


def test_health_tells_whether_the_watch_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with page_of({"yard": fake(tmp_path, state="down")}) as server:
        assert (ask(server, "/healthz").status, ask(server, "/healthz").data) == (200, b"ok\n")
        monkeypatch.setattr("pipeline.watch.web.server._STILL_SECONDS", 0.0)
        assert ask(server, "/healthz").status == 503
        monkeypatch.undo()
        server.beat()
        assert ask(server, "/healthz").status == 200


def test_the_page_ends_while_others_look(tmp_path: Path) -> None:
    with page_of({"yard": fake(tmp_path)}) as server:
        answers = [streamed(server, path) for path in ("/stream", "/cameras/yard/live")]
        opened = [answer.__enter__() for answer in answers]
        assert [answer.status for answer in opened] == [200, 200]
    for answer in answers:
        answer.__exit__(None, None, None)


def test_connections_that_come_while_the_page_ends_are_closed(tmp_path: Path) -> None:
    """One that is left open is warned of when it is collected, and a warning is an error."""
    camera, opened = fake(tmp_path), []
    for _ in range(5):
        over = threading.Event()

        def connect(over: threading.Event, server: Server) -> None:
            address = urlsplit(server.url)
            while not over.is_set():
                with contextlib.suppress(OSError):
                    opened.append(socket.create_connection((address.hostname, address.port), 5))

        with page_of({"yard": camera}) as server:
            thread = threading.Thread(target=connect, args=(over, server))
            thread.start()
            wait_until(lambda: len(opened) > 5)
        over.set()
        thread.join()
        while opened:
            opened.pop().close()
    gc.collect()


def test_a_place_that_is_taken_is_one_line(tmp_path: Path) -> None:
    view = View({"yard": fake(tmp_path)})
    with page_of({"yard": fake(tmp_path)}) as server:
        taken = server.url.removeprefix("http://").rstrip("/")
        with pytest.raises(ConfigError, match=rf"--http: found {taken}, where nothing can listen"):
            Server(view, address(taken), None)


def stands_still(camera: object) -> bool:
    """Whether no picture of a camera is made for a while."""
    before = camera.pictures  # type: ignore[attr-defined]
    time.sleep(0.5)
    return bool(before == camera.pictures)  # type: ignore[attr-defined]


def wait_until(is_so: object, seconds: float = 15.0) -> None:
    """Wait for something that comes soon."""
    end = time.monotonic() + seconds
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)
