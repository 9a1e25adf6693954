"""What a checkpoint says about itself, read without its tensors and without torch.

A safetensors file starts with the length of a JSON header, 8 bytes little-endian, and the header; the
project's own fields are JSON in its metadata.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from pipeline.errors import CheckpointError
from pipeline.sizes import SIZE_STEP
from shards.jsonfile import parse_json
from shards.storage import Storage

if TYPE_CHECKING:
    from mnad import MNAD

FORMAT = "mnad-checkpoint"
VERSION = 1
MOST_BYTES = 256 << 20
"""Of a file of weights that is read; the network's take 63 MB, 65,536 memory items 134 MB more."""
_LENGTH_BYTES = 8
_LONGEST = 1 << 20
"""Bytes of a header that is parsed; one of this project takes 10 kB."""
_MOST = 1 << 20
"""Of what is counted or measured in a model; so products of three fit 64 bits."""

Method = Literal["pred", "recon"]


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

    def build(self) -> "MNAD":
        """A model of this kind with random weights."""
        from mnad import MNAD  # and with it torch

        return MNAD(self.method, window=self.window, channels=self.channels, items=self.items)


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


def _check(header: Header, name: str) -> None:
    """Compare every field with its type and range."""
    spec = header.spec
    windows = (2, _MOST) if spec.method == "pred" else (1, 1)
    for field, value, holds, expected in (
        ("method", spec.method, spec.method in get_args(Method), "pred or recon"),
        ("window", spec.window, _is_in(spec.window, *windows), "2 or more for pred, 1 for recon"),
        ("items", spec.items, _is_in(spec.items, 2, _MOST), "2 or more"),
        ("channels", spec.channels, _is_in(spec.channels, 1, 3), "1 to 3"),
        ("channel_order", spec.channel_order, spec.channel_order in ("BGR", "RGB"), "BGR or RGB"),
        ("height", spec.height, _is_edge(spec.height), f"pixels, a multiple of {SIZE_STEP}"),
        ("width", spec.width, _is_edge(spec.width), f"pixels, a multiple of {SIZE_STEP}"),
        (
            "size",
            spec.size,
            (spec.height is None) == (spec.width is None),
            "both height and width, or neither",
        ),
        ("step", header.step, _is_in(header.step, 0, 1 << 62), "0 or more"),
        ("epoch", header.epoch, _is_in(header.epoch, 0, 1 << 62), "0 or more"),
        ("origin", header.origin, isinstance(header.origin, dict), "a JSON object"),
        ("digest", header.digest, header.digest is None or isinstance(header.digest, str), "text"),
    ):
        if not holds:
            raise CheckpointError(
                f"{name}: found {field} {value!r:.100}, expected {expected}; train or import it again"
            )
    options = header.origin.get("options", {})
    if not isinstance(options, dict):
        raise CheckpointError(
            f"{name}: found options {options!r:.100}, expected a JSON object; train or import it again"
        )


def _is_in(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_edge(value: object) -> bool:
    return value is None or (isinstance(value, int) and value in range(SIZE_STEP, _MOST, SIZE_STEP))


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
