"""Whether decoded frames fit, where memory is kept that can be had."""

from pathlib import Path

import pytest
import torch

from shards import memory
from shards.errors import ShardError
from shards.memory import available_memory, check_room

GPU = torch.device("cuda", 0)


def test_memory_that_torch_keeps_of_a_gpu_is_free_for_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 700)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 200)
    check_room(600, "none", GPU)
    with pytest.raises(ShardError, match=r"frames do not fit on cuda:0"):
        check_room(601, "none", GPU)


@pytest.mark.parametrize(
    ("statistics", "expected"), [("file 900\ninactive_file 650\n", 750), ("file 900\n", 100), (None, 100)]
)
def test_files_that_a_container_has_read_take_no_room(
    statistics: str | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    if statistics is not None:
        (tmp_path / "memory.stat").write_text(statistics)
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    assert available_memory() == expected
