"""Decoding in a process of its own: the same frames, and whatever a file does to the decoder is one line."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import SourceError
from pipeline.processes.workers import RESIDENT_LIMIT, WorkerProcess
from pipeline.video.decoding import AHEAD, Decoder
from pipeline.video.footage import Footage, found
from pipeline.video.images import resized
from pipeline.video.pyav_frames import Findings
from pipeline.video.timed import TimedFrame, thinned
from shards.storage import Storage
from tests.helpers.commands import ROOT, TIMEOUT, is_running
from tests.helpers.videos import scene, write_images, write_video

SMALL = (16, 24)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as decoder:
        yield decoder


def damaged(path: Path) -> Path:
    data = bytearray(write_video(path, scene(90, size=(48, 72))).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(data)
    return path


def footage_of(path: Path) -> Footage:
    (footage,) = found([str(path)])
    return footage


def pid_of(decoder: Decoder) -> int:
    assert decoder.pid is not None
    return decoder.pid


def assert_same(found: list[TimedFrame], expected: list[TimedFrame]) -> None:
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert (one.number, one.seconds, one.is_corrupt) == (other.number, other.seconds, other.is_corrupt)
        np.testing.assert_array_equal(one.picture, other.picture)


@pytest.mark.parametrize("kind", ["whole", "damaged", "images"])
@pytest.mark.parametrize("stride", [1, 3])
def test_frames_are_those_that_decoding_in_this_process_gives(
    decoder: Decoder, tmp_path: Path, kind: str, stride: int
) -> None:
    path = tmp_path / "a.mp4"
    if kind == "images":
        path = tmp_path / "images"
        write_images(path, scene(9, size=(48, 72)))
    elif kind == "damaged":
        damaged(path)
    else:
        write_video(path, scene(2 * AHEAD, size=(48, 72)))
    footage = footage_of(path)
    told, expected = Findings(), Findings()
    frames = list(thinned(footage.frames(path, expected, 5.0), stride))
    drawn = list(decoder.frames(footage, path, told, rate=5.0, stride=stride, small=SMALL))
    assert_same(drawn, frames)
    for one, small in zip(drawn, resized([frame.picture for frame in frames], SMALL), strict=True):
        assert one.small is not None
        np.testing.assert_array_equal(one.small, small)
    assert told == expected
    assert (told.damaged + told.lost > 0) == (kind == "damaged")
    alone = list(decoder.frames(footage, path, Findings(), stride=stride, small=SMALL, is_whole=False))
    assert [frame.picture.shape for frame in alone] == [(*SMALL, 3)] * len(frames)


def test_a_file_that_is_no_video_is_refused_and_the_next_one_is_decoded(
    decoder: Decoder, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    footage = footage_of(tmp_path / "a.mp4")
    for ask in (decoder.extent, decoder.key_seconds):
        with pytest.raises(SourceError, match=r"a\.mp4: found 8 bytes that are no video file"):
            ask(footage, tmp_path / "a.mp4")
    with pytest.raises(SourceError, match=r"a\.mp4: found 8 bytes that are no video file"):
        list(decoder.frames(footage, tmp_path / "a.mp4", Findings()))
    pid = decoder.pid
    good = footage_of(write_video(tmp_path / "b.mp4", scene(6)))
    assert len(list(decoder.frames(good, tmp_path / "b.mp4", Findings()))) == 6
    assert decoder.extent(good, tmp_path / "b.mp4").codec == "h264"
    clip = decoder.clip(good, tmp_path / "b.mp4", (0, 1), Storage(tmp_path), "clip")
    assert (tmp_path / clip).stat().st_size
    assert decoder.pid == pid


def test_what_the_program_holds_does_not_cost_the_decoder_its_process(tmp_path: Path) -> None:
    held = b"x" * (RESIDENT_LIMIT + (64 << 20))
    path = write_video(tmp_path / "a.mp4", scene(6))
    with Decoder() as decoder:
        decoder.extent(footage_of(path), path)
        pid = decoder.pid
        assert len(list(decoder.frames(footage_of(path), path, Findings()))) == 6
        assert decoder.pid == pid is not None
    del held


def test_who_stops_early_gets_the_next_video_from_its_beginning(decoder: Decoder, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", scene(40))
    frames = decoder.frames(footage_of(path), path, Findings())
    assert [frame.number for frame in itertools.islice(frames, 3)] == [0, 1, 2]
    frames.close()  # type: ignore[attr-defined]
    again = decoder.frames(footage_of(path), path, Findings())
    assert [frame.number for frame in again] == list(range(40))


@pytest.mark.parametrize(
    ("number", "expected"),
    [(signal.SIGABRT, r"the decoder died of SIGABRT"), (signal.SIGSTOP, r"the decoder hung for 2 s")],
)
def test_a_decoder_that_dies_or_hangs_is_one_line(
    tmp_path: Path, number: signal.Signals, expected: str
) -> None:
    path = write_video(tmp_path / "a.mp4", scene(4 * AHEAD))
    with Decoder() as decoder:
        frames = decoder.frames(footage_of(path), path, Findings())
        next(frames)
        if number == signal.SIGSTOP:
            decoder._process._stall_seconds = 2  # to start takes longer on a busy machine
        os.kill(pid_of(decoder), number)
        with pytest.raises(SourceError, match=rf"a\.mp4: {expected}.* after \d+ frames; ") as caught:
            list(frames)
        assert "\n" not in str(caught.value)
        decoder._process._stall_seconds = TIMEOUT
        assert len(list(decoder.frames(footage_of(path), path, Findings()))) == 4 * AHEAD


def test_a_decoder_that_wants_too_much_memory_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")  # each would reserve address space that nobody uses
    picture = np.zeros((3000, 4000, 3), np.uint8)
    path = write_video(tmp_path / "a.mkv", [picture] * 2, codec="ffv1", pixels="bgr0")
    with Decoder() as decoder:
        decoder._process = WorkerProcess("tests.helpers.smalldecoder", 60, [decoder._ring])
        with pytest.raises(SourceError, match=r"a\.mkv") as caught:
            list(decoder.frames(footage_of(path), path, Findings()))
    assert "\n" not in str(caught.value)


_DRAWING = """
import sys
from pathlib import Path
from pipeline.video.decoding import Decoder
from pipeline.video.footage import found
from pipeline.video.pyav_frames import Findings
path = Path(sys.argv[1])
with Decoder() as decoder:
    for frame in decoder.frames(found([sys.argv[1]])[0], path, Findings()):
        print(decoder.pid, flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_decoder_outlives_who_it_works_for(tmp_path: Path, number: signal.Signals) -> None:
    path = write_video(tmp_path / "a.mp4", scene(4 * AHEAD))
    command = [sys.executable, "-c", _DRAWING, str(path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        decoder = int(process.stdout.readline())
        assert is_running(decoder)
        process.send_signal(number)
        process.wait(TIMEOUT)
    deadline = time.monotonic() + TIMEOUT
    while is_running(decoder):
        assert time.monotonic() < deadline
        time.sleep(0.02)
