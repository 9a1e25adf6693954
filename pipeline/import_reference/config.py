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
        size: height and width of the frames it was trained on, pixels (the published models: 256x256); None
            where nobody knows. The network is convolutional: without a size it takes frames of any.
    """

    model: str
    keys: str
    out: str
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.size is not None and any(edge < SIZE_STEP or edge % SIZE_STEP for edge in self.size):
            height, width = self.size
            raise ConfigError(f"--size: found {height}x{width}, expected multiples of {SIZE_STEP}")
