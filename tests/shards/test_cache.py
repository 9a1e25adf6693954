"""The disk cache stays within its limit and never gives out what was not put in, whoever dies."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from shards.cache import DiskCache, default_cache
from shards.digests import digest_of
from shards.errors import ShardError
from shards.storage import TEMPORARY_PREFIX

RECORD = 1000


def key(word: str) -> str:
    return digest_of([word.encode()])


def put(cache: DiskCache, word: str, fill: int = 1) -> None:
    cache.put(key(word), [memoryview(bytes([fill]) * 400), memoryview(bytes([fill]) * (RECORD - 400))])


def get(cache: DiskCache, word: str, size: int = RECORD) -> bytes | None:
    buffer = bytearray(size)
    return bytes(buffer) if cache.read_into(key(word), [memoryview(buffer)]) else None


def held(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(TEMPORARY_PREFIX))


def test_what_was_put_in_is_given_out(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "new" / "folder", 100 * RECORD)
    assert get(cache, "a") is None
    put(cache, "a", 7)
    assert get(cache, "a") == bytes([7]) * RECORD
    assert get(DiskCache(tmp_path / "new" / "folder", 100 * RECORD), "a") == bytes([7]) * RECORD
    cache.drop(key("a"))
    cache.drop(key("a"))
    assert get(cache, "a") is None


def test_a_record_of_another_length_is_not_given_out(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 100 * RECORD)
    put(cache, "a")
    assert get(cache, "a", RECORD - 1) is None
    assert get(cache, "a", RECORD + 1) is None


def test_of_what_nobody_uses_any_more_that_used_longest_ago_goes_first(tmp_path: Path) -> None:
    earlier = DiskCache(tmp_path, 10 * RECORD)
    for number in range(9):
        put(earlier, f"{number}")
        os.utime(tmp_path / key(f"{number}"), ns=(1 + number, 1 + number))  # clocks may stand still for 4 ms
    cache = DiskCache(tmp_path, 10 * RECORD, since=time.time_ns())
    assert get(cache, "0") is not None
    put(cache, "9")
    assert held(tmp_path) == sorted(key(word) for word in "023456789")


def test_a_full_cache_of_what_is_in_use_takes_nothing_in(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 10 * RECORD)
    for number in range(20):
        put(cache, f"{number}")
    assert held(tmp_path) == sorted(key(f"{number}") for number in range(9))
    cache.drop(key("3"))
    put(cache, "20")
    assert get(cache, "20") is not None


@pytest.mark.parametrize(("part", "least"), [(1.0, 1.0), (0.5, 0.45), (0.25, 0.22)])
def test_a_cache_of_a_part_of_the_share_gives_nearly_that_part_of_the_reads(
    tmp_path: Path, part: float, least: float
) -> None:
    """Each epoch reads every record once, in an order of its own; of 1.0 the limit leaves room for all."""
    records = 200
    cache = DiskCache(tmp_path, int(records * RECORD * part) + (15 * RECORD if part == 1 else 0))
    rng = random.Random(0)
    hits = 0
    for epoch in range(4):
        for number in rng.sample(range(records), records):
            if get(cache, f"{number}") is None:
                put(cache, f"{number}")
            else:
                hits += epoch > 0
    assert least <= hits / (3 * records) <= part


def test_a_use_does_not_change_the_version(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 10 * RECORD)
    put(cache, "a")
    buffer = [memoryview(bytearray(RECORD))]
    first = cache.read_into(key("a"), buffer)
    time.sleep(0.01)
    assert cache.read_into(key("a"), buffer) == first is not None


def test_the_limit_holds_also_for_what_earlier_processes_left(tmp_path: Path) -> None:
    put(DiskCache(tmp_path, 100 * RECORD), "old")
    for number in range(30):
        put(DiskCache(tmp_path, 100 * RECORD), f"{number}")
    put(DiskCache(tmp_path, 10 * RECORD, since=time.time_ns()), "new")
    assert len(held(tmp_path)) <= 10
    assert key("new") in held(tmp_path)


def test_several_processes_stay_within_the_limit_together(tmp_path: Path) -> None:
    code = f"""
        import sys
        from pathlib import Path
        from shards.cache import DiskCache
        from shards.digests import digest_of
        cache = DiskCache(Path({str(tmp_path)!r}), {64 * RECORD})
        for number in range(150):
            word = f"{{number % 50}}" if number % 2 else f"{{sys.argv[1]}}-{{number}}"
            fill = len(word)
            key = digest_of([word.encode()])
            buffer = bytearray({RECORD})
            if cache.read_into(key, [memoryview(buffer)]):
                assert buffer == bytes([fill]) * {RECORD}, key
            else:
                cache.put(key, [memoryview(bytes([fill]) * {RECORD})])
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    processes = [subprocess.Popen([*command, f"{rank}"]) for rank in range(4)]
    largest = 0
    while any(process.poll() is None for process in processes):
        largest = max(largest, len(held(tmp_path)))
        time.sleep(0.005)
    assert [process.returncode for process in processes] == [0] * 4
    assert 8 < max(largest, len(held(tmp_path))) <= 64


