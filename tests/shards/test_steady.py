"""Files come out as they were written, whether the system writes past its cache or not."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards import steady
from shards.arena import Arena
from shards.errors import StorageError
from shards.records import record
from shards.steady import put
from shards.storage import Ending, Storage

BLOCK = 512
SHAPE = (3, 64, 48, 3)
OPEN, PWRITE, FSYNC = os.open, os.pwrite, os.fsync


def aligned(size: int, value: int) -> memoryview:
    """Bytes that start at a page of memory."""
    memory = np.full(size + 4096, value, np.uint8)
    start = -memory.ctypes.data % 4096
    return memory[start : start + size].data


def refuses_to_open(path: object, flags: int, *rest: int, **more: int) -> int:
    if flags & os.O_DIRECT:
        raise OSError(errno.EINVAL, "Invalid argument")
    return OPEN(path, flags, *rest, **more)  # type: ignore[arg-type]


def refuses_blocks(descriptor: int, data: memoryview, start: int) -> int:
    """Of a disk that wants blocks larger than 512 bytes."""
    if os.get_blocking(descriptor) and _is_direct(descriptor):
        raise OSError(errno.EINVAL, "Invalid argument")
    return PWRITE(descriptor, data, start)


def takes_little(descriptor: int, data: memoryview, start: int) -> int:
    """Of a disk that takes less than it is given, as the system may."""
    return PWRITE(descriptor, data[: max(BLOCK, len(data) // 3 // BLOCK * BLOCK)], start)


def _is_direct(descriptor: int) -> bool:
    flags = Path(f"/proc/self/fdinfo/{descriptor}").read_text().split("flags:")[1].split()[0]
    return bool(int(flags, 8) & os.O_DIRECT)


@contextlib.contextmanager
def system(kind: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steady, "STEP_BYTES", 1000)
        patch.setattr(steady, "LEAST_DIRECT", 2 * BLOCK)
        if kind == "has no such thing":
            patch.delattr(os, "O_DIRECT")
            patch.delattr(os, "posix_fadvise")
        elif kind == "refuses to open":
            patch.setattr(os, "open", refuses_to_open)
        elif kind == "refuses blocks":
            patch.setattr(os, "pwrite", refuses_blocks)
        elif kind == "takes little":
            patch.setattr(os, "pwrite", takes_little)
        yield


KINDS = ("as it is", "has no such thing", "refuses to open", "refuses blocks", "takes little")
PUTS = st.integers(1, 8).map(lambda blocks: ("put", blocks * BLOCK))
WRITES = st.integers(0, 40).map(lambda blocks: ("write", blocks * BLOCK))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(steps=st.lists(PUTS | WRITES, max_size=12), tail=st.integers(0, 2000), durable=st.booleans())
def test_any_writes_give_their_bytes(
    kind: str,
    steps: list[tuple[str, int]],
    tail: int,
    durable: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    storage = Storage(tmp_path_factory.mktemp("file"))
    expected = b""
    with system(kind), storage.writing("large.bin", durable=durable) as file:
        for number, (how, size) in enumerate((*steps, ("write", tail))):
            data = aligned(size, number + 1)
            expected += bytes(data)
            if how == "put":
                put(file, data)
            else:
                file.write(data)
    assert storage.read("large.bin", most=1 << 30) == expected
    assert storage.names() == ["large.bin"]


def test_a_large_aligned_piece_goes_past_the_page_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []

    def pwrite(descriptor: int, data: memoryview, start: int) -> int:
        sent.append((_is_direct(descriptor), start, len(data)))
        return PWRITE(descriptor, data, start)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with Storage(tmp_path).writing("large.bin") as file:
        put(file, aligned(steady.LEAST_DIRECT - BLOCK, 1))
        put(file, aligned(steady.LEAST_DIRECT, 2))
    assert sent == [(True, steady.LEAST_DIRECT - BLOCK, steady.LEAST_DIRECT)]


def test_the_disk_is_told_of_each_step_while_more_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steady, "STEP_BYTES", 1000)
    told = []

    def fadvise(descriptor: int, start: int, size: int, advice: int) -> None:
        told.append((os.fstat(descriptor).st_size, start, size, advice))

    monkeypatch.setattr(os, "posix_fadvise", fadvise)
    with Storage(tmp_path).writing("large.bin") as file:
        for _ in range(3):
            file.write(bytes(20_000))
    assert told == [(size, 0, 0, os.POSIX_FADV_DONTNEED) for size in (20_000, 40_000, 60_000)]


def test_what_is_put_may_change_after_the_next_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady, "LEAST_DIRECT", BLOCK)
    both = [aligned(64 * BLOCK, 0), aligned(64 * BLOCK, 0)]
    with Storage(tmp_path).writing("a") as file:
        for number in range(20):
            np.frombuffer(both[number % 2], np.uint8)[:] = number
            put(file, both[number % 2])
    assert Storage(tmp_path).read("a", most=1 << 30) == b"".join(
        bytes([number]) * 64 * BLOCK for number in range(20)
    )


@pytest.mark.parametrize("failing", ["pwrite", "fsync"])
@pytest.mark.parametrize("puts", [1, 3])
def test_a_disk_that_fails_fails_the_file(
    failing: str, puts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, failing, fail)
    expected = r"large\.bin: cannot be written: Input/output error; check the disk"
    with pytest.raises(StorageError, match=expected), Storage(tmp_path).writing("large.bin") as file:
        for _ in range(puts):
            put(file, aligned(steady.LEAST_DIRECT, 1))
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_the_disk_is_busy_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Storage(tmp_path).writing("large.bin") as file:
        put(file, aligned(steady.LEAST_DIRECT, 1))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_only_what_has_to_last_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").resolve())
        FSYNC(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    Storage(tmp_path).write("parts/a", b"a", durable=False)
    with Storage(tmp_path).writing("parts/b", lambda: Ending("parts/b", durable=False)) as file:
        file.write(b"b")
    assert synced == []
    Storage(tmp_path).write("a", b"a")
    assert [path.name[:5] for path in synced] == [".tmp-", tmp_path.name[:5]]
    synced.clear()
    with Storage(tmp_path).writing("c", lambda: Ending("c", durable=True, named=False)) as file:
        file.write(b"c")
    assert [path.name[:5] for path in synced] == [".tmp-"]
    Storage(tmp_path).sync_names()
    assert synced[1:] == [tmp_path]


def pieces(frames: np.ndarray, metadata: int) -> list[bytes | memoryview]:
    return record("k", {"json": [b"x" * metadata], "npy": [b"h" * 128, frames.reshape(-1).data]})


@given(count=st.integers(1, 3), metadata=st.integers(0, 5000))
def test_a_record_of_which_all_fits_around_its_frames_is_joined_there(count: int, metadata: int) -> None:
    arena = Arena(SHAPE)
    arena.frames[...] = np.arange(arena.frames.size).reshape(SHAPE) % 251
    made = pieces(arena.frames[:count], metadata)
    joined = arena.joined(made)
    assert (joined is not None) == (metadata <= 6 * BLOCK)  # with two headers that makes 8
    if joined is not None:
        there = np.frombuffer(joined, np.uint8)
        assert bytes(joined) == b"".join(made)
        assert (there.ctypes.data % BLOCK, len(there) % BLOCK) == (0, 0)
        assert np.shares_memory(there, arena.frames)


@pytest.mark.parametrize("other", [lambda frames: frames.copy(), lambda frames: frames[1:]])
def test_pixels_that_lie_elsewhere_are_not_joined(other: Callable[[np.ndarray], np.ndarray]) -> None:
    arena = Arena(SHAPE)
    assert arena.joined(pieces(other(arena.frames), 10)) is None
