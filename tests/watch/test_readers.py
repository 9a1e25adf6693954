"""A reader gives each frame the time at which it was shown."""

import dataclasses
import itertools
import socket
import time
from pathlib import Path

import av
import cv2
import pytest

from pipeline.video.live import connected, unheard
from pipeline.video.tape import Moving, Tape
from pipeline.watch.assembler import Assembler, Window
from pipeline.watch.feed import Feed
from pipeline.watch.readers import Reader
from shards.storage import Storage
from tests.helpers.servers import answering
from tests.helpers.videos import scene

COUNT, APART = 30, 0.1


def jpegs(client: socket.socket) -> None:
    """Ten frames a second, as a camera sends them that has no times; then none, until the client has gone."""
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
    for picture in scene(COUNT, size=(48, 72)):
        data = cv2.imencode(".jpg", picture)[1].tobytes()
        head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
        client.sendall(head + data + b"\r\n")
        time.sleep(APART)
    client.recv(1)


def test_jpegs_over_http_are_shown_when_they_come_and_so_in_clips(tmp_path: Path) -> None:
    feed, tape, windows = Feed(expected=10.0), Tape(100), list[Window]()

    def put(window: Window) -> None:
        windows.append(window)
        if len(windows) == COUNT - 2:  # FFmpeg holds one back
            feed.stopping.set()

    assembler = Assembler(1, (16, 24), lambda _: None)
    with answering(jpegs) as port, unheard():
        Reader("yard", f"http://127.0.0.1:{port}/cam", None, assembler, feed, tape, put).run()
    seconds = [window.last.frame.seconds for window in windows]
    came = [window.last.at - windows[0].last.at for window in windows]
    assert seconds == pytest.approx(came, abs=0.1)
    assert feed.distrust == ""
    name = tape.clip((0.0, 100.0), Storage(str(tmp_path)), "clip")
    with av.open(str(tmp_path / name)) as container:
        times = [float(frame.time or 0.0) for frame in container.decode(video=0)]
    assert max(times) - min(times) == pytest.approx(seconds[-1], abs=0.5)


def test_frames_that_come_at_once_are_all_in_a_clip(tmp_path: Path) -> None:
    with answering(jpegs) as port, unheard(), connected(f"http://127.0.0.1:{port}/cam", "yard") as stream:
        assert not stream.form.has_times
        tape, moving = Tape(100), Moving(stream.form, ahead=-5000.0, by_arrival=True)
        for number, packet in enumerate(itertools.islice(stream.packets(), 10)):
            tape.push(dataclasses.replace(packet, arrived=5000.0 + 1e-6 * number), moving)
        name = tape.clip((-1.0, 1.0), Storage(str(tmp_path)), "clip")
    with av.open(str(tmp_path / name)) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 9  # nobody knows how long the last one is shown
