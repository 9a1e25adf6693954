"""The files of the table of scores, one part per process: which are there, and of what work.

Every part carries the metadata `mnad`: a JSON object with the provenance of its scores and its timing; and,
for an evaluation of a later version of the set, `mnad.works` and `mnad.memory`, see `Works`.
"""

import base64
import dataclasses
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ReportError
from pipeline.runs.provenance import Provenance
from shards.jsonfile import parse_json
from shards.storage import Storage

FOLDER = "scores"
AGAIN = "run evaluate again"
_KEY, _WORKS, _MEMORY = b"mnad", b"mnad.works", b"mnad.memory"
_MOST_MEMORY = 1 << 20
"""Bytes of a memory that is kept: 512 items; those of the paper take 20 kB."""
_MOST_WORKS = 256 << 20
"""Bytes of the works of a part: those of a million videos take 100 MB."""
MOST_PART_BYTES = 4 << 30
"""The largest part in a bucket, in bytes, which is held whole: 170 million rows of 24 bytes, 80 days at 25
frames/s."""
_PART = re.compile(r"part-\d{5,}-of-\d{5,}\.parquet")
"""Files that only an evaluation writes, and may remove."""
_POLL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long one process took.

    Attributes:
        frames: scored.
        seconds: from the first read of a shard to the last score.
        reused: videos whose scores an earlier evaluation had.
    """

    frames: int
    seconds: float
    reused: int = 0


@dataclass(frozen=True, kw_only=True)
class Works:
    """What the scores in a part are of, for a later evaluation that finds the same work to do.

    Attributes:
        of: by the name of each video, the digest of all that its scores depend on (`pipeline.scoring.works`).
        memory: (M, D) float32, the memory after its last video, where it is carried on; else None.
    """

    of: Mapping[str, str] = field(default_factory=dict)
    memory: np.ndarray | None = None


def part_name(rank: int, processes: int) -> str:
    """The file of one process's rows."""
    return f"{FOLDER}/part-{rank:05d}-of-{processes:05d}.parquet"


def part_names(out: Storage) -> list[str]:
    """The parts that are there, of whatever work."""
    return [f"{FOLDER}/{file}" for file in out.names(FOLDER) if _PART.fullmatch(file)]


def is_whole(out: Storage, rank: int, provenance: Provenance) -> bool:
    """Whether a process's part is there, from exactly this work."""
    name = part_name(rank, provenance.processes)
    return out.exists(name) and _header(out, name).get("provenance") == provenance.to_json()


def stale_parts(out: Storage, provenance: Provenance | None) -> list[str]:
    """The parts of any other work than what has this provenance; all, if None."""
    count = 0 if provenance is None else provenance.processes
    whole = {part_name(r, count) for r in range(count) if provenance and is_whole(out, r, provenance)}
    return [name for name in part_names(out) if name not in whole]


def wait_for_parts(out: Storage, provenance: Provenance) -> None:
    """Return when all parts are there.

    Processes meet here, not in a collective, which gives up after a time: one may have hours more to do.

    Raises:
        ReportError: a part is of another work.
    """
    for rank in range(provenance.processes):
        name = part_name(rank, provenance.processes)
        while not out.exists(name):
            time.sleep(_POLL_SECONDS)
        check_work(f"{out}/{name}", _header(out, name), provenance.to_json())


def read_timings(out: Storage, provenance: Provenance) -> list[Timing]:
    """How long each process took.

    Raises:
        ReportError: a part is of another work.
    """
    timings = []
    for rank in range(provenance.processes):
        name = part_name(rank, provenance.processes)
        header = _header(out, name)
        check_work(f"{out}/{name}", header, provenance.to_json())
        timings.append(Timing(**header["timing"]))
    return timings


def marked(schema: pa.Schema, provenance: Provenance, timing: Timing, works: Works) -> pa.Schema:
    """The schema of a part that says what its scores were computed from, and how long that took."""
    header = {"provenance": provenance.to_json(), "timing": dataclasses.asdict(timing)}
    metadata = {_KEY: json.dumps(header, sort_keys=True).encode()}
    if works.of:
        metadata[_WORKS] = json.dumps(works.of).encode()
    if works.memory is not None and works.memory.nbytes <= _MOST_MEMORY:
        data = base64.b64encode(works.memory.astype("<f4").tobytes()).decode()
        metadata[_MEMORY] = json.dumps({"items": len(works.memory), "data": data}).encode()
    return schema.with_metadata(metadata)


def works_in(schema: pa.Schema) -> Works:
    """What the scores in a part are of; of nothing, if it does not say so or is damaged."""
    metadata = schema.metadata or {}
    try:
        of = parse_json(metadata.get(_WORKS, b"{}"), "works", most=_MOST_WORKS)
        memory = _memory_in(metadata[_MEMORY]) if _MEMORY in metadata else None
    except (ValueError, KeyError, TypeError):
        return Works()
    if not isinstance(of, dict) or not all(isinstance(work, str) for work in of.values()):
        return Works()
    return Works(of=of, memory=memory)


def _memory_in(text: bytes) -> np.ndarray:
    record = parse_json(text, "memory", most=2 * _MOST_MEMORY)
    values = np.frombuffer(base64.b64decode(record["data"], validate=True), "<f4")
    memory = values.reshape(record["items"], -1).astype(np.float32)
    if not np.isfinite(memory).all():
        raise ValueError("found a memory that is not finite")
    return memory


def check_work(where: str, header: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Refuse a part whose header has another provenance than expected; `where` is the file.

    Raises:
        ReportError: naming the first field that differs.
    """
    found = header.get("provenance")
    if found == expected:
        return
    known = found if isinstance(found, dict) else {}
    field = next((name for name in expected if known.get(name) != expected[name]), "provenance")
    raise ReportError(
        f"{where}: scores of another evaluation (found {field} {known.get(field)!r}, expected "
        f"{expected.get(field)!r}); {AGAIN}, one at a time in a folder"
    )


def _header(out: Storage, name: str) -> dict[str, Any]:
    return header_of(schema_of(out, name))


def schema_of(out: Storage, name: str) -> pa.Schema:
    """The schema of a part, without columns and metadata if it is damaged."""
    try:
        with out.open(name, most=MOST_PART_BYTES) as file:
            return pq.read_schema(file)
    except (pa.ArrowException, OSError, ValueError):
        return pa.schema([])


def header_of(schema: pa.Schema) -> dict[str, Any]:
    """What a part says about itself; nothing if it is of something else."""
    try:
        header = parse_json((schema.metadata or {}).get(_KEY, b"{}"), "provenance")
    except ValueError:
        return {}
    return header if isinstance(header, dict) else {}
