"""A name is there only when it is whole, and credentials are never shown."""

import errno
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from shards.errors import ShardError, StorageError, TooLargeError
from shards.storage import TEMPORARY_PREFIX, Storage, storage_of

SECRET = "wJalrXUtnFEMI/K7MDENG"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "new" / "folder")
    storage.write("deep/name", b"content")
    assert storage.read("deep/name", most=1 << 30) == b"content"
    assert (storage.size("deep/name"), storage.exists("deep/name")) == (7, True)
    assert (storage.names("deep"), storage.names()) == (["name"], [])
    with storage.open("deep/name", most=1 << 30) as file:
        file.seek(2)
        assert file.read(3) == b"nte"
    storage.delete("deep/name")
    storage.delete("deep/name")
    assert not storage.exists("deep/name")


def test_missing_names_are_told_apart(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    for action in (partial(storage.read, most=9), storage.size, partial(storage.open, most=9)):
        with pytest.raises(FileNotFoundError):
            action("nothing")
    assert storage.names("nothing") == []


def test_a_file_of_too_many_bytes_is_refused_whatever_it_says_of_its_size(tmp_path: Path) -> None:
    (tmp_path / "name").write_bytes(b"content")
    assert Storage(tmp_path).read("name", most=7) == b"content"
    with pytest.raises(TooLargeError, match=r"/name: found 7 bytes, expected at most 6; give another file"):
        Storage(tmp_path).read("name", most=6)
    system = Storage("/proc/self")  # whose files have 0 bytes for whoever asks
    assert system.read("cmdline", most=1 << 20) == Path("/proc/self/cmdline").read_bytes()
    with pytest.raises(TooLargeError, match=r"/cmdline: found \d+ bytes, expected at most 3"):
        system.read("cmdline", most=3)


def test_a_copy_is_of_the_same_bytes_and_of_no_more_than_allowed(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write("name", b"content")
    storage.copy("name", "deep/other", most=7)
    assert storage.read("deep/other", most=7) == b"content"
    with pytest.raises(TooLargeError, match=r"/name: found 7 bytes, expected at most 6"):
        storage.copy("name", "third", most=6)
    assert not storage.exists("third")


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_what_is_no_file_is_not_opened(kind: str, tmp_path: Path) -> None:
    (os.mkfifo if kind == "pipe" else os.mkdir)(tmp_path / "name")
    with pytest.raises(StorageError, match=r"/name: cannot be read: (Not a regular file|Is a directory)"):
        Storage(tmp_path).open("name", most=9)


def test_a_range_is_read_into_several_buffers(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(100)))
    parts = [bytearray(3), bytearray(0), bytearray(5), bytearray(4)]
    storage = Storage(tmp_path)
    filled, version = storage.read_into("file", 10, [memoryview(part) for part in parts])
    assert (filled, b"".join(parts)) == (12, bytes(range(10, 22)))
    assert storage.read_into("file", 95, [memoryview(bytearray(12))]) == (5, version)
    (tmp_path / "file").write_bytes(bytes(100))
    os.utime(tmp_path / "file", ns=(1, 1))  # the clock of a file system may stand still for 4 ms
    assert storage.read_into("file", 0, [memoryview(parts[0])])[1] != version


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write("name", b"before")
    with pytest.raises(RuntimeError), storage.writing("name") as file:
        file.write(b"after")
        raise RuntimeError
    assert storage.read("name", most=1 << 30) == b"before"
    assert list(tmp_path.iterdir()) == [tmp_path / "name"]


def test_a_write_is_invisible_until_it_is_whole(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    with storage.writing("name") as file:
        file.write(b"half")
        assert not storage.exists("name")
        assert storage.names() == []
    assert storage.names() == ["name"]


def test_a_writer_that_is_killed_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    code = f"""
        import os, signal
        from shards.storage import Storage
        with Storage({str(tmp_path)!r}).writing("name") as file:
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    storage = Storage(tmp_path)
    assert storage.names() == []
    assert [path.name[:5] for path in tmp_path.iterdir()] == [TEMPORARY_PREFIX]
    storage.clear_temporary()
    assert list(tmp_path.iterdir()) == []


def test_files_get_the_permissions_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        Storage(tmp_path).write("name", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "name").stat().st_mode & 0o777 == 0o640


def test_file_uris_are_local_folders(tmp_path: Path) -> None:
    for end in ("", "/"):
        Storage(f"file://{tmp_path}{end}").write(f"name{end and 2}", b"1")
    assert Storage(f"{tmp_path}/").names() == ["name", "name2"]


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        (f"s3://AKIAEXAMPLE:{SECRET}@bucket/set?region=here", "s3://bucket/set"),
        ("s3://AKIAEXAMPLE:plainsecret@bucket/a@b?region=here", "s3://b"),
        ("s3://bucket/a@b?region=here", "s3://bucket/a@b"),
        (f"https://user:{SECRET.replace('/', '%2F')}@host:81/set/", "https://host:81/set"),
        ("https://host:81/a@b?signature=0123456789abcdef", "https://host:81/a@b"),
    ],
)
def test_credentials_are_not_shown(location: str, shown: str) -> None:
    try:
        text = str(Storage(location))
    except ShardError as error:
        text = str(error)
        assert shown in text
    else:
        assert text == shown
    assert not any(part in text for part in (SECRET, "MDENG", "AKIAEXAMPLE", "plainsecret", "0123456789"))


@pytest.mark.parametrize(
    "location", ["ftp://host/x", f"s3://AKIAEXAMPLE:{SECRET}@", "http://", "s3://bad host/"]
)
def test_what_is_no_location_is_refused_in_one_line(location: str) -> None:
    with pytest.raises(ShardError, match="not a storage location") as caught:
        Storage(location)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_web_servers_are_read_only() -> None:
    storage = Storage("https://localhost/set")
    actions: list[Callable[[], object]] = [lambda: storage.write("x", b""), lambda: storage.delete("x")]
    for action in actions:
        with pytest.raises(ShardError, match="read-only"):
            action()
    with pytest.raises(ShardError, match="does not list"):
        storage.names()


@pytest.mark.parametrize("name", [b"caf\xe9", b"\x1b]52;c;AAAA\x07"])
def test_any_name_of_a_folder_is_a_location(tmp_path: Path, name: bytes) -> None:
    storage = Storage(tmp_path / os.fsdecode(name))
    storage.write("deep/name", b"content")
    assert (storage.read("deep/name", most=1 << 30), storage.size("deep/name")) == (b"content", 7)
    assert (storage.names("deep"), [found for found, _, _ in storage.walk()]) == (["name"], ["deep/name"])
    with storage.open("deep/name", most=1 << 30) as file:
        assert file.read() == b"content"
    storage.clear_temporary("deep")
    storage.delete("deep/name")
    assert not storage.exists("deep/name")
    str(storage).encode()  # what is written down of it is Unicode


def test_a_folder_below_a_file_holds_nothing_and_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    storage = Storage(tmp_path / "file")
    assert (storage.exists("name"), storage.names(), list(storage.walk())) == (False, [], [])
    with pytest.raises(FileNotFoundError):
        storage.read("name", most=1 << 30)
    with pytest.raises(StorageError, match=r"file/name: cannot be written: File exists"):
        storage.write("name", b"")


def test_files_that_the_system_keeps_from_us_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(tmp_path)
    storage.write("name", b"1")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/internal/path")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        patch.setattr(type(tmp_path), "unlink", refuse)
        patch.setattr(type(tmp_path), "mkdir", refuse)
        for action, verb in (
            (lambda: storage.read("name", most=1 << 30), "read"),
            (lambda: storage.delete("name"), "written"),
            (lambda: storage.write("other", b""), "written"),
        ):
            with pytest.raises(StorageError) as caught:
                action()
            line = str(caught.value)
            assert line.startswith(f"{tmp_path}/")
            assert line.endswith(f": cannot be {verb}: Permission denied; allow it, or choose another place")


def test_a_full_disk_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(StorageError, match=r"name: cannot be written: File too large; make room"):
            Storage(tmp_path).write("name", bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_zero_byte_is_in_no_location() -> None:
    with pytest.raises(ShardError, match="found a zero byte"):
        Storage("a\0b")


@pytest.mark.parametrize(
    ("location", "folder", "name"),
    [
        ("runs/a/best.safetensors", "runs/a", "best.safetensors"),
        ("page.html", ".", "page.html"),
        ("/page.html", "/", "page.html"),
        ("s3://user:secret@bucket/runs/page.html?region=x", "s3://bucket/runs", "page.html"),
        ("https://host/a/b.safetensors", "https://host/a", "b.safetensors"),
    ],
)
def test_a_file_is_told_from_its_folder(location: str, folder: str, name: str) -> None:
    storage, found = storage_of(location)
    assert (str(storage), found) == (folder, name)
