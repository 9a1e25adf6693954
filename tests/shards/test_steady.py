"""Files come out as they were written, whether the system writes past its cache or not."""

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards import steady
from shards.errors import StorageError
from shards.steady import SteadyFile
from shards.storage import Storage

STEP = 4096
OPEN, PWRITE = os.open, os.pwrite


def without(path: Path) -> int | None:
    """Of a system that writes through its cache only."""
    return None


def picky(path: Path) -> int | None:
    """Of a system that opens the file, and then wants other steps: a descriptor that cannot be written to."""
    return os.open(path, os.O_RDONLY)


def refusing(descriptor: int, data: memoryview, start: int) -> int:
    try:
        return PWRITE(descriptor, data, start)
    except OSError as error:
        raise OSError(errno.EINVAL, "Invalid argument") from error


def kept(error: OSError) -> Exception:
    return error


@pytest.fixture(params=[None, without, picky], ids=["as it is", "cached", "picky"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady, "STEP_BYTES", STEP)
    if request.param is not None:
        monkeypatch.setattr(steady, "_direct", request.param)
    if request.param is picky:
        monkeypatch.setattr(os, "pwrite", refusing)


WRITES = st.integers(0, 3 * STEP).map(lambda size: ("write", size))
SEEKS = st.integers(0, 4 * STEP).map(lambda place: ("seek", place))
ENDS = st.just(("end", 0))
CUTS = st.integers(0, 4 * STEP).map(lambda size: ("truncate", size))


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(WRITES | WRITES | ENDS | SEEKS | CUTS, max_size=12))
@pytest.mark.usefixtures("system")
def test_any_writes_give_what_a_plain_file_gives(
    steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("file")
    with (
        SteadyFile(folder / "steady", kept) as raw,
        io.BufferedWriter(raw) as file,
        (folder / "plain").open("xb") as plain,
    ):
        for number, (kind, value) in enumerate(steps):
            for each in (file, plain):
                if kind == "write":
                    each.write(bytes([number + 1]) * value)
                elif kind == "seek":
                    each.seek(value)
                elif kind == "end":
                    each.seek(0, os.SEEK_END)
                else:
                    each.truncate(value)
            assert file.tell() == plain.tell()
        file.flush()
        raw.sync()
        plain.flush()
        assert (folder / "steady").read_bytes() == (folder / "plain").read_bytes()


@pytest.mark.usefixtures("system")
def test_steps_are_on_the_disk_while_more_is_written(tmp_path: Path) -> None:
    with SteadyFile(tmp_path / "file", kept) as file:
        for _ in range(10):
            file.write(b"x" * STEP)
        written = (tmp_path / "file").stat().st_size
        assert written >= 8 * STEP  # all but the two that may be under way
        assert file.tell() == 10 * STEP


@pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="this system has no O_DIRECT")
def test_steps_go_past_the_page_cache_where_the_system_can(tmp_path: Path) -> None:
    try:
        os.close(OPEN(tmp_path / "probe", os.O_WRONLY | os.O_CREAT | os.O_DIRECT))
    except OSError:
        pytest.skip("this disk is only written through the cache")
    with SteadyFile(tmp_path / "file", kept) as file:
        file.write(bytes(3 * steady.STEP_BYTES))
        assert file._direct is not None
        file.sync()
    assert (tmp_path / "file").read_bytes() == bytes(3 * steady.STEP_BYTES)


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
@pytest.mark.parametrize("system", [without], indirect=True, ids=["cached"])
@pytest.mark.usefixtures("system")
def test_a_disk_that_fails_while_more_is_written_fails_the_write(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, call, fail)
    expected = r"large\.bin: cannot be written: Input/output error; check the disk"
    with pytest.raises(StorageError, match=expected), Storage(tmp_path).writing("large.bin") as file:
        for _ in range(3):
            file.write(bytes(5 * STEP))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [lambda file: None, lambda file: file.write(b"")])
def test_an_empty_file_is_empty(tmp_path: Path, write: Callable[[SteadyFile], object]) -> None:
    with SteadyFile(tmp_path / "file", kept) as file:
        write(file)
        file.sync()
    assert (tmp_path / "file").read_bytes() == b""
