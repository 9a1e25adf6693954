"""What tells the files of one work from those of any other."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Preset = Literal["published", "robust"]
"""What the anomaly score of an evaluation is made of."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What scores were computed from, and what else was written. Equal provenance, equal files.

    Attributes:
        code_version: of this program.
        checkpoint, checkpoint_sha256: the model.
        shards, manifest_sha256: the data.
        split, memory, alpha, threshold, distance, runtime, precision, batch_size: the options, resolved.
        preset: of the anomaly score, an option that evaluations of before did not have.
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
    preset: Preset = "published"

    def to_json(self) -> dict[str, Any]:
        """As it is written down: as before there were presets, where it is the published one."""
        written = dataclasses.asdict(self)
        if self.preset == "published":
            del written["preset"]
        return written


def work_digest(provenance: Mapping[str, Any]) -> str:
    """What tells files of one work from those of any other: SHA-256 of its provenance as written down."""
    return hashlib.sha256(json.dumps(provenance, sort_keys=True).encode()).hexdigest()
