"""Shards of a real web server and a real object store stream as local ones do, also when these stumble."""

import functools
import http.server
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import torch
from pyarrow import fs as pafs

import shards.bucket
import shards.http
import shards.retry
from shards.cache import DiskCache
from shards.errors import CorruptShardError, ShardError, StorageError
from shards.manifest import load_manifest
from shards.plan import epoch_plan
from shards.storage import Storage
from shards.stream import TrainingStream, evaluation_batches
from tests.helpers.servers import KEY, SECRET, Faults, counting_proxy, faulty_proxy, nginx, seaweedfs
from tests.helpers.shards import exchange_frames, make_set, pack_set, random_frames, set_bytes

CPU = torch.device("cpu")
VIDEOS = [random_frames(n, (32, 32), seed=n) for n in (70, 40, 9)]
PASSWORD = quote(SECRET, safe="")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set in `root/set`."""
    root = tmp_path_factory.mktemp("root")
    make_set(root / "set", {"training": VIDEOS, "testing": VIDEOS})
    return root


@pytest.fixture(scope="module")
def web(local: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a web server over `local`."""
    with nginx(local, tmp_path_factory.mktemp("nginx")) as port:
        yield port


@pytest.fixture(scope="module")
def store(local: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an object store that has `local` in the bucket `bucket`."""
    with seaweedfs(tmp_path_factory.mktemp("weed")) as port:
        bucket, _ = pafs.FileSystem.from_uri(s3("bucket", port))
        bucket.create_dir("bucket")
        copy = Storage(s3("bucket/set", port))
        for name, content in set_bytes(local / "set").items():
            copy.write(name, content)
        yield port


def s3(path: str, port: int, key: str = KEY, password: str = PASSWORD) -> str:
    query = f"endpoint_override=127.0.0.1:{port}&scheme=http&region=us-east-1&allow_bucket_creation=true"
    return f"s3://{key}:{password}@{path}?{query}"


@pytest.fixture(params=["http", "s3"])
def remote(request: pytest.FixtureRequest) -> Iterator[tuple[str, Faults]]:
    """The location of the set on either server behind a proxy, and the proxy's faults."""
    port = request.getfixturevalue("web" if request.param == "http" else "store")
    with faulty_proxy(port) as (proxied, faults):
        location = f"http://127.0.0.1:{proxied}/set" if request.param == "http" else s3("bucket/set", proxied)
        yield location, faults


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Short pauses, and a cache of the test's own."""
    monkeypatch.setattr(shards.retry, "PAUSES", (0.01,) * 5)
    monkeypatch.setattr(shards.http, "SILENCE_SECONDS", 0.5)
    monkeypatch.setenv("MNAD_CACHE_DIR", str(tmp_path / "cache"))


def epoch(location: str | Path, epoch: int = 0, pool: int = 64, **options: Any) -> torch.Tensor:
    """All batches of an epoch."""
    storage = Storage(location)
    stream = TrainingStream(storage, load_manifest(storage), "training", window=5, device=CPU, **options)
    plan = epoch_plan(stream.windows, seed=0, epoch=epoch, rank=0, world=1, batch=4, pool=pool)
    return torch.stack(list(stream.batches(plan)))


def test_remote_shards_give_the_same_batches(remote: tuple[str, Faults], local: Path) -> None:
    assert torch.equal(epoch(remote[0]), epoch(local / "set"))


def test_remote_shards_are_evaluated_the_same(remote: tuple[str, Faults], local: Path) -> None:
    scored = []
    for location in (remote[0], local / "set"):
        storage = Storage(location)
        parts = evaluation_batches(storage, load_manifest(storage), "testing", window=5, batch=8, device=CPU)
        scored.append(torch.cat([part.windows for part in parts]))
    assert torch.equal(*scored)


def windows_of(location: str) -> torch.Tensor:
    """All test windows, as an evaluation gets them."""
    storage = Storage(location)
    parts = evaluation_batches(storage, load_manifest(storage), "testing", window=5, batch=8, device=CPU)
    return torch.cat([part.windows for part in parts])


@pytest.fixture
def packed(web: int, local: Path) -> Iterator[str]:
    """Where the web server has the set with videos that share shards."""
    shutil.copytree(local / "set", local / "packed")
    pack_set(local / "packed")
    yield f"http://127.0.0.1:{web}/packed"
    shutil.rmtree(local / "packed")


def test_an_evaluation_fetches_neighbours_in_one_request(packed: str, web: int, local: Path) -> None:
    with counting_proxy(web) as (port, requests):
        found = windows_of(packed.replace(str(web), str(port)))
        assert sum(".tar" in request for request in requests) == 1
        requests.clear()
        again = windows_of(packed.replace(str(web), str(port)))
        assert not any(".tar" in request for request in requests)
    assert torch.equal(found, again)
    assert torch.equal(found, windows_of(str(local / "set")))


@pytest.mark.parametrize("lost", [(), (1,), (0, 2), (2, 3, 4)])
def test_what_the_cache_has_lost_or_damaged_of_a_run_is_fetched_again(
    packed: str, local: Path, tmp_path: Path, lost: tuple[int, ...]
) -> None:
    windows_of(packed)
    records = sorted((tmp_path / "cache").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for number in lost:
        records[number].unlink()
    records[5].write_bytes(records[5].read_bytes()[:-1] + b"\1")
    assert torch.equal(windows_of(packed), windows_of(str(local / "set")))


def test_a_record_of_a_run_that_stays_damaged_is_named(packed: str, local: Path) -> None:
    victim = next((local / "packed").glob("testing-shared-*.tar"))
    (video,) = load_manifest(Storage(local / "packed")).split("testing")[1:2]
    segment = video.shards[0].segments[0]
    data = bytearray(victim.read_bytes())
    data[segment.offset + segment.size // 2] ^= 1
    victim.write_bytes(data)
    with pytest.raises(
        CorruptShardError, match=rf"{victim.name}: segment {segment.key}: found bytes of digest"
    ):
        windows_of(packed)
    victim.write_bytes(data[: segment.offset + 700])
    with pytest.raises(CorruptShardError, match=f"{segment.key}: found 700 bytes .* the shard is truncated"):
        windows_of(packed)
    victim.unlink()
    with pytest.raises(ShardError, match="not found, though the manifest lists it"):
        windows_of(packed)


@pytest.mark.parametrize("kind", ["resets", "truncations", "stalls", "unavailable", "drips"])
def test_faults_of_the_network_are_overcome(
    remote: tuple[str, Faults], local: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    location, faults = remote
    if kind == "drips":  # the S3 client of Arrow waits for an answer as long as it goes on at all
        monkeypatch.setattr(shards.bucket, "SILENCE_SECONDS", 1.0)
    storage = Storage(location)
    stream = TrainingStream(storage, load_manifest(storage), "training", window=5, device=CPU)
    plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4)
    setattr(faults, kind, 2)
    faults.after = 20_000
    assert torch.equal(torch.stack(list(stream.batches(plan))), epoch(local / "set"))
    assert getattr(faults, kind) == 0


@pytest.mark.slow  # the S3 client of arrow tries several times more, with pauses of its own
def test_a_server_that_stays_down_ends_in_one_clear_line(
    remote: tuple[str, Faults], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards.retry, "PAUSES", (0.01,))
    location, faults = remote
    storage = Storage(location)
    stream = TrainingStream(storage, load_manifest(storage), "training", window=5, device=CPU)
    plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4)
    faults.unavailable = 10_000
    with pytest.raises(StorageError, match=r"\.tar: failed 2 times, the last time with: .*503") as caught:
        list(stream.batches(plan))
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_later_epochs_come_from_the_disk(remote: tuple[str, Faults], local: Path) -> None:
    location, faults = remote
    storage = Storage(location)
    stream = TrainingStream(storage, load_manifest(storage), "training", window=5, device=CPU)
    for number in range(3):
        plan = epoch_plan(stream.windows, seed=0, epoch=number, rank=0, world=1, batch=4, pool=1)
        assert torch.equal(torch.stack(list(stream.batches(plan))), epoch(local / "set", number, 1))
        if number == 0:
            before = faults.requests
    assert faults.requests == before


def test_another_process_finds_what_the_first_has_fetched(remote: tuple[str, Faults], local: Path) -> None:
    location, faults = remote
    epoch(location)
    storage = Storage(location)
    manifest = load_manifest(storage)
    faults.unavailable = 10_000
    stream = TrainingStream(storage, manifest, "training", window=5, device=CPU)
    plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4)
    assert torch.equal(torch.stack(list(stream.batches(plan))), epoch(local / "set"))


def test_damage_in_the_disk_cache_is_found_and_mended(
    remote: tuple[str, Faults], local: Path, tmp_path: Path
) -> None:
    wanted = epoch(local / "set")
    epoch(remote[0])
    for path in (tmp_path / "cache").iterdir():
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    assert torch.equal(epoch(remote[0]), wanted)
    shutil.rmtree(tmp_path / "cache")
    assert torch.equal(epoch(remote[0]), wanted)


def test_no_disk_cache_is_needed(remote: tuple[str, Faults], local: Path, tmp_path: Path) -> None:
    assert torch.equal(epoch(remote[0], disk_cache=DiskCache(tmp_path / "off", 0)), epoch(local / "set"))
    assert not (tmp_path / "off").exists()


def test_a_shard_that_changes_under_a_running_job_is_an_error(web: int, local: Path, tmp_path: Path) -> None:
    shutil.copytree(local / "set", local / "changing")
    try:
        storage = Storage(f"http://127.0.0.1:{web}/changing")
        off = DiskCache(tmp_path / "off", 0)
        manifest = load_manifest(storage)
        stream = TrainingStream(storage, manifest, "training", window=5, device=CPU, disk_cache=off)
        plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4, pool=1)
        assert len(list(stream.batches(plan))) == plan.steps
        exchange_frames(local / "changing", tmp_path / "other")
        with pytest.raises(CorruptShardError, match=r"\.tar: segment .*damaged or replaced"):
            list(stream.batches(plan))
    finally:
        shutil.rmtree(local / "changing")


