"""The lines of a run's `metrics.jsonl`, read one by one."""

import io
from collections.abc import Iterator
from typing import Any

from pipeline.runs.layout import METRICS
from shards.jsonfile import parse_json
from shards.storage import Storage

MOST_METRICS_BYTES = 256 << 20
"""The largest file in bytes: a million lines of 250, so ten million steps with a line for every tenth."""
_MOST_LINE = 64 << 10
"""Bytes of a line; it takes 250."""


def metrics_lines(run: Storage) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Each whole line and what it says, which tells a step at least; none if there is no such file.

    Half a line, of a process that was killed while it wrote, is passed over.

    Raises:
        StorageError: the file cannot be read, or is longer than that of any training.
    """
    data = run.read(METRICS, most=MOST_METRICS_BYTES) if run.exists(METRICS) else b""
    for line in io.BytesIO(data):  # not as a list, which takes up to 50 times as much
        if b'"step"' not in line:
            continue
        try:
            record = parse_json(line, METRICS, most=_MOST_LINE)
        except ValueError:
            continue
        if isinstance(record, dict) and "step" in record:
            yield line, record
