"""Files that are written at the disk's pace, and do not fill the page cache."""

import contextlib
import errno
import io
import mmap
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

STEP_BYTES = 4 << 20
"""What goes to the disk at once: a whole number of pages, as its driver asks for."""


class SteadyFile(io.FileIO):
    """A new file, written from front to back, whose bytes go to the disk while more are written.

    Left to itself the kernel takes a fresh page of memory for everything written, and the sync at the end
    waits for all of it. Here bytes are gathered in two steps by turns, and each that is full goes to the disk
    past the page cache. 220 KB (a colour frame of 256x256) took 0.036 ms of CPU time so, 0.105 through the
    cache, synced and dropped step by step, and 0.46 without that on a virtual machine that gives free memory
    back to its host. And a set of terabytes does not drive out what others keep in the cache.

    Where the file system does not write past its cache, each step is synced and dropped. Whoever goes back in
    the file, as writers of MP4 do, goes on without steps.

    Args:
        path: where.
        refused: makes of a system's error the one that `write` and `sync` raise.
    """

    def __init__(self, path: Path, refused: Callable[[OSError], Exception]) -> None:
        super().__init__(path, "x")
        self._path, self._refused = path, refused
        self._steps: tuple[mmap.mmap, ...] = ()
        self._start = self._held = 0  # of the step that is gathered: its place, and bytes in it
        self._is_steady = True
        self._direct: int | None = None
        self._pending: Future[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="disk")

    def write(self, data: Any) -> int:
        """Write; waits for the disk when it is two steps behind."""
        with self._in_words():
            return self._gather(memoryview(data).cast("B")) if self._is_steady else super().write(data)

    def _gather(self, data: memoryview) -> int:
        if not self._steps:
            self._steps = tuple(mmap.mmap(-1, STEP_BYTES) for _ in range(2))
            self._direct = _direct(self._path)
        left = data
        while left:
            count = min(len(left), STEP_BYTES - self._held)
            memoryview(self._steps[0])[self._held : self._held + count] = left[:count]
            self._held += count
            left = left[count:]
            if self._held == STEP_BYTES:
                self._wait()
                self._pending = self._thread.submit(self._put, self._steps[0], self._start)
                self._steps = self._steps[::-1]
                self._start, self._held = self._start + STEP_BYTES, 0
        return len(data)

    def tell(self) -> int:
        """Where the next byte goes."""
        return self._start + self._held if self._is_steady else super().tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere, which ends the steps unless it is where the file ends."""
        here = self.tell()
        if self._is_steady and offset == (here if whence == os.SEEK_SET else 0):
            return here
        self._end_steps()
        return super().seek(offset, whence)

    def truncate(self, size: int | None = None) -> int:
        """Cut, or make longer."""
        self._end_steps()
        return super().truncate(size)

    def sync(self) -> None:
        """Have everything on the disk."""
        with self._in_words():
            self._settle()
            os.fsync(self.fileno())

    def close(self) -> None:
        """Close, after what the disk is still busy with; what was not synced may be lost."""
        if not self.closed:
            self._thread.shutdown(wait=True)
            if self._direct is not None:
                os.close(self._direct)
        super().close()

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._refused(error) from error

    def _end_steps(self) -> None:
        with self._in_words():
            if self._is_steady:
                self._settle()
                super().seek(self.tell())
                self._is_steady = False

    def _settle(self) -> None:
        """Write what was gathered since the last step."""
        self._wait()
        if self._is_steady and self._held:
            _write(self.fileno(), memoryview(self._steps[0])[: self._held], self._start)

    def _wait(self) -> None:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def _put(self, step: mmap.mmap, start: int) -> None:
        """Bring a step to the disk; in a thread of its own."""
        if self._direct is not None:
            try:
                _write(self._direct, memoryview(step), start)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                os.close(self._direct)  # it wants other steps than these
                self._direct = None
            else:
                return
        _write(self.fileno(), memoryview(step), start)
        # Not every system has these; the sync when the file is done is what counts there.
        if hasattr(os, "fdatasync") and hasattr(os, "posix_fadvise"):
            os.fdatasync(self.fileno())
            os.posix_fadvise(self.fileno(), start, STEP_BYTES, os.POSIX_FADV_DONTNEED)


def _direct(path: Path) -> int | None:
    """A descriptor that writes past the page cache; None where there is no such thing."""
    if not hasattr(os, "O_DIRECT"):
        return None
    try:
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_DIRECT)
    except OSError:
        return None


def _write(descriptor: int, data: memoryview, start: int) -> None:
    """Write all of `data` at `start`."""
    while data:
        count = os.pwrite(descriptor, data, start)
        data, start = data[count:], start + count
