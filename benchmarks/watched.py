"""The command `watch` over generated cameras on loopback: a run, their video, the process itself."""

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from material import write_video
from pipeline.runs.checkpoint import Checkpoint
from pipeline.runs.layout import model_name
from pipeline.runs.spec import ModelSpec

ROOT = Path(__file__).resolve().parents[1]
CAMERA_RATE = 25
"""Frames per second that a camera sends."""
RATES = (25.0, 12.5, 5.0, 2.5, 1.0)
"""Frames per second that may be scored of those."""
_PATIENCE = 180.0
"""Seconds in which a page opens and a process ends."""
_STEP = 1
"""Of training, that a checkpoint of random weights is called after."""


def street(
    frames: int, *, size: tuple[int, int], seed: int = 0, abnormal: tuple[int, int] = (0, 0)
) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) uint8 BGR of three walkers; in [start, end) a bright block that crosses fast, too."""
    height, width = size
    random = np.random.default_rng(seed)
    background = cv2.GaussianBlur(random.integers(60, 120, (height, width, 3), np.uint8), (9, 9), 0)
    rows = random.integers(height // 4, height - height // 6, 3).tolist()
    starts = random.uniform(0, width, 3)
    speeds = random.uniform(0.002, 0.004, 3) * width
    for number in range(frames):
        frame = background.copy()
        for y, start, speed in zip(rows, starts, speeds, strict=True):
            x = int(start + speed * number) % width
            cv2.rectangle(frame, (x, y), (x + width // 20, y + height // 8), (30, 40, 50), cv2.FILLED)
        if abnormal[0] <= number < abnormal[1]:
            x = int(0.03 * width * (number - abnormal[0])) % width
            corner = (x + width // 6, height // 2)
            cv2.rectangle(frame, (x, height // 3), corner, (240, 250, 230), cv2.FILLED)
        yield frame


def make_run(folder: Path, *, size: int, rate: float) -> Path:
    """A run whose model has random weights, and was trained on frames of a size and a rate, as it says."""
    torch.manual_seed(0)
    spec = ModelSpec(method="pred", window=5, items=10, height=size, width=size)
    checkpoint = Checkpoint(
        name="random weights",
        spec=spec,
        tensors=spec.build().state_dict(),
        step=_STEP,
        epoch=1,
        origin={"data": {"rate": rate}},
    )
    path = folder / model_name(_STEP)
    path.parent.mkdir(parents=True)
    path.write_bytes(checkpoint.to_bytes())
    return folder


def make_video(path: Path, seconds: float, *, height: int, abnormal: tuple[float, float] = (0, 0)) -> Path:
    """Video of a camera, with a key frame each second and no frame that needs a later one."""
    first, last = (round(CAMERA_RATE * each) for each in abnormal)
    frames = street(
        round(CAMERA_RATE * seconds), size=(height, height * 16 // 9 // 2 * 2), abnormal=(first, last)
    )
    return write_video(
        path, frames, rate=CAMERA_RATE, options={"g": str(CAMERA_RATE), "bf": "0", "preset": "veryfast"}
    )


def command(*arguments: object) -> str:
    """Run one command to its end; returns what it says.

    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run(
        [sys.executable, "cli.py", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(
            f"{arguments[0]}: found exit code {done.returncode}, expected 0: {done.stderr[-500:]}"
        )
    return done.stdout


def carried_rate(speed: float, cameras: int) -> float:
    """The highest of RATES at which cameras need at most half of the frames/s that a machine scores."""
    return next((rate for rate in RATES if cameras * rate <= speed / 2), RATES[-1])


def speed_told(doctor: str) -> float:
    """Frames per second that `doctor` says this machine scores.

    Raises:
        SystemExit: it says none.
    """
    found = re.search(r"^speed\s+(\S+) frames/s", doctor, re.M)
    if found is None:
        raise SystemExit(f"doctor: found no speed, expected one: {doctor[:500]}")
    return float(found[1])


@dataclass(frozen=True, kw_only=True)
class Running:
    """A watch that runs.

    Attributes:
        pid: of its process.
        page: address of its status page.
        out: folder of its results.
    """

    pid: int
    page: str
    out: Path


@contextlib.contextmanager
def watch(run: Path, out: Path, urls: Mapping[str, str], *options: object) -> Iterator[Running]:
    """The command itself, stopped as a service is at the end of the block.

    Args:
        run: of all cameras.
        out: folder of the results; beside it lie the file of cameras and what the command says.
        urls: of the cameras, by name.
        options: more of the command.

    Raises:
        SystemExit: it does not open its page, or ends with an error.
    """
    cameras = out.with_suffix(".toml")
    tables = [f'[watch.cameras.{name}]\nurl = "{url}"\n' for name, url in urls.items()]
    cameras.write_text(f'[watch]\ncheckpoint = "{run}"\nout = "{out}"\n\n' + "\n".join(tables))
    said = out.with_suffix(".log")
    arguments = ("watch", "--config", cameras, "--http", "127.0.0.1:0", "--device", "cpu", *options)
    with said.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "cli.py", *map(str, arguments)], cwd=ROOT, stdout=log, stderr=log
        )
        try:
            yield Running(pid=process.pid, page=_page(process, said), out=out)
            process.terminate()
            process.wait(_PATIENCE)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode:
        raise SystemExit(
            f"watch: found exit code {process.returncode}, expected 0: {said.read_text()[-500:]}"
        )


def _page(process: subprocess.Popen[bytes], said: Path) -> str:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if (found := re.search(r"^page: (http\S+)", said.read_text(), re.M)) is not None:
            return found[1]
        time.sleep(0.1)
    raise SystemExit(f"watch: found no page, expected one: {said.read_text()[-500:]}")


def held_bytes(folder: Path) -> int:
    """Of all files of a folder, as they are counted, not as a disk rounds them up."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
