"""Reads torch files (the legacy and the zip format) as data: no code in the file is ever run.

The unpickler knows tensors and plain containers. Every other class becomes an inert one, whose instances
hold the state that was pickled and do nothing; calling anything else, which is how a pickle runs code,
is refused. Tensors stay descriptions until `Tensors.load` is asked for one, so that no size that the
file claims is believed before the caller has compared it with what it expects.
"""

import io
import pickle
import sys
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pipeline.errors import CheckpointError

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


class _InertType(type):
    """The type of classes that stand for unknown ones: calling them is refused."""

    def __call__(cls, *_: object, **__: object) -> Any:
        raise pickle.UnpicklingError(f"it wants to call {cls.__module__}.{cls.__qualname__}")

    def __setattr__(cls, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f"it wants to change {cls.__module__}.{cls.__qualname__}")


class Inert(metaclass=_InertType):
    """An object of a class that is unknown here: its pickled state, and nothing else."""

    state: dict[str, Any]

    def __new__(cls, *arguments: object) -> "Inert":
        """An instance; refused with arguments, which would be a call."""
        if arguments:
            raise pickle.UnpicklingError(f"it wants to call {cls.__module__}.{cls.__qualname__}")
        made = super().__new__(cls)
        object.__setattr__(made, "state", {})
        return made

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("it holds an object whose state is not a dict")
        object.__setattr__(self, "state", state)

    def __setattr__(self, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f"it wants to set {name} of an object")


class _RebuildTensor:
    """What the file calls to make a tensor."""

    __slots__ = ()

    def __call__(
        self, storage: object, offset: object, shape: object, stride: object, *_: object
    ) -> TensorRef:
        if not (isinstance(storage, StorageRef) and isinstance(offset, int) and offset >= 0):
            raise pickle.UnpicklingError("it holds a tensor without a storage")
        return TensorRef(storage, offset, _sizes(shape), _sizes(stride))


class _RebuildParameter:
    """What the file calls to make a parameter: the tensor itself."""

    __slots__ = ()

    def __call__(self, tensor: object, *_: object) -> object:
        return tensor


def _sizes(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(isinstance(v, int) and v >= 0 for v in values):
        raise pickle.UnpicklingError("it holds a tensor without a shape")
    return values


_KNOWN: dict[tuple[str, str], object] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("__builtin__", "set"): set,
    ("builtins", "set"): set,
    ("torch._utils", "_rebuild_tensor"): _RebuildTensor(),
    ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor(),
    ("torch._utils", "_rebuild_parameter"): _RebuildParameter(),
    ("torch", "Size"): tuple,
    **{("torch", name): dtype for name, dtype in _DTYPES.items()},
}


class _DataUnpickler(pickle.Unpickler):
    """Unpickles data, and nothing that acts."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or top == "__builtin__":
            raise pickle.UnpicklingError(f"it wants to use {module}.{name}")
        return _InertType(name, (Inert,), {"__module__": module})

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case ("module", found, *_):  # a class beside its source code, in the legacy format
                return found
            case ("storage", torch.dtype() as dtype, str(key), str(), int(), *views) if not any(views):
                return StorageRef(key, dtype)
        raise pickle.UnpicklingError("it refers to something that is not a storage")


@dataclass(frozen=True)
class TorchFile:
    """The content of a torch file.

    Attributes:
        name: for messages.
        root: the object that was saved; tensors in it are TensorRef, unknown objects Inert.
    """

    name: str
    root: Any
    _bytes: dict[str, memoryview] = field(repr=False)
    _storages: dict[StorageRef, Tensor] = field(default_factory=dict, repr=False)

    def load(self, tensor: TensorRef) -> Tensor:
        """A copy of a tensor's values.

        Raises:
            CheckpointError: the file does not hold them.
        """
        try:
            if tensor.storage not in self._storages:
                data = bytearray(self._bytes[tensor.storage.key])
                self._storages[tensor.storage] = torch.frombuffer(data, dtype=tensor.storage.dtype)
            whole = self._storages[tensor.storage]
            return whole.as_strided(tensor.shape, tensor.stride, tensor.offset).clone()
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{self.name}: a tensor of {list(tensor.shape)} lies outside its storage; the file is damaged"
            ) from error


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
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{name}: refused: {error}; only tensors and plain containers are read, and no code is run"
        ) from error
    except Exception as error:  # a damaged pickle may fail in any way, but never runs anything
        raise CheckpointError(
            f"{name}: not a whole file of torch.save ({type(error).__name__}); download it again"
        ) from error


def _read_zip(data: bytes, name: str) -> TorchFile:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = {info.filename: info for info in archive.infolist()}
        (pickled,) = (member for member in infos if member.endswith("/data.pkl"))
        folder = pickled.removesuffix("data.pkl")
        if any(info.compress_type != zipfile.ZIP_STORED for info in infos.values()):
            raise CheckpointError(
                f"{name}: found compressed members, expected stored ones as torch.save writes"
            )
        order = f"{folder}byteorder"
        if order in infos and archive.read(order) != b"little":
            raise CheckpointError(f"{name}: found big-endian numbers, expected little-endian; save it again")
        root = _DataUnpickler(io.BytesIO(archive.read(pickled))).load()
        prefix = f"{folder}data/"
        storages = {
            member.removeprefix(prefix): memoryview(archive.read(member))
            for member in infos
            if member.startswith(prefix)
        }
    return TorchFile(name, root, storages)


def _read_legacy(data: bytes, name: str) -> TorchFile:
    stream = io.BytesIO(data)
    magic, protocol = _DataUnpickler(stream).load(), _DataUnpickler(stream).load()
    if (magic, protocol) != (_LEGACY_MAGIC, _LEGACY_PROTOCOL):
        raise CheckpointError(f"{name}: not a file of torch.save; give the published .pth or .pt file")
    if not _DataUnpickler(stream).load()["little_endian"]:
        raise CheckpointError(f"{name}: found big-endian numbers, expected little-endian; save it again")
    unpickler = _RecordingUnpickler(stream)
    root = unpickler.load()
    view, storages = memoryview(data), {}
    for key in _DataUnpickler(stream).load():
        start = stream.tell() + 8
        count = int.from_bytes(stream.read(8), "little", signed=True)
        end = start + count * unpickler.dtypes[key].itemsize
        if not start <= end <= len(data):
            raise CheckpointError(f"{name}: ends within storage {key}; the file is truncated")
        storages[key] = view[start:end]
        stream.seek(end)
    return TorchFile(name, root, storages)


class _RecordingUnpickler(_DataUnpickler):
    """Notes the element type of each storage, which the legacy format tells only here."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.dtypes: dict[str, torch.dtype] = {}

    def persistent_load(self, pid: Any) -> Any:
        found = super().persistent_load(pid)
        if isinstance(found, StorageRef):
            self.dtypes[found.key] = found.dtype
        return found
