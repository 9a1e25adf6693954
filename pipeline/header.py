"""What a checkpoint says about itself, read without its tensors and without torch.

A safetensors file starts with the length of a JSON header, 8 bytes little-endian, and the header; the
project's own fields are JSON in its metadata.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import CheckpointError
from shards.storage import Storage

if TYPE_CHECKING:
    from mnad import MNAD

FORMAT = "mnad-checkpoint"
VERSION = 1
_LENGTH_BYTES = 8
_LONGEST = 100 << 20
"""Bytes of a header that safetensors itself accepts."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What a model is and what frames it was trained on.

    Attributes:
        method: `pred` or `recon`.
        window: T, frames per window.
        items: M, memory items.
        height, width, channels, channel_order: of a frame.
    """

    method: Literal["pred", "recon"]
    window: int
    items: int
    height: int
    width: int
    channels: int = 3
    channel_order: str = "BGR"

    def build(self) -> "MNAD":
        """A model of this kind with random weights."""
        from mnad import MNAD  # and with it torch

        return MNAD(self.method, window=self.window, channels=self.channels, items=self.items)


@dataclass(frozen=True, kw_only=True)
class Header:
    """A checkpoint without its tensors; the fields are those of `pipeline.checkpoint.Checkpoint`."""

    spec: ModelSpec
    step: int
    epoch: int
    origin: dict[str, Any]


def header_from_start(data: bytes, name: str) -> Header:
    """The header of a safetensors file from its first bytes, at least up to the end of the header.

    Raises:
        CheckpointError: the file is not a checkpoint of this project and version.
    """
    end = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    try:
        fields = json.loads(json.loads(data[_LENGTH_BYTES:end])["__metadata__"]["mnad"])
        if (fields["format"], fields["version"]) != (FORMAT, VERSION):
            found = f"{fields['format']} version {fields['version']}"
            raise CheckpointError(f"{name}: found {found}, expected {FORMAT} version {VERSION}")
        return Header(
            spec=ModelSpec(**fields["spec"]),
            step=fields["step"],
            epoch=fields["epoch"],
            origin=fields["origin"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{name}: a safetensors file, but not one of this project ({type(error).__name__}: {error}); "
            "import foreign weights with import-reference"
        ) from error


def read_header(storage: Storage, file: str, name: str) -> Header:
    """The header of `file` in `storage`, read alone; `name` is for messages.

    Raises:
        CheckpointError: the file is not a whole checkpoint of this project and version.
    """
    size = storage.size(file)
    start = _read(storage, file, min(size, _LENGTH_BYTES))
    length = int.from_bytes(start, "little")
    if not 0 < length <= min(size - _LENGTH_BYTES, _LONGEST):
        raise CheckpointError(f"{name}: not a whole safetensors file; give a .safetensors file that is")
    data = _read(storage, file, _LENGTH_BYTES + length)
    header = header_from_start(data, name)
    tensors = json.loads(data[_LENGTH_BYTES:])
    del tensors["__metadata__"]
    try:
        expected = len(data) + max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    except (KeyError, TypeError, IndexError):
        raise CheckpointError(f"{name}: its list of tensors is damaged; train or import it again") from None
    if size != expected:
        raise CheckpointError(f"{name}: found {size} bytes, expected {expected}; train or import it again")
    return header


def _read(storage: Storage, file: str, size: int) -> bytes:
    buffer = bytearray(size)
    filled, _ = storage.read_into(file, 0, [memoryview(buffer)])
    return bytes(buffer[:filled])
