"""What the files of a run are called; imports no torch, so that a run can be found without it."""

import re
from collections.abc import Iterable

FOLDER = "checkpoints"
"""Where in a run its checkpoints lie."""
METRICS = "metrics.jsonl"
"""Losses and speed, one JSON object per line."""
_MODEL = re.compile(r"model-(\d{8,})\.safetensors")


def model_name(step: int) -> str:
    """Where in a run the model of a step lies."""
    return f"{FOLDER}/model-{step:08d}.safetensors"


def training_name(step: int) -> str:
    """Where in a run the training state of a step lies."""
    return f"{FOLDER}/training-{step:08d}.pt"


def model_steps(names: Iterable[str]) -> list[int]:
    """The steps of the models among the names in FOLDER, ascending."""
    return sorted(int(match[1]) for name in names if (match := _MODEL.fullmatch(name)))
