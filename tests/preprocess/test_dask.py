"""The same bytes from a dask cluster, also when one of its workers is killed."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from tests.helpers.videos import surveillance_set

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow


@contextlib.contextmanager
def program(name: str, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """One of dask's programs, killed at the end."""
    command = [sys.executable, "-m", f"distributed.cli.{name}", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list["subprocess.Popen[bytes]"]]]:
    """A scheduler and two workers on loopback."""
    file = tmp_path / "scheduler.json"
    with contextlib.ExitStack() as stack:
        start = ("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")
        stack.enter_context(program(*start, "--scheduler-file", str(file)))
        deadline = time.monotonic() + 60
        while not file.exists() or not file.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        address = next(
            word.strip('",') for word in file.read_text().split() if word.startswith('"tcp://127.0.0.1')
        )
        worker = ("dask_worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny")
        worker += ("--no-dashboard", "--local-directory", str(tmp_path / "dask"))
        yield address, [stack.enter_context(program(*worker)) for _ in range(2)]


def contents(folder: Path) -> dict[str, bytes]:
    paths = sorted(folder.iterdir())
    return {p.name: p.read_bytes() for p in paths if p.name not in ("config.toml", "stamps.json")}


def test_a_cluster_that_loses_a_worker_gives_the_bytes_of_the_pool(
    cluster: tuple[str, list["subprocess.Popen[bytes]"]], tmp_path: Path
) -> None:
    address, workers = cluster
    source = tmp_path / "source"
    surveillance_set(source, training=5, testing=5, frames=200)
    preprocess(PreprocessConfig(source=str(source), shards=str(tmp_path / "pool"), size=(128, 128)))
    shards = tmp_path / "shards"
    command = [sys.executable, "cli.py", "preprocess", str(source), str(shards), "--size", "128"]
    run = subprocess.Popen(
        [*command, "--engine", "dask", "--scheduler", address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(list(shards.glob("*.part.json"))) < 2:
        assert run.poll() is None, run.communicate()
        time.sleep(0.02)
    workers[0].kill()
    output, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors
    assert workers[1].poll() is None
    assert "decoded    10 videos" in output
    assert contents(shards) == contents(tmp_path / "pool")


def test_an_unreadable_video_is_the_same_error_as_from_the_pool(
    cluster: tuple[str, list["subprocess.Popen[bytes]"]], tmp_path: Path
) -> None:
    surveillance_set(tmp_path / "source", training=1, testing=1)
    (tmp_path / "source" / "training" / "videos" / "02.mp4").write_text("nothing")
    command = [sys.executable, "cli.py", "preprocess", str(tmp_path / "source"), str(tmp_path / "shards")]
    options = ["--size", "16", "--engine", "dask", "--scheduler", cluster[0]]
    failed = subprocess.run([*command, *options], capture_output=True, text=True)
    assert failed.returncode == 1
    assert "02.mp4: found 7 bytes that are no video file" in failed.stderr
    assert "Traceback" not in failed.stderr
    skipped = subprocess.run([*command, *options, "--on-error", "skip"], capture_output=True, text=True)
    assert skipped.returncode == 0
    assert "skipped    training/02" in skipped.stderr


def test_engine_and_scheduler_belong_together() -> None:
    for options in ({"engine": "dask"}, {"scheduler": "tcp://127.0.0.1:1"}):
        with pytest.raises(ConfigError, match="belong together"):
            PreprocessConfig(source="a", shards="b", **options)
