"""How the frames of a segment become the members of its record, and back.

A record is what a stock webdataset pipeline with its default decoders reads: `KEY.json` with the
segment's metadata, and its frames as `KEY.npy` (raw), `KEY.npy.gz` (deflate) or one `KEY.NNNN.jpg` per frame
(jpeg, which webdataset decodes when asked for an image type, `decode("rgb8")`).
"""

from dataclasses import dataclass
from functools import cached_property

from shards.choices import CodecName
from shards.codecs.deflate import Deflate
from shards.codecs.jpeg import Jpeg
from shards.codecs.pixelcodec import PixelCodec
from shards.codecs.raw import Raw
from shards.errors import ShardError

CLASSES: dict[str, type[PixelCodec]] = {"raw": Raw, "deflate": Deflate, "jpeg": Jpeg}
"""Each codec by the name that manifests give it."""


@dataclass(frozen=True, kw_only=True)
class Codec:
    """How pixels are stored, as a manifest records it.

    Attributes:
        name: `raw` and `deflate` are lossless; `jpeg` is not.
        quality: of jpeg, 1 to 100; None for the others.

    Raises:
        ShardError: there is no such codec, or it has no such quality.
    """

    name: CodecName = "raw"
    quality: int | None = None

    def __post_init__(self) -> None:
        if self.name not in tuple(CLASSES):  # of a manifest, it may be anything
            raise ShardError(f"codec {self.name!r:.40} is not one of {', '.join(CLASSES)}")
        _ = self.pixels

    @cached_property
    def pixels(self) -> PixelCodec:
        """The codec itself."""
        return CLASSES[self.name](self.quality)