def test_a_missing_shard_and_a_missing_set_are_named(web: int, local: Path) -> None:
    storage = Storage(f"http://127.0.0.1:{web}/set")
    manifest = load_manifest(storage)
    elsewhere = Storage(f"http://127.0.0.1:{web}")
    stream = TrainingStream(elsewhere, manifest, "training", window=5, device=CPU)
    plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4)
    with pytest.raises(ShardError, match=r"\.tar: not found, though the manifest lists it"):
        list(stream.batches(plan))
    with pytest.raises(ShardError, match=r"manifest\.json: not found"):
        load_manifest(elsewhere)


def test_what_the_server_denies_is_not_tried_again(web: int, store: int) -> None:
    with pytest.raises(StorageError, match=r"/denied/manifest\.json: access denied \(HTTP status 403\)"):
        load_manifest(Storage(f"http://127.0.0.1:{web}/denied"))
    with pytest.raises(StorageError, match="check the location and credentials") as caught:
        load_manifest(Storage(s3("bucket/set", store, password="not-the-password")))
    assert "not-the-password" not in str(caught.value)


@pytest.mark.parametrize(
    "action",
    [
        lambda storage: storage.names(),
        lambda storage: storage.size("manifest.json"),
        lambda storage: storage.read("manifest.json", most=1 << 20),
        lambda storage: storage.write("name", b"data"),
    ],
    ids=["list", "size", "read", "write"],
)
def test_a_wrong_secret_is_refused_at_the_first_answer(
    store: int, action: Callable[[Storage], object]
) -> None:
    with counting_proxy(store) as (proxied, requests):
        with pytest.raises(StorageError, match="check the location and credentials") as caught:
            action(Storage(s3("bucket/set", proxied, password="not-the-password")))
        assert len(requests) == 1
    assert "not-the-password" not in str(caught.value)


