"""How many virtual ranks a checkpoint records comes back, or the file is one clear error."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import CheckpointError
from pipeline.inspect.overview import overview
from pipeline.runs.header import FORMAT, VERSION, Header, read_header
from shards.storage import Storage

FILE = "best.safetensors"
SPEC = {"method": "pred", "window": 5, "items": 4, "height": 16, "width": 16}


def written(folder: Path, origin: dict[str, Any]) -> Header:
    """The header of a checkpoint without tensors."""
    fields = {"format": FORMAT, "version": VERSION, "spec": SPEC, "step": 3, "epoch": 1, "origin": origin}
    text = json.dumps({"__metadata__": {"mnad": json.dumps(fields)}}).encode()
    (folder / FILE).write_bytes(len(text).to_bytes(8, "little") + text)
    return read_header(Storage(folder), FILE, "x")


def test_a_checkpoint_says_for_how_many_virtual_ranks_its_run_is_planned(tmp_path: Path) -> None:
    assert written(tmp_path, {"virtual_ranks": 12}).virtual_ranks == 12
    (_, columns, (row,)), _ = overview(Storage(tmp_path / FILE))
    assert row[columns.index("virtual ranks")] == "12"


def test_a_checkpoint_of_before_says_nothing(tmp_path: Path) -> None:
    assert written(tmp_path, {}).virtual_ranks is None


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "4", [4], 1 << 21])
def test_what_is_no_number_of_virtual_ranks_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(
        CheckpointError, match=r"^x: found virtual_ranks .* expected a whole number from 1 to"
    ):
        written(tmp_path, {"virtual_ranks": value})
