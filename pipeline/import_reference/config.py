"""Options of `import-reference`."""

from dataclasses import dataclass
from typing import Annotated

from pipeline.options import Argument, Option, check, described, wrong
from pipeline.sizes import SIZE, SIZES, fits


@described
@dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """What to import."""

    model: Annotated[
        str,
        Argument(
            "MODEL.pth",
            "The published model: a whole pickled module (.pth), or a state dict (.pt, .safetensors).",
        ),
    ]
    keys: Annotated[str, Argument("KEYS.pt", "Its memory items, a tensor (M, D) in a file of its own.")]
    out: Annotated[str, Argument("OUT", "A checkpoint file (.safetensors) to write, or a run folder.")]
    size: Annotated[
        tuple[int, int] | None,
        Option(
            "Height and width of the frames that the model was trained on, pixels; the published models "
            "had 256. The network is convolutional: without a size it takes frames of any.",
            "Frames",
            custom=SIZE,
            default="not stated",
        ),
    ] = None

    def __post_init__(self) -> None:
        check(self)
        if self.size is not None and not fits(self.size):
            raise wrong(self, "size", SIZES)
