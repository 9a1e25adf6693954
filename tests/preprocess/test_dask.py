"""The same bytes from a dask cluster, also when one of its workers is killed."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError, SourceError
from pipeline.preprocess import dask_engine
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.dask_engine import (
    GROUP_BYTES,
    GROUP_VIDEOS,
    GROUPS,
    _idle,
    _read,
    _work,
    grouped,
    run_dask,
)
from pipeline.preprocess.pool import Task
from pipeline.preprocess.run import preprocess
from tests.helpers.commands import TIMEOUT
from tests.helpers.jobs import job_line
from tests.helpers.shards import set_bytes
from tests.helpers.videos import scene, surveillance_set, write_video

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow


TLS = "DASK_DISTRIBUTED__COMM__TLS__"
"""Where dask's configuration of certificates begins, among environment variables."""


@contextlib.contextmanager
def program(name: str, *arguments: str, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """One of dask's programs, killed at the end."""
    command = [sys.executable, "-m", f"distributed.cli.{name}", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), **environment}  # noqa: PTH109
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running_cluster(
    folder: Path, workers: int, protocol: str = "tcp", **environment: str
) -> Iterator[tuple[str, list["subprocess.Popen[bytes]"]]]:
    """A scheduler on loopback: its address; its workers and, last, itself."""
    file = folder / "scheduler.json"
    host = ("--host", "127.0.0.1", "--protocol", protocol)
    with contextlib.ExitStack() as stack:
        start = ("dask_scheduler", *host, "--port", "0", "--no-dashboard", "--no-show")
        scheduler = stack.enter_context(program(*start, "--scheduler-file", str(file), **environment))
        deadline = time.monotonic() + 60
        while not file.exists() or not file.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        worker = ["dask_worker", address, *host, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        worker += ["--local-directory", str(folder / "dask")]
        started = [stack.enter_context(program(*worker, **environment)) for _ in range(workers)]
        yield address, [*started, scheduler]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list["subprocess.Popen[bytes]"]]]:
    """A scheduler on loopback: its address; its two workers and, last, itself."""
    with running_cluster(tmp_path, 2) as running:
        yield running


def certificate(folder: Path) -> dict[str, str]:
    """A new certificate in `folder`, that signs itself, as dask's configuration for every role."""
    folder.mkdir()
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=cluster"]
    subprocess.run(words, check=True, capture_output=True)
    roles = {f"{TLS}{role}__CERT": cert for role in ("SCHEDULER", "WORKER", "CLIENT")}
    roles |= {f"{TLS}{role}__KEY": key for role in ("SCHEDULER", "WORKER", "CLIENT")}
    return {f"{TLS}CA_FILE": cert, **roles}


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
    while len(list(shards.glob("parts/*.part.json"))) < 2:
        assert run.poll() is None, run.communicate()
        time.sleep(0.02)
    workers[0].kill()
    output, errors = run.communicate(timeout=TIMEOUT)
    assert run.returncode == 0, errors
    assert workers[1].poll() is None
    assert "decoded    10 videos" in output
    assert set_bytes(shards) == set_bytes(tmp_path / "pool")


