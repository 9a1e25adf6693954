"""What a manifest tells of: plain values, without where they are stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shards.choices import Split
from shards.masks import Masks


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What a stored frame looks like: uint8 height x width x 3, channels in the order BGR.

    The normalised frame is `u8 / scale + offset`, in [-1, 1].
    """

    height: int
    width: int
    channels: int = 3
    channel_order: str = "BGR"
    scale: float = 127.5
    offset: float = -1.0

    def __str__(self) -> str:
        return f"{self.height}x{self.width} {self.channel_order}"

    @property
    def normalisation(self) -> str:
        """How pixels become numbers, for messages."""
        return f"{self.channels} channels {self.channel_order} normalised by / {self.scale} + {self.offset}"


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A run of consecutive frames, stored once as one record of a shard.

    Attributes:
        key: the record's webdataset key.
        offset, size: bytes of the record in the shard, headers included.
        digest: of those bytes.
        first, frames: the frames of the video it holds.
        windows: windows of the set's T that start in it.
        channels: 1 if the three channels of all its frames are equal and stored once, else 3.
    """

    key: str
    offset: int
    size: int
    digest: str
    first: int
    frames: int
    windows: int
    channels: int


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One tar: segments, in order, one right after the other, and the end of a tar.

    Attributes:
        name: of the file.
        bytes: of the file.
        segments: of one video, in the order of their bytes; small videos share a shard (`shards.packing`).
    """

    name: str
    bytes: int
    segments: Sequence[Segment]


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video of the set.

    Attributes:
        name: unique within its split; for people and score tables.
        frames: counted by decoding.
        source: what it was made from: at least `bytes` and `digest` of the file or of the listed images;
            for video files also what the audit of the container found.
        shards: the tars that hold it, in order, with its own segments; read from the tables when they are
            looked at.
        abnormal: labelled intervals [start, end) of abnormal frames, or None without labels.
        label_source: what the labels came from, or None.
        masks: the file with its pixel masks, or None.
    """

    name: str
    split: Split
    frames: int
    source: dict[str, Any]
    shards: Sequence[Shard]
    abnormal: tuple[tuple[int, int], ...] | None = None
    label_source: str | None = None
    masks: Masks | None = None

    @property
    def labels(self) -> np.ndarray | None:
        """(frames,) bool, True where abnormal, or None without labels."""
        if self.abnormal is None:
            return None
        labels = np.zeros(self.frames, bool)
        for start, end in self.abnormal:
            labels[start:end] = True
        return labels
