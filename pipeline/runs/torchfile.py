"""Reads torch files (the legacy and the zip format) as data: no code in the file is ever run.

Tensors stay descriptions until they are asked for, so that no size that the file claims is believed before it
has been compared with what is expected, or with the file's own size.
"""

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import CheckpointError
from pipeline.runs.unpickling import Inert, Named, dict_of, unpickle
from shards.zips import LongDirectoryError, opened

_DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_MOST_VALUES = 100_000
"""The most values in a file that is read whole; a training state has 300."""


@dataclass(frozen=True)
class StorageRef:
    """A storage that the file holds: its key and the type of its elements."""

    key: str
    dtype: torch.dtype


@dataclass(frozen=True)
class TensorRef:
    """A tensor that the file describes, not yet in memory."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Of its values, once they are in memory."""
        count = self.storage.dtype.itemsize
        for size in self.shape:
            count *= size
        return count


def _tensor(storage: object, offset: object, shape: object, stride: object, *_: object) -> TensorRef:
    if not (isinstance(storage, StorageRef) and isinstance(offset, int) and offset >= 0):
        raise UnpicklingError("it holds a tensor without a storage")
    return TensorRef(storage, offset, _sizes(shape), _sizes(stride))


def _sizes(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(isinstance(v, int) and v >= 0 for v in values):
        raise UnpicklingError("it holds a tensor without a shape")
    if len(values) > 8:
        raise UnpicklingError("it holds a tensor of more than 8 dimensions")
    return values


def _itself(value: object = (), *_: object) -> object:
    return value


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): dict_of,
    ("__builtin__", "set"): _itself,
    ("builtins", "set"): _itself,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _itself,
    ("torch", "Size"): _itself,
    **{("torch", name): dtype for name, dtype in _DTYPES.items()},
}


@dataclass(frozen=True)
class TorchFile:
    """The content of a torch file.

    Attributes:
        name: for messages.
        size: bytes of the file.
        root: the object that was saved; tensors in it are TensorRef, unknown objects Inert, sets lists.
    """

    name: str
    size: int
    root: Any
    _read: Callable[[str], bytes | memoryview] = field(repr=False)
    _storages: dict[StorageRef, Tensor] = field(default_factory=dict, repr=False)

    def load(self, tensor: TensorRef) -> Tensor:
        """A copy of a tensor's values, whose shape the caller has compared with what it expects.

        Raises:
            CheckpointError: the file does not hold them.
        """
        try:
            if tensor.nbytes == 0:  # its storage may have no bytes, of which frombuffer makes no tensor
                return torch.empty(tensor.shape, dtype=tensor.storage.dtype)
            if tensor.storage not in self._storages:
                data = bytearray(self._read(tensor.storage.key))
                self._storages[tensor.storage] = torch.frombuffer(data, dtype=tensor.storage.dtype)
            whole = self._storages[tensor.storage]
            return whole.as_strided(tensor.shape, tensor.stride, tensor.offset).clone()
        except (KeyError, RuntimeError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise CheckpointError(
                f"{self.name}: a tensor of {list(tensor.shape)} lies outside its storage or does not match "
                "its checksum; the file is damaged"
            ) from error

    def values(self) -> Any:
        """All that was saved, tensors and plain containers, in no more memory than the file takes.

        Raises:
            CheckpointError: it holds something else, or claims more values than it has.
        """
        return _Loader(self).value(self.root, depth=8)


class _Loader:
    """Makes values of descriptions, within what the file's size allows."""

    def __init__(self, file: TorchFile) -> None:
        self._file = file
        self._bytes = 0
        self._count = 0

    def value(self, found: Any, depth: int) -> Any:
        self._count += 1
        if depth == 0 or self._count > _MOST_VALUES:
            raise CheckpointError(
                f"{self._file.name}: refused: it nests deeper or holds more than any of ours"
            )
        match found:
            case TensorRef():
                self._bytes += found.nbytes
                if self._bytes > self._file.size:
                    raise CheckpointError(
                        f"{self._file.name}: refused: found tensors of more bytes than the file has"
                    )
                return self._file.load(found)
            case dict():
                return {key: self.value(value, depth - 1) for key, value in found.items()}
            case list() | tuple():
                return type(found)(self.value(value, depth - 1) for value in found)
            case None | bool() | int() | float() | str():
                return found
        raise CheckpointError(
            f"{self._file.name}: refused: found {_kind(found)}, expected tensors and numbers"
        )


def _kind(found: object) -> str:
    return str(found.kind) if isinstance(found, Inert) else type(found).__name__


def read_torch_file(data: bytes, name: str) -> TorchFile:
    """Read what `torch.save` wrote, in either format.

    Raises:
        CheckpointError: it is neither, damaged, or a pickle that wants to run code.
    """
    try:
        if data[:2] == b"PK":
            return _read_zip(data, name)
        return _read_legacy(data, name)
    except CheckpointError:
        raise
    except UnpicklingError as error:
        raise CheckpointError(
            f"{name}: refused: {error}; only tensors and plain containers are read, and no code is run"
        ) from error
    except Exception as error:  # a damaged file may fail in any way, but never runs anything
        raise CheckpointError(
            f"{name}: not a whole file of torch.save ({type(error).__name__}); download it again"
        ) from error


def _read_zip(data: bytes, name: str) -> TorchFile:
    try:
        archive = opened(io.BytesIO(data))
    except LongDirectoryError as error:
        raise UnpicklingError(str(error)) from error
    infos = {info.filename: info for info in archive.infolist()}
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos.values()):
        raise CheckpointError(f"{name}: found compressed members, expected stored ones as torch.save writes")
    if len(infos) < len(archive.infolist()) or sum(info.file_size for info in infos.values()) > len(data):
        raise CheckpointError(
            f"{name}: found members that share a name or their bytes, expected each once; download it again"
        )
    (pickled,) = (member for member in infos if member.endswith("/data.pkl"))
    folder = pickled.removesuffix("data.pkl")
    order = f"{folder}byteorder"
    if order in infos and archive.read(order) != b"little":
        raise CheckpointError(f"{name}: found big-endian numbers, expected little-endian; save it again")
    root = unpickle(io.BytesIO(archive.read(pickled)), _KNOWN, _storage)
    return TorchFile(name, len(data), root, lambda key: archive.read(f"{folder}data/{key}"))


