"""What the files of a run are called; imports nothing large, so that a run can be found without it."""

import re
from typing import TYPE_CHECKING

from shards import locations

if TYPE_CHECKING:
    from shards.storage import Storage

FOLDER = "checkpoints"
"""Where in a run its checkpoints lie."""
METRICS = "metrics.jsonl"
"""Losses and speed, one JSON object per line."""
LEARNED = "learned"
"""Where in the results of a watched camera its own calibration lies."""
_PROFILE = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
_MODEL = re.compile(r"model-(\d{8,})\.safetensors")
_TRAINING = re.compile(r"training-(\d{8,})\.pt")


def is_profile(name: object) -> bool:
    """Whether a value from outside can be the name of a profile, which becomes part of a file's name."""
    return isinstance(name, str) and _PROFILE.fullmatch(name) is not None


def model_name(step: int) -> str:
    """Where in a run the model of a step lies."""
    return f"{FOLDER}/model-{step:08d}.safetensors"


def training_name(step: int) -> str:
    """Where in a run the training state of a step lies."""
    return f"{FOLDER}/training-{step:08d}.pt"


def checkpoint_steps(run: "Storage") -> list[int]:
    """The steps of a run's whole checkpoints, ascending."""
    return sorted(int(match[1]) for name in run.names(FOLDER) if (match := _MODEL.fullmatch(name)))


def training_steps(run: "Storage") -> list[int]:
    """The steps of a run's training states, ascending."""
    return sorted(int(match[1]) for name in run.names(FOLDER) if (match := _TRAINING.fullmatch(name)))


def home_of(location: str) -> str:
    """The run that a checkpoint file lies in, the folder of one that lies in none, or a run itself."""
    folder, name = locations.split(location)
    if not name.endswith(".safetensors"):
        return location
    above, name = locations.split(folder)
    return above if name == FOLDER else folder
