"""What tells the files of one work from those of any other."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What scores were computed from, and what else was written. Equal provenance, equal files.

    Attributes:
        code_version: of this program.
        checkpoint, checkpoint_sha256: the model.
        shards, manifest_sha256: the data.
        split, memory, alpha, threshold, distance, runtime, precision, batch_size: the options, resolved.
        processes: how many shared the work.
        report, maps: whether pictures and error maps were gathered beside the scores.
    """

    code_version: str
    checkpoint: str
    checkpoint_sha256: str
    shards: str
    manifest_sha256: str
    split: str
    memory: str
    alpha: float
    threshold: float
    distance: str
    runtime: str
    precision: str
    batch_size: int
    processes: int
    report: bool
    maps: bool

    def to_json(self) -> dict[str, Any]:
        """As it is written down."""
        return dataclasses.asdict(self)


def work_digest(provenance: Mapping[str, Any]) -> str:
    """What tells files of one work from those of any other: SHA-256 of its provenance as written down."""
    return hashlib.sha256(json.dumps(provenance, sort_keys=True).encode()).hexdigest()