def test_of_a_group_that_fails_the_others_are_done(
    cluster: tuple[str, list["subprocess.Popen[bytes]"]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_engine, "GROUPS", 1)
    tasks = []
    for name in "abc":
        write_video(tmp_path / name / "video.mp4", scene(6))
        tasks.append(Task(name=name, job=job_line(tmp_path / name, tmp_path / "shards" / name)))
    tasks[1] = Task(name="b", job="{}")
    assert len(list(grouped(tasks))) == 1
    outcomes = {each.task.name: each.error for each in run_dask(tasks, cluster[0], 30.0, lambda *_: None)}
    assert outcomes.keys() == {"a", "b", "c"}
    assert outcomes["a"] is outcomes["c"] is None
    assert isinstance(outcomes["b"], RuntimeError)


def test_a_cluster_that_grows_and_shrinks_by_itself_does_all_videos(tmp_path: Path) -> None:
    """Nothing waits for workers that are not there yet, and groups of those that go are done elsewhere."""
    source, shards = tmp_path / "source", tmp_path / "shards"
    surveillance_set(source, training=9, testing=9, frames=6)
    script = (
        "import sys, time\n"
        "from distributed import LocalCluster\n"
        "if __name__ == '__main__':\n"
        "    address = {'host': '127.0.0.1', 'dashboard_address': None}\n"
        "    with LocalCluster(n_workers=0, threads_per_worker=1, **address) as cluster:\n"
        "        cluster.adapt(minimum=0, maximum=2, interval='200ms')\n"
        "        print(cluster.scheduler_address, flush=True)\n"
        "        sys.stdin.read()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    file = tmp_path / "cluster.py"
    file.write_text(script)
    with subprocess.Popen(
        [sys.executable, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as cluster:
        try:
            assert cluster.stdout is not None
            done = preprocess_command(tmp_path, cluster.stdout.readline().strip())
        finally:
            cluster.communicate()
    assert done.returncode == 0, done.stderr
    assert "18/18 videos, 108 frames" in done.stderr
    preprocess(PreprocessConfig(source=str(source), shards=str(tmp_path / "pool"), size=(16, 16)))
    assert set_bytes(shards) == set_bytes(tmp_path / "pool")


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


def test_a_scheduler_that_is_gone_is_an_error_of_one_line(
    cluster: tuple[str, list["subprocess.Popen[bytes]"]], tmp_path: Path
) -> None:
    address, (*_, scheduler) = cluster
    surveillance_set(tmp_path / "source", training=5, testing=5, frames=200)
    shards = tmp_path / "shards"
    command = [sys.executable, "cli.py", "preprocess", str(tmp_path / "source"), str(shards), "--size", "128"]
    with subprocess.Popen(
        [*command, "--engine", "dask", "--scheduler", address], stderr=subprocess.PIPE, text=True
    ) as run:
        while not list(shards.glob("parts/*.part.json")):
            assert run.poll() is None, run.communicate()
            time.sleep(0.02)
        scheduler.kill()
        _, errors = run.communicate(timeout=TIMEOUT)
    assert run.returncode == 1
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith(f"error: --scheduler {address}: gone while videos were")


def preprocess_command(folder: Path, address: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`preprocess` of `folder`/source on a cluster."""
    command = [sys.executable, "cli.py", "preprocess", str(folder / "source"), str(folder / "shards")]
    options = ["--size", "16", "--engine", "dask", "--scheduler", address]
    environment = {**os.environ, **environment}
    return subprocess.run(
        [*command, *options], env=environment, capture_output=True, text=True, timeout=TIMEOUT
    )


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make certificates with")
def test_a_cluster_over_tls_works_with_its_certificates_alone(tmp_path: Path) -> None:
    surveillance_set(tmp_path / "source", training=1, testing=1)
    own, foreign = certificate(tmp_path / "own"), certificate(tmp_path / "foreign")
    with running_cluster(tmp_path, 1, "tls", **own) as (address, _):
        assert address.startswith("tls://")
        for environment, message in [
            ({}, "found no certificates, expected ca-file, client.cert and client.key"),
            ({**own, f"{TLS}CA_FILE": "/nowhere"}, "cannot be read: No such file or directory"),
            (foreign, "no dask scheduler answers there: "),
            ({**foreign, f"{TLS}CA_FILE": own[f"{TLS}CA_FILE"]}, "no dask scheduler answers there: "),
        ]:
            refused = preprocess_command(tmp_path, address, **environment)
            assert refused.returncode == 2
            assert f"error: --scheduler {address}: " in refused.stderr
            assert message in refused.stderr
            assert "Traceback" not in refused.stderr
        done = preprocess_command(tmp_path, address, **own)
    assert done.returncode == 0, done.stderr
    assert "2/2 videos, 48 frames" in done.stderr


@pytest.mark.parametrize("address", ["foo://head:8786", "tcp://head:port"])
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(ConfigError, match="expected an address such as tcp://head:8786"):
        next(run_dask([], address, 30.0, lambda *_: None))


@given(sizes=st.lists(st.integers(0, GROUP_BYTES + 1) | st.just(0), max_size=300), repeats=st.integers(1, 3))
def test_small_videos_go_out_in_groups_and_none_is_lost(sizes: list[int], repeats: int) -> None:
    tasks = [Task(name=f"{number}", job="", size=size) for number, size in enumerate(repeats * sizes)]
    groups = list(grouped(tasks))
    most = max(1, min(GROUP_VIDEOS, len(tasks) // GROUPS))
    assert [task for group in groups for task in group] == tasks
    assert len(groups) >= min(len(tasks), GROUPS)
    for group in groups:
        assert 1 <= len(group) <= most
        assert len(group) == 1 or sum(task.size for task in group) <= GROUP_BYTES
    for before, after in itertools.pairwise(groups):
        assert len(before) == most or sum(task.size for task in (*before, after[0])) > GROUP_BYTES


def test_answers_are_json_text_and_one_process_does_all_videos(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_video(tmp_path / name / "video.mp4", scene(6))
    (tmp_path / "b" / "video.mp4").write_text("nothing")
    group = [Task(name=name, job=job_line(tmp_path / name, tmp_path / "shards")) for name in "aba"]
    idle = _idle(30.0)
    try:
        answer = _work(json.dumps([[task.name, task.job] for task in group]), 30.0)
        kept = idle.get_nowait()
        process = kept._process
        idle.put(kept)
        _work(json.dumps([["a", group[0].job]]), 30.0)
        assert kept._process is process is not None
        assert idle.qsize() == 1
    finally:
        while not idle.empty():
            idle.get().kill()
    assert type(answer) is str
    (first, none), (frames, error), last = _read(group, answer)
    assert (first, none) == last == (6, None)
    assert (frames, type(error)) == (0, SourceError)
    assert "video.mp4: found 7 bytes that are no video file" in str(error)


_OTHER = ["", "[]", "{}", '{"frames": 6}', '[{"frames": 6}, {"frames": 6}]', '[{"frames": null}]', "[6]"]


@pytest.mark.parametrize("answer", [None, ("SourceError", "text"), b"[]", *_OTHER, "[" * 100_000])
def test_another_answer_is_refused(answer: object) -> None:
    with pytest.raises(ConfigError, match=r"^a: a machine of the cluster answered .*same version"):
        _read([Task(name="a", job="")], answer)


def test_engine_and_scheduler_belong_together() -> None:
    choices: list[dict[str, Any]] = [{"engine": "dask"}, {"scheduler": "tcp://127.0.0.1:1"}]
    for options in choices:
        with pytest.raises(ConfigError, match="belong together"):
            PreprocessConfig(source="a", shards="b", **options)
