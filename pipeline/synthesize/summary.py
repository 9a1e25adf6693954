"""What was drawn."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What was drawn.

    Attributes:
        videos, frames: of all splits.
        abnormal: frames labelled abnormal.
        labels: path of the label file; None where nothing unusual was to happen.
    """

    videos: int
    frames: int
    abnormal: int
    labels: str | None
