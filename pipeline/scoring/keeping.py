"""Recordings that are scored are kept until a calibration is whole: one that is killed goes on.

`RUN/calibration/<digest>.npz` holds the trace of one recording; the digest is of the recording and all that
its scores depend on.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np

from pipeline.runs.arrays import read_arrays
from pipeline.runs.calibration import Belongings, Trace
from pipeline.version import code_version
from shards.storage import Storage

FOLDER = "calibration"
_NAME = re.compile(r"[0-9a-f]{64}\.npz")
_TYPES = {"seconds": "<f8", "values": "<f8", "restarts": "<i8", "key": "<U"}
"""The types of the arrays in a file, as numpy writes them."""
_MOST_BYTES = 4 << 30
"""The largest trace of one recording in bytes: a month at 25 frames per second takes that."""


class Keeper:
    """Keeps the traces of recordings in a run.

    Args:
        home: the run.
        belongs: what all scores depend on.
        of_version: whether they are of this version of the program alone; those of video that will not come
            again need not be, for a calibration belongs to no version either.
    """

    def __init__(self, home: Storage, belongs: Belongings, *, of_version: bool = True) -> None:
        self._home = home
        work = {**dataclasses.asdict(belongs), "code_version": code_version() if of_version else None}
        self._work = json.dumps(work, sort_keys=True)

    def load(self, identity: str, profile: str | None) -> Trace | None:
        """What a recording shows of a profile, if an earlier calibration left it; a damaged trace is none."""
        key = self._key(identity, profile)
        try:
            found = read_arrays(self._home.read(_path(key), most=_MOST_BYTES), _TYPES, _MOST_BYTES)
        except (FileNotFoundError, ValueError):
            return None
        seconds, values, restarts = found["seconds"], found["values"], found["restarts"]
        is_whole = (
            found["key"].tolist() == key
            and seconds.ndim == restarts.ndim == 1
            and values.ndim == 2
            and len(values) == len(seconds)
            and bool(np.isfinite(seconds).all() and (np.diff(seconds) > 0).all())
            and bool(np.isfinite(values).all())
        )
        if not is_whole:
            return None
        return Trace(seconds=seconds, values=values, restarts=restarts.tolist())

    def save(self, identity: str, profile: str | None, trace: Trace) -> None:
        """Keep what a recording shows of a profile."""
        key = self._key(identity, profile)
        buffer = io.BytesIO()
        np.savez(
            buffer,
            seconds=trace.seconds,
            values=trace.values,
            restarts=np.array(trace.restarts, np.int64),
            key=np.str_(key),
        )
        self._home.write(_path(key), buffer.getvalue())

    def drop(self, identity: str, profile: str | None) -> None:
        """Remove what a recording shows of a profile."""
        self._home.delete(_path(self._key(identity, profile)))

    def clear(self) -> None:
        """Remove all traces, those of earlier work, too."""
        for name in self._home.names(FOLDER):
            if _NAME.fullmatch(name):
                self._home.delete(f"{FOLDER}/{name}")
        self._home.clear_temporary(FOLDER)
        if self._home.is_local:
            with contextlib.suppress(OSError):  # not there, or something else in it
                Path(self._home.path(FOLDER)).rmdir()

    def _key(self, identity: str, profile: str | None) -> str:
        return hashlib.sha256(f"{self._work} {identity} {profile}".encode()).hexdigest()


def _path(key: str) -> str:
    return f"{FOLDER}/{key}.npz"