def _read_legacy(data: bytes, name: str) -> TorchFile:
    stream = io.BytesIO(data)
    magic, protocol = (unpickle(stream, _KNOWN, _storage) for _ in range(2))
    if (magic, protocol) != (_LEGACY_MAGIC, _LEGACY_PROTOCOL):
        raise CheckpointError(f"{name}: not a file of torch.save; give the published .pth or .pt file")
    if not unpickle(stream, _KNOWN, _storage)["little_endian"]:
        raise CheckpointError(f"{name}: found big-endian numbers, expected little-endian; save it again")
    dtypes: dict[str, torch.dtype] = {}

    def noted(pid: object) -> object:
        """The element type of each storage is told only here."""
        found = _storage(pid)
        if isinstance(found, StorageRef):
            dtypes[found.key] = found.dtype
        return found

    root = unpickle(stream, _KNOWN, noted)
    view, storages = memoryview(data), {}
    for key in unpickle(stream, _KNOWN, _storage):
        if not isinstance(key, str):  # before it is hashed, which takes years of some nested tuples
            raise UnpicklingError("it lists something that is not a storage")
        start = stream.tell() + 8
        count = int.from_bytes(stream.read(8), "little", signed=True)
        end = start + count * dtypes[key].itemsize
        if not start <= end <= len(data):
            raise CheckpointError(f"{name}: ends within storage {key}; the file is truncated")
        storages[key] = view[start:end]
        stream.seek(end)
    return TorchFile(name, len(data), root, storages.__getitem__)


def _storage(pid: object) -> object:
    """What a reference to something outside of the pickle stands for."""
    match pid:
        case ("module", Named() as found, *_):  # a class beside its source code, in the legacy format
            return found
        case ("storage", torch.dtype() as dtype, str(key), str(), int()):
            return StorageRef(key, dtype)
        case ("storage", torch.dtype() as dtype, str(key), str(), int(), None):
            return StorageRef(key, dtype)
    raise UnpicklingError("it refers to something that is not a storage")
