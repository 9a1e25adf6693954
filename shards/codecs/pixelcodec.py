"""What a codec does; each is a class in a file of its own."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from shards.errors import ShardError
from shards.limits import MOST_EXPANSION, MOST_RECORD_METADATA

QUALITY_RULE = "a jpeg codec has a quality, the others have none"


class PixelCodec(ABC):
    """How the pixels of a segment become the members of its record, and back.

    Args:
        quality: of a codec that has one, or None.

    Raises:
        ShardError: it has another quality than that, or none that it should have.
    """

    def __init__(self, quality: int | None = None) -> None:
        if quality is not None:
            raise ShardError(QUALITY_RULE)

    @abstractmethod
    def encode(self, frames: np.ndarray) -> dict[str, list[bytes | memoryview]]:
        """Members for frames uint8 (F, H, W, C), C = 1 or 3 (BGR): extension to pieces of content."""

    def head(self, key: str, shape: tuple[int, ...]) -> bytes | None:
        """What a record has between its metadata and the pixels of frames of `shape` (F, H, W, C).

        None if it does not have them as they lie in the frames, and up to its padding nothing after them.
        """
        return None

    @abstractmethod
    def decode_into(self, record: memoryview, key: str, frames: np.ndarray) -> None:
        """Fill frames uint8 (F, H, W, C), contiguous, from the bytes of the record `key`.

        No length that the record claims is believed: everything must fit the frames.

        Raises:
            CorruptShardError: the record does not hold exactly that.
        """

    def decode(self, record: memoryview, key: str, shape: tuple[int, int, int, int]) -> np.ndarray:
        """Frames uint8 of `shape` (F, H, W, C), as `decode_into` fills them; perhaps a view of `record`."""
        frames = np.empty(shape, np.uint8)
        self.decode_into(record, key, frames)
        return frames

    def read_into(
        self,
        size: int,
        key: str,
        frames: np.ndarray,
        memory: Callable[[int], memoryview],
        fill: Callable[[Sequence[memoryview]], bool],
    ) -> None:
        """As `decode_into`, from a record that is still to be read.

        Args:
            size: of the record, bytes.
            key, frames: as for `decode_into`.
            memory: gives so many bytes to work in.
            fill: fills buffers with the record, one after the other; False if these are known to be the bytes
                that were read before.
        """
        record = memory(size)
        fill([record])
        self.decode_into(record, key, frames)

    def record_sizes(self, pixels: int, frames: int) -> tuple[int, int]:
        """The least and the most bytes that a record can have.

        Args:
            pixels: bytes of its frames, decoded.
            frames: how many they are.
        """
        return -(-pixels // MOST_EXPANSION), 2 * pixels + MOST_RECORD_METADATA + 1024 * frames