def test_a_process_killed_while_it_writes_leaves_nothing_to_be_read(tmp_path: Path) -> None:
    code = f"""
        import os, signal
        from pathlib import Path
        from shards.cache import DiskCache
        class Buffers:
            uses = 0
            def __iter__(self):
                yield memoryview(bytes(500))
                self.uses += 1
                if self.uses == 4:  # to count the bytes, to write them; the same once more
                    os.kill(os.getpid(), signal.SIGKILL)
        cache, buffers = DiskCache(Path({str(tmp_path)!r}), {10 * RECORD}), Buffers()
        cache.put("a" * 64, buffers)
        cache.put("b" * 64, buffers)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert held(tmp_path) == ["a" * 64]
    (left,) = tmp_path.glob(f"{TEMPORARY_PREFIX}*")
    put(DiskCache(tmp_path, 10 * RECORD), "next")
    assert left.exists()  # somebody may still be writing it
    os.utime(left, (time.time() - 7200,) * 2)
    put(DiskCache(tmp_path, 10 * RECORD), "later")
    assert not left.exists()


def test_a_folder_that_cannot_be_written_is_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    cache = DiskCache(tmp_path / "file" / "folder", 10 * RECORD)
    put(cache, "a")
    assert get(cache, "a") is None
    assert "cannot keep shards here" in caplog.text


def test_records_larger_than_the_cache_are_not_kept(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", RECORD)
    put(cache, "a")
    assert not (tmp_path / "cache").exists()


def test_the_environment_names_folder_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNAD_CACHE_DIR", str(tmp_path / "here"))
    monkeypatch.setenv("MNAD_CACHE_GB", "0.001")
    put(default_cache(), "a")
    assert held(tmp_path / "here") == [key("a")]
    monkeypatch.delenv("MNAD_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    put(default_cache(), "a")
    assert held(tmp_path / "xdg" / "mnad" / "shards") == [key("a")]


@pytest.mark.parametrize("value", ["", "much", "-1", "nan", "inf"])
def test_a_size_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MNAD_CACHE_GB", value)
    with pytest.raises(ShardError, match=r"MNAD_CACHE_GB=.*not a number of gigabytes"):
        default_cache()


def test_folder_and_records_are_for_their_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        put(DiskCache(tmp_path / "new" / "folder", 10 * RECORD), "a")
    finally:
        os.umask(before)
    folder = tmp_path / "new" / "folder"
    modes = [path.stat().st_mode & 0o777 for path in (folder, folder / key("a"))]
    assert modes == [0o700, 0o600]


@pytest.mark.parametrize("kind", ["file", "digest-like", "folder", "link", "dangling", "temporary"])
def test_what_the_cache_did_not_write_is_never_removed(tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(bytes(20 * RECORD))
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    name = {"digest-like": "A" * 64, "temporary": f"{TEMPORARY_PREFIX}thesis.tex"}.get(kind, "thesis.tex")
    path = folder / (key("old") if kind in ("folder", "link", "dangling") else name)
    if kind == "folder":
        path.mkdir()
    elif kind in ("link", "dangling"):
        path.symlink_to(outside if kind == "link" else tmp_path / "nothing")
    else:
        path.write_bytes(bytes(20 * RECORD))
    if kind not in ("folder", "link", "dangling"):
        os.utime(path, (0, 0))
    for number in range(20):
        put(DiskCache(folder, 10 * RECORD), f"{number}")
    assert os.path.lexists(path)
    assert outside.stat().st_size == 20 * RECORD
    assert len([name for name in held(folder) if name != path.name]) <= 10


def test_a_record_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(RECORD))
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "cache" / key("a")).symlink_to(tmp_path / "secret")
    assert get(DiskCache(tmp_path / "cache", 10 * RECORD), "a") is None


@pytest.mark.parametrize("harm", ["link", "writable"])
def test_a_folder_that_others_can_write_is_refused(tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "cache"
    if harm == "link":
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    with pytest.raises(ShardError, match=r"cache: the cache of remote shards .* MNAD_CACHE_DIR") as caught:
        DiskCache(folder, 10 * RECORD)
    assert "\n" not in str(caught.value)
    DiskCache(folder, 0)  # keeps nothing, so it may lie anywhere


def test_a_key_is_a_digest(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        DiskCache(tmp_path, 10 * RECORD).put("../outside", [memoryview(b"x")])
