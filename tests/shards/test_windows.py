"""Windows over frames from anywhere: the same however they arrive, at once, and in constant memory."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from shards.entries import Geometry
from shards.windows import normalise, sliding_windows
from tests.helpers.commands import TIMEOUT


def run(count: int) -> Tensor:
    """Frames uint8 (count, 2, 3, 1), all different."""
    return (torch.arange(count * 6) % 251).to(torch.uint8).view(count, 2, 3, 1)


@given(
    pieces=st.lists(st.integers(0, 9), max_size=12),
    window=st.integers(1, 6),
    batch=st.integers(1, 7),
)
def test_windows_are_the_same_for_any_split_of_the_frames(pieces: list[int], window: int, batch: int) -> None:
    frames = run(sum(pieces))
    found = list(sliding_windows(frames.split(pieces), window=window, batch=batch))
    starts = range(max(0, len(frames) - window + 1))
    assert [number for numbers, _ in found for number in numbers.tolist()] == [
        start + window - 1 for start in starts
    ]
    windows = [each for _, windows in found for each in windows]
    assert all(
        torch.equal(each, frames[start : start + window]) for start, each in zip(starts, windows, strict=True)
    )
    sizes = [len(windows) for _, windows in found]
    assert all(size == batch for size in sizes[:-1])
    assert sum(sizes[-1:]) <= batch


def test_each_window_is_there_as_soon_as_its_last_frame() -> None:
    given_so_far = 0

    def camera() -> Iterator[Tensor]:
        nonlocal given_so_far
        for frame in run(20):
            given_so_far += 1
            yield frame[None]

    seen = [(number, given_so_far) for (number,), _ in sliding_windows(camera(), window=5, batch=1)]
    assert seen == [(number, number + 1) for number in range(4, 20)]


# In a process of its own: whatever other tests left running in this one takes memory, too.
RESIDENT = """
import resource, sys, torch
from pathlib import Path
from shards.windows import sliding_windows

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

piece = int(sys.argv[1])
pieces = (torch.full((piece, 512, 512, 3), 7, dtype=torch.uint8) for _ in range(400 // piece))
print(*(resident() for _ in sliding_windows(pieces, window=5, batch=4)))
"""


@pytest.mark.parametrize("piece", [1, 50])
def test_memory_does_not_grow_with_the_video(piece: int) -> None:
    command = [sys.executable, "-P", "-c", RESIDENT, str(piece)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)
    memory = [int(each) for each in ran.stdout.split()]
    assert len(memory) == 99
    assert max(memory) - memory[30] < 100_000_000  # of 220 MB that come after


def test_gray_frames_become_three_channels() -> None:
    ((_, windows),) = sliding_windows([run(5)], window=5, batch=1)
    found = normalise(windows, Geometry(height=2, width=3))
    assert found.shape == (1, 5, 3, 2, 3)
    expected = run(5).permute(0, 3, 1, 2).float() / 127.5 - 1
    torch.testing.assert_close(found[0], expected.expand(-1, 3, -1, -1))
