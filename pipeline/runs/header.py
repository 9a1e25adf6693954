"""What a checkpoint says about itself, read without its tensors and without torch.

A safetensors file starts with the length of a JSON header, 8 bytes little-endian, and the header; the
project's own fields are JSON in its metadata.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.errors import CheckpointError
from pipeline.runs.spec import ModelSpec, is_within
from pipeline.runs.trainedon import depth_of, held_out_of, rate_of
from pipeline.runs.virtualranks import virtual_ranks_of
from shards.holdout import HeldOut
from shards.jsonfile import parse_json
from shards.storage import Storage

FORMAT = "mnad-checkpoint"
VERSION = 1
MOST_BYTES = 256 << 20
"""The largest file of weights in bytes that is read; the network's weights take 63 MB, 65,536 memory items
134 MB more."""
_LENGTH_BYTES = 8
_LONGEST = 16 << 20
"""Bytes of a header that is parsed; one of this project takes 10 kB, and some 50 bytes for each video that
was kept aside, which of a million may be 200,000."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """A checkpoint without its tensors; the fields are those of `pipeline.runs.checkpoint.Checkpoint`.

    `digest` is what `Checkpoint.digest` was when it was written; None in checkpoints older than digests.
    """

    spec: ModelSpec
    step: int
    epoch: int
    origin: dict[str, Any]
    digest: str | None

    @property
    def rate(self) -> float | None:
        """Frames per second of the video that the model was trained on; None where it is unknown."""
        return rate_of(self.origin)

    @property
    def virtual_ranks(self) -> int | None:
        """For how many virtual ranks the run is planned; None where it is unknown."""
        return virtual_ranks_of(self.origin)

    @property
    def held_out(self) -> tuple[HeldOut, ...]:
        """What of the training videos was kept aside."""
        return held_out_of(self.origin)


def header_from_start(data: bytes, name: str) -> Header:
    """The header of a safetensors file from its first bytes, at least up to the end of the header.

    Raises:
        CheckpointError: the file is not a checkpoint of this project and version, or claims what none has.
    """
    return _header(safetensors_header(data, name), name)


def safetensors_header(data: bytes, name: str) -> dict[str, Any]:
    """The header of a safetensors file as it stands there: what each tensor is and where, and metadata.

    Args:
        data: its first bytes, at least up to the end of the header.
        name: for messages.

    Raises:
        CheckpointError: they hold no whole header, or one of unheard-of length.
    """
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if not 0 < length <= min(len(data) - _LENGTH_BYTES, _LONGEST):
        raise CheckpointError(f"{name}: not a whole safetensors file; train or import it again")
    try:
        fields = parse_json(data[_LENGTH_BYTES : _LENGTH_BYTES + length], f"{name}: its header")
    except ValueError as error:
        raise CheckpointError(f"{error}; train or import it again") from None
    if not isinstance(fields, dict):
        raise CheckpointError(f"{name}: its header is no JSON object; train or import it again")
    return fields


def _header(header: dict[str, Any], name: str) -> Header:
    try:
        fields = parse_json(header["__metadata__"]["mnad"].encode(), "its metadata")
        if (fields["format"], fields["version"]) != (FORMAT, VERSION):
            found = f"{fields['format']!s:.50} version {fields['version']!s:.50}"
            raise CheckpointError(f"{name}: found {found}, expected {FORMAT} version {VERSION}")
        made = Header(
            spec=ModelSpec(**fields["spec"]),
            step=fields["step"],
            epoch=fields["epoch"],
            origin=fields["origin"],
            digest=fields.get("digest"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{name}: a safetensors file, but not one of this project ({type(error).__name__}: {error}); "
            "import foreign weights with import-reference"
        ) from error
    _check(made, name)
    return made


def _check(header: Header, file: str) -> None:
    """Compare every field with its type and range."""
    first = next(itertools.chain(header.spec.wrong(), _wrong(header)), None)
    if first is not None:
        name, value, expected = first
        raise CheckpointError(
            f"{file}: found {name} {value!r:.100}, expected {expected}; train or import it again"
        )
    options = header.origin.get("options", {})
    if not isinstance(options, dict):
        raise CheckpointError(
            f"{file}: found options {options!r:.100}, expected a JSON object; train or import it again"
        )
    try:
        rate_of(header.origin)
        held_out_of(header.origin)
        depth_of(header.origin)
        virtual_ranks_of(header.origin)
    except ValueError as error:
        raise CheckpointError(f"{file}: {error}; train or import it again") from None


def _wrong(header: Header) -> Iterator[tuple[str, object, str]]:
    """As `ModelSpec.wrong`, of what a header says beyond the model."""
    for name, value, holds, expected in (
        ("step", header.step, is_within(header.step, 0, 1 << 62), "0 or more"),
        ("epoch", header.epoch, is_within(header.epoch, 0, 1 << 62), "0 or more"),
        ("origin", header.origin, isinstance(header.origin, dict), "a JSON object"),
        ("digest", header.digest, isinstance(header.digest, str | None), "text"),
    ):
        if not holds:
            yield name, value, expected


def read_header(storage: Storage, file: str, name: str) -> Header:
    """The header of `file` in `storage`, read alone; `name` is for messages.

    Raises:
        CheckpointError: the file is not a whole checkpoint of this project and version.
    """
    size = storage.size(file)
    if size < 0:
        raise CheckpointError(
            f"{name}: found an answer without Content-Length, expected the size of the file; fetch it, and "
            "give the local one"
        )
    start = _read(storage, file, min(size, _LENGTH_BYTES))
    length = int.from_bytes(start, "little")
    if not 0 < length <= min(size - _LENGTH_BYTES, _LONGEST):
        raise CheckpointError(f"{name}: not a whole safetensors file; give a .safetensors file that is")
    data = _read(storage, file, _LENGTH_BYTES + length)
    tensors = safetensors_header(data, name)
    header = _header(tensors, name)
    del tensors["__metadata__"]
    try:
        expected = len(data) + max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    except (KeyError, TypeError, IndexError, AttributeError):
        raise CheckpointError(f"{name}: its list of tensors is damaged; train or import it again") from None
    if size != expected:
        raise CheckpointError(f"{name}: found {size} bytes, expected {expected}; train or import it again")
    return header


def _read(storage: Storage, file: str, size: int) -> bytes:
    buffer = bytearray(size)
    filled, _ = storage.read_into(file, 0, [memoryview(buffer)])
    return bytes(buffer[:filled])