def test_a_password_opens_a_web_server(web: int, local: Path) -> None:
    with pytest.raises(StorageError, match="HTTP status 401"):
        load_manifest(Storage(f"http://127.0.0.1:{web}/private/set"))
    location = f"http://{KEY}:{PASSWORD}@127.0.0.1:{web}/private/set"
    assert torch.equal(epoch(location), epoch(local / "set"))


def test_a_web_server_without_ranges_is_refused(local: Path) -> None:
    handler = functools.partial(_Silent, directory=local)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with pytest.raises(StorageError, match="does not serve ranges of bytes"):
                epoch(f"http://127.0.0.1:{server.server_port}/set")
        finally:
            server.shutdown()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_an_upload_is_invisible_until_it_is_whole(store: int) -> None:
    storage = Storage(s3("bucket/uploads/", store))
    data = bytes(range(256)) * 80_000  # several parts
    with storage.writing("name") as file:
        file.write(data)
        assert not storage.exists("name")
    assert storage.read("name", most=1 << 30) == data
    with pytest.raises(RuntimeError), storage.writing("name") as file:
        file.write(b"half")
        raise RuntimeError
    assert storage.read("name", most=1 << 30) == data
    assert (storage.names(), storage.size("name")) == (["name"], len(data))
    assert [name for name, _, _ in storage.walk()] == ["name"]
    storage.delete("name")
    storage.delete("name")
    assert not storage.exists("name")


def test_a_process_killed_while_it_uploads_leaves_nothing(store: int) -> None:
    code = f"""
        import os, signal
        from shards.storage import Storage
        class Killing:
            parts = [bytes(8 << 20)] * 2
            def seek(self, _):
                pass
            def read(self, _):
                return self.parts.pop() if self.parts else os.kill(os.getpid(), signal.SIGKILL)
        Storage({s3("bucket/killed", store)!r})._upload(Killing(), "name")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    storage = Storage(s3("bucket/killed", store))
    assert not storage.exists("name")
    assert storage.names() == []


@pytest.mark.parametrize("parts", [0, 2], ids=["before the first part", "between parts"])
def test_an_upload_that_is_interrupted_leaves_what_was_there(store: int, parts: int) -> None:
    code = f"""
        import os, signal
        from shards.storage import Storage
        class Interrupting:
            parts = [bytes(8 << 20)] * {parts}
            def seek(self, _):
                pass
            def read(self, _):
                return self.parts.pop() if self.parts else os.kill(os.getpid(), signal.SIGINT) or bytes(9)
        Storage({s3("bucket/stopped", store)!r})._upload(Interrupting(), "name")
    """
    storage = Storage(s3("bucket/stopped", store))
    storage.write("name", b"as it was")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], check=False, capture_output=True, text=True
    )
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    assert storage.read("name", most=1 << 20) == b"as it was"  # also once the process has ended


def test_faults_are_counted_down() -> None:
    faults = Faults(resets=1)
    assert [faults.take("resets"), faults.take("resets")] == [True, False]
