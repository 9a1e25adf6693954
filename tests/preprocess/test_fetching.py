"""Videos of an object store: each is fetched once, who waits is alive, and nothing stays on this machine."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, SourceError
from pipeline.preprocess import space
from pipeline.preprocess.jobs import job_from_json
from pipeline.preprocess.run import preprocess
from pipeline.preprocess.sources.source import list_tree
from pipeline.preprocess.work import process_video
from pipeline.preprocess.worker import Worker
from pipeline.video.footage import found
from shards.digests import digest_of
from tests.helpers.jobs import job_line
from tests.helpers.preprocessing import config
from tests.helpers.slowstore import SlowStore, slow_store
from tests.helpers.videos import scene, write_video

SECONDS = 20
"""That are waited for what never comes without the change; with it, it comes at once."""
LARGE = 6 << 20
"""Bytes: two pieces of four megabytes."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SlowStore]:
    """One that holds a video with a long tail, which a reader of AVI leaves alone."""
    write_video(tmp_path / "a.avi", scene(8))
    data = (tmp_path / "a.avi").read_bytes()
    with slow_store({"cam/a.avi": data + b"JUNK" + (LARGE - len(data)).to_bytes(4, "little")}) as running:
        running.files["cam/a.avi"] += bytes(LARGE - len(data))
        yield running


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where videos are fetched to."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def test_a_video_is_fetched_once_and_whoever_waits_for_the_store_beats(
    store: SlowStore, tmp_path: Path, here: Path
) -> None:
    beats = threading.Semaphore(0)
    silent: list[tuple[str, str]] = []

    def before(method: str, path: str) -> None:
        while beats.acquire(blocking=False):
            pass
        if not beats.acquire(timeout=SECONDS):
            silent.append((method, path))

    store.before = before
    job = job_from_json(job_line(store.location.format("cam"), store.location.format("out"), size=(64, 64)))
    part = process_video(job, lambda frames, expected: beats.release())
    assert not silent
    assert part.video.frames == 8
    data = store.files["cam/a.avi"]
    assert store.sent == len(data)
    assert (part.video.source["bytes"], part.video.source["digest"]) == (len(data), digest_of([data]))
    assert [path.partition("/")[2].endswith(".tar") for path in store.taken[:1]] == [True]
    assert not [*here.iterdir()]


@pytest.mark.parametrize("way", ["the worker is killed", "the run is interrupted"])
def test_nothing_of_a_video_stays_when_its_worker_ends_in_the_middle(
    store: SlowStore, here: Path, tmp_path: Path, way: str
) -> None:
    pieces, over = 0, threading.Event()

    def before(method: str, path: str) -> None:
        nonlocal pieces
        pieces += 1
        if pieces > 1:
            over.wait(SECONDS)

    store.before = before
    errors: list[SourceError] = []

    def run(worker: Worker) -> None:
        try:
            worker.run("a", job_line(store.location.format("cam"), str(tmp_path / "out")), lambda *_: None)
        except SourceError as error:
            errors.append(error)

    with Worker(60) as worker:
        thread = threading.Thread(target=run, args=(worker,))
        thread.start()
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size for path in here.rglob("*.avi")):
            assert thread.is_alive() and time.monotonic() < deadline, errors
            time.sleep(0.01)
        if way == "the run is interrupted":
            worker.kill()
        else:
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
        thread.join()
        assert len(errors) == 1
        assert not [*here.iterdir()]
    over.set()


RESULTS = b'[score]\nvideos = ["cam"]\nout = "scored"\ndevice = "auto"\n'


def test_what_score_wrote_is_left_out_of_a_bucket(store: SlowStore) -> None:
    video = store.files["cam/a.avi"][:5000]
    store.files |= {
        "cam/scored/config.toml": RESULTS,
        "cam/scored/a/config.toml": RESULTS,
        "cam/scored/a/overlay.mp4": video,
        "cam/scored/a/clips/1.mp4": video,
        "cam/other/config.toml": b"[camera]\n",
        "cam/other/b.mp4": video,
    }
    tree = list_tree(store.location.format("cam"))
    assert list(tree.files) == ["a.avi", "other/b.mp4", "other/config.toml"]
    assert tree.oddities.results == ["scored"]
    notes: list[str] = []
    assert [footage.name for footage in found([store.location.format("cam")], notes)] == ["a", "other_b"]
    assert notes == ["s3://b/cam: left out what score or watch wrote: scored"]
    inside = list_tree(store.location.format("cam/scored/a"))  # which was asked for
    assert list(inside.files) == ["clips/1.mp4", "config.toml", "overlay.mp4"]


@pytest.mark.parametrize("folder", ["cam", "cam/shards", "cam/deep/shards"])
def test_shards_in_the_source_are_refused_in_a_bucket(store: SlowStore, folder: str) -> None:
    source, shards = store.location.format("cam"), store.location.format(folder).replace("key:", "other:")
    with pytest.raises(ConfigError, match=f"^s3://b/{folder}: lies in the source s3://b/cam; choose"):
        preprocess(config(source, shards))


def test_shards_beside_the_source_are_not(store: SlowStore, here: Path) -> None:
    assert preprocess(config(store.location.format("cam"), store.location.format("camera"))).done == 1


def test_no_file_is_fetched_for_which_there_is_no_room(
    store: SlowStore, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "_free", lambda folder: 5 << 20)
    expected = rf"^{here} \(TMPDIR\): found 5 MiB free, expected at least 6 MiB for the largest"
    with pytest.raises(SourceError, match=expected):
        preprocess(config(store.location.format("cam"), tmp_path / "shards"))
    assert store.sent == 0
