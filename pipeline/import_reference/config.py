"""Options of `import-reference`."""

from dataclasses import dataclass

from pipeline.errors import ConfigError
from pipeline.sizes import SIZE_STEP


@dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """What to import.

    Attributes:
        model: the published model: a whole pickled module (.pth), or a state dict (.pt, .safetensors).
        keys: its memory items: a tensor (M, D) in a file of its own (.pt, .safetensors).
        out: a checkpoint file (.safetensors) to write, or a run folder.
        height, width: of the frames it was trained on, pixels; the published models use 256x256.
    """

    model: str
    keys: str
    out: str
    height: int = 256
    width: int = 256

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            value = getattr(self, name)
            if value < SIZE_STEP or value % SIZE_STEP:
                raise ConfigError(f"{name} {value} is not a multiple of {SIZE_STEP}")
