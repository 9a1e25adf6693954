import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.videos import write_video

_MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def peak_megabytes(source: Path, shards: Path, decoder: str) -> int:
    """The most memory that any process of a run held."""
    command = [sys.executable, "cli.py", "preprocess", str(source), str(shards), "--size", "128"]
    command += ["--workers", "1", "--decoder", decoder]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *command], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_memory_does_not_grow_with_the_length_of_a_video(decoder: str, tmp_path: Path) -> None:
    peaks = []
    for name, frames in (("short", 300), ("long", 5000)):
        still = [np.full((64, 80, 3), 99, np.uint8)] * frames
        write_video(tmp_path / name / "a.mp4", still, codec="mpeg4", options={"g": "50"})
        peaks.append(peak_megabytes(tmp_path / name, tmp_path / f"{name}-shards", decoder))
    # The longer video's frames, 128 x 128 x 3 bytes each, would take 231 MB more. decord decodes ahead of a
    # machine that writes slowly, at most the whole file: 72 MB at the 64 x 80 that it has here.
    assert peaks[1] - peaks[0] < 120
    assert peaks[1] < 700


@pytest.mark.slow
def test_frames_are_let_go_as_soon_as_they_are_resized(tmp_path: Path) -> None:
    still = [np.full((1080, 1920, 3), 99, np.uint8)] * 200
    write_video(tmp_path / "source" / "a.mp4", still, options={"preset": "ultrafast"})
    # 143 MB were measured, and 514 MB while something held the decoded frames, of 3.1 MB each.
    assert peak_megabytes(tmp_path / "source", tmp_path / "shards", "auto") < 300
