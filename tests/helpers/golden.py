"""Weights, memory and video behind `tests/mnad/golden.npz`, made from a seed.

The published implementation, run on these in float32 on a CPU, gave the values in the file: evaluation
over three videos of 24 frames with the memory carried on, and three training steps of batch 4. numpy's
RandomState stream is frozen, so every machine makes the same inputs.
"""

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mnad import MNAD
from mnad.model import Task

GOLDEN = Path(__file__).parent.parent / "mnad" / "golden.npz"
WINDOW: dict[Task, int] = {"pred": 5, "recon": 1}

# Where the published network keeps what our modules hold: blocks of layers, numbered alike within.
_REFERENCE_BLOCKS = {
    "encoder.levels.0": "encoder.moduleConv1",
    "encoder.levels.1": "encoder.moduleConv2",
    "encoder.levels.2": "encoder.moduleConv3",
    "encoder.bottleneck": "encoder.moduleConv4",
    "decoder.bottleneck": "decoder.moduleConv",
    "decoder.upsample.0": "decoder.moduleUpsample4",
    "decoder.levels.0": "decoder.moduleDeconv3",
    "decoder.upsample.1": "decoder.moduleUpsample3",
    "decoder.levels.1": "decoder.moduleDeconv2",
    "decoder.upsample.2": "decoder.moduleUpsample2",
    "decoder.output": "decoder.moduleDeconv1",
}


def load() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The golden arrays, and their settings (seed, height, width, thresholds)."""
    with np.load(GOLDEN) as file:
        arrays = {name: file[name] for name in file.files}
    return arrays, json.loads(str(arrays["meta"]))


def reference_name(name: str) -> str:
    """What the published network calls our parameter `name`."""
    block, layer, kind = name.rsplit(".", 2)
    return f"{_REFERENCE_BLOCKS[block]}.{layer}.{kind}"


def model(task: Task, seed: int) -> MNAD:
    """A network with the golden weights and start memory."""
    network = MNAD(task, window=WINDOW[task])
    state = {
        name: torch.from_numpy(memory(seed) if name == "memory.items" else weight(name, tensor, seed))
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(state)
    return network


def weight(name: str, tensor: Tensor, seed: int) -> np.ndarray:
    """Golden value of our parameter `name`: He-scaled kernels, BatchNorm near the identity."""
    if name.endswith("num_batches_tracked"):
        return np.array(0)
    reference = reference_name(name)
    stream = np.random.RandomState((zlib.crc32(reference.encode()) + seed) % 2**32)
    shape = tuple(tensor.shape)
    noise = stream.standard_normal(math.prod(shape)).astype(np.float32).reshape(shape)
    if name.endswith("running_var"):
        return 1 + np.float32(0.5) * np.abs(noise)
    if name.endswith(("running_mean", "bias")):
        return np.float32(0.1) * noise
    if len(shape) == 1:
        return 1 + np.float32(0.1) * noise
    return noise * np.float32(math.sqrt(2 / math.prod(shape[1:])))


def memory(seed: int) -> np.ndarray:
    """Ten unit items of 512 features."""
    values = np.random.RandomState(seed + 7).random_sample((10, 512)).astype(np.float32)
    unit: np.ndarray = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit


def video(frames: int, height: int, width: int, seed: int) -> np.ndarray:
    """Moving waves with a small square, uint8 (F, H, W, 3); the square goes wild in the last 40 %."""
    t, y, x = np.ogrid[:frames, :height, :width]
    clip = np.empty((frames, height, width, 3), np.uint8)
    for channel in range(3):
        horizontal = 60 * np.sin((x + 2 * t * (1 + seed % 3)) / 7.0 + channel)
        vertical = 50 * np.cos((y - t) / (5.0 + channel))
        clip[..., channel] = np.clip(127 + horizontal + vertical, 0, 255).astype(np.uint8)
    for i in range(frames):
        left = (i * 3) % (width - 8)
        usual = i < frames * 0.6
        clip[i, height // 3 : height // 3 + 8, left : left + 8] = 255 if usual else 0
        if not usual:
            top, left = (i * 7) % (height - 10), (i * 11) % (width - 10)
            clip[i, top : top + 10, left : left + 10] = (i * 53) % 256
    return clip


def windows(clip: np.ndarray, length: int) -> Tensor:
    """All windows of a clip, float32 (windows, T, 3, H, W) in [-1, 1]."""
    frames = torch.from_numpy(clip).permute(0, 3, 1, 2).float() / 127.5 - 1
    return frames.unfold(0, length, 1).permute(0, 4, 1, 2, 3)
