"""What was before an event is still there when it comes, and what is kept is bounded."""

import dataclasses
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import av
import pytest

from pipeline.errors import SourceError
from pipeline.video import live
from pipeline.video import tape as taping
from pipeline.video.live import DroppedError, LivePacket, LiveStream, connected, is_live, unheard
from pipeline.video.tape import Moving, Tape
from rtsp import camera
from shards.storage import Storage
from tests.helpers.videos import scene, write_video

RATE, FRAMES = 10, 200


@pytest.fixture(scope="module")
def taped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moving]:
    """A connection to a camera whose packets are all there."""
    file = tmp_path_factory.mktemp("tape") / "a.mp4"
    write_video(file, scene(FRAMES, size=(48, 72)), rate=RATE, options={"g": "10", "bf": "2"})
    with unheard(), camera(file, speed=1e9, loop=False) as source, connected(source.url, "yard") as stream:
        moving = Moving(stream.form, first=100.0)
        PACKETS.clear()
        with pytest.raises(DroppedError, match="the stream ended"):
            for packet, frames in stream:
                if packet is not None:
                    PACKETS.append(packet)
                for frame in frames:
                    if moving.ahead is None and frame.seconds is not None:
                        moving.ahead = 100.0 + 1 / RATE - frame.seconds
        yield moving


PACKETS: list[LivePacket] = []


def filled(tape: Tape, moving: Moving) -> Tape:
    for packet in PACKETS:
        tape.push(packet, moving)
    return tape


def shown(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_clip_begins_with_a_key_frame_before_its_span(taped: Moving, tmp_path: Path) -> None:
    tape = filled(Tape(1000), taped)
    name = tape.clip((105.25, 107.0), Storage(str(tmp_path)), "clips/a")
    assert name == "clips/a.mp4"
    assert 20 <= shown(tmp_path / name) <= 24
    assert shown(tmp_path / tape.clip((0, 1000), Storage(str(tmp_path)), "all")) == FRAMES


def test_without_an_event_the_last_seconds_are_kept_and_with_one_all_since(
    taped: Moving, tmp_path: Path
) -> None:
    out = Storage(str(tmp_path))
    tape = filled(Tape(5), taped)
    with pytest.raises(SourceError, match="found no pictures of these seconds"):
        tape.clip((101, 105), out, "gone")
    assert 50 <= shown(tmp_path / tape.clip((0, 1000), out, "last")) <= 70
    held = Tape(5)
    held.hold()
    assert shown(tmp_path / filled(held, taped).clip((0, 1000), out, "held")) == FRAMES
    held.release()
    assert shown(tmp_path / held.clip((0, 1000), out, "released")) <= 70


def test_of_connections_that_break_early_the_last_seconds_are_kept(taped: Moving, tmp_path: Path) -> None:
    out, tape = Storage(str(tmp_path)), Tape(5)
    timed = [packet for packet in PACKETS if packet.shown is not None]
    start = next(index for index, packet in enumerate(timed) if packet.is_key)
    group = timed[start : start + 6]
    assert [packet.is_key for packet in group] == [True, *5 * [False]]
    connections = []
    for number in range(100):
        moving = Moving(taped.form, first=float(number))
        connections.append(weakref.ref(moving))
        tape.push(group[0], moving)
        if number % 3:  # each third one breaks before its first frame
            moving.ahead = number - float((group[0].shown or 0) * taped.form.unit)
        for packet in group[1:]:
            tape.push(packet, moving)
    assert sum(each() is not None for each in connections) <= 9
    with pytest.raises(SourceError, match="found no pictures of these seconds"):
        tape.clip((0, 90), out, "gone")
    assert shown(tmp_path / tape.clip((95, 97), out, "last")) == len(group)


def test_of_an_event_that_is_too_long_the_beginning_is_kept(
    taped: Moving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taping, "MOST_BYTES", sum(len(packet.data) for packet in PACKETS) // 2)
    tape = Tape(5)
    tape.hold()
    filled(tape, taped)
    count = shown(tmp_path / tape.clip((0, 1000), Storage(str(tmp_path)), "cut"))
    assert 0.3 * FRAMES <= count <= 0.7 * FRAMES
    tape.release()
    with pytest.raises(SourceError):
        tape.clip((0, 1000), Storage(str(tmp_path)), "none")


def test_what_is_kept_is_bounded_without_a_key_frame(taped: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taping, "MOST_BYTES", 100_000)
    tape, moving = Tape(5), Moving(taped.form, ahead=0.0, first=0.0)
    lives = []
    for number in range(300):
        packet = LivePacket(data=bytes(1000), shown=number, decoded=number, is_key=number == 0)
        lives.append(weakref.ref(packet))
        tape.push(packet, moving)
        del packet
        assert sum(each() is not None for each in lives) <= 100
    assert lives[-1]() is not None


def test_a_clip_of_made_up_times_lasts_as_long_as_it_took(taped: Moving, tmp_path: Path) -> None:
    tape, moving = Tape(1000), Moving(taped.form, ahead=-5000.0, by_arrival=True)
    keys = next(index for index, packet in enumerate(PACKETS) if packet.is_key)
    for number, packet in enumerate(PACKETS[keys:]):  # one each second, but for what comes at once
        late = 1e-6 * number if number < 20 else number
        tape.push(dataclasses.replace(packet, arrived=5000.0 + late), moving)
    assert shown(tmp_path / tape.clip((-5.0, 19.0), Storage(str(tmp_path)), "at once")) >= 15
    name = tape.clip((30.0, 50.0), Storage(str(tmp_path)), "slow")
    with av.open(str(tmp_path / name)) as container:
        times = [
            packet.pts * packet.time_base for packet in container.demux(video=0) if packet.pts is not None
        ]
    assert 20 <= max(times) - min(times) <= 30
    assert len(times) == pytest.approx(max(times) - min(times), abs=2)


@pytest.mark.parametrize(
    ("location", "expected"),
    [("rtsp://host/a", True), ("http://host/a", True), ("/dev/video0", True), ("a.mp4", False)],
)
def test_a_camera_is_told_from_a_file(location: str, expected: bool) -> None:
    assert is_live(location) == expected


@pytest.mark.parametrize(
    "location", ["rtsp://user:hunter2@127.0.0.1:1/a", "concat://user:hunter2@a", "udp://@:1"]
)
def test_what_cannot_be_reached_is_a_reason_without_the_location(location: str) -> None:
    with unheard(), pytest.raises(DroppedError) as caught, connected(location, "yard"):
        pass
    assert "hunter2" not in str(caught.value)
    assert "127" not in str(caught.value)


@pytest.mark.parametrize("read", [iter, LiveStream.packets])
def test_a_stall_ends_a_connection_even_if_the_camera_goes_on_after_it(
    read: Callable[[LiveStream], Iterable[object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_READ_SECONDS", 1.0)
    file = write_video(tmp_path / "a.mp4", scene(60, size=(48, 72)), rate=25, options={"bf": "0"})
    with unheard(), camera(file) as source:

        def stall() -> None:
            while count < 10 and not over.is_set():
                time.sleep(0.01)
            source.fault = "stall"
            over.wait(3)  # of which the reader, who may be late, needs one
            source.fault = "none"

        count, over = 0, threading.Event()
        thread = threading.Thread(target=stall, daemon=True)
        thread.start()
        with connected(source.url, "yard") as stream, pytest.raises(DroppedError, match="sent nothing"):
            for _ in read(stream):
                count += 1
                assert count < 200, "the connection went on"
        over.set()
        thread.join()
