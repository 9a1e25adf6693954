"""What a model is. Whatever is written, read, compared or told of it follows from the fields here."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from pipeline.sizes import SIZE_STEP

if TYPE_CHECKING:
    from mnad import MNAD
    from mnad.networks import BatchNormInit

Method = Literal["pred", "recon"]

_MOST = 1 << 20
"""The highest value of what is counted or measured in a model; so products of three fit 64 bits."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What a model is and what frames it was trained on.

    Attributes:
        method: `pred` or `recon`.
        window: T, frames per window.
        items: M, memory items.
        height, width: of a frame; None where nobody knows, so that any that the network takes will do.
        channels, channel_order: of a frame.
    """

    method: Method
    window: int
    items: int
    height: int | None
    width: int | None
    channels: int = 3
    channel_order: str = "BGR"

    @property
    def size(self) -> str:
        """Height and width in words."""
        return "any size" if self.height is None else f"{self.height}x{self.width}"

    @property
    def frame(self) -> str:
        """What the frames are, in words."""
        return f"{self.size} {self.channel_order}"

    def wrong(self) -> Iterator[tuple[str, object, str]]:
        """What no model has: name, the value found, and what was expected; nothing of a sound one."""
        windows = (2, _MOST) if self.method == "pred" else (1, 1)
        edge = f"pixels, a multiple of {SIZE_STEP}"
        for name, value, holds, expected in (
            ("method", self.method, self.method in get_args(Method), "pred or recon"),
            ("window", self.window, is_within(self.window, *windows), "2 or more for pred, 1 for recon"),
            ("items", self.items, is_within(self.items, 2, _MOST), "2 or more"),
            ("channels", self.channels, is_within(self.channels, 1, 3), "1 to 3"),
            ("channel_order", self.channel_order, self.channel_order in ("BGR", "RGB"), "BGR or RGB"),
            ("height", self.height, _is_edge(self.height), edge),
            ("width", self.width, _is_edge(self.width), edge),
            (
                "size",
                self.size,
                (self.height is None) == (self.width is None),
                "both height and width, or neither",
            ),
        ):
            if not holds:
                yield name, value, expected

    def build(self, bn_init: "BatchNormInit" = "ones") -> "MNAD":
        """A model of this kind with random weights."""
        from mnad import MNAD  # and with it torch

        return MNAD(
            self.method, window=self.window, channels=self.channels, items=self.items, bn_init=bn_init
        )


def is_within(value: object, least: int, most: int) -> bool:
    """Whether a value of a foreign file is a whole number between two others, both included."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_edge(value: object) -> bool:
    return value is None or (isinstance(value, int) and value in range(SIZE_STEP, _MOST, SIZE_STEP))
