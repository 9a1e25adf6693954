"""Files in the form in which the method's authors publish models: a whole pickled module and a tensor.

The classes exist only while a file is written, as they do not exist where it is read. Values repeat
within small storages, which keeps the files small.
"""

import io
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mnad import MNAD
from mnad.model import Task
from pipeline.import_reference.weights import BLOCKS

MODULE = "published_model.network"


def published_names(task: Task) -> dict[str, str]:
    """Our names to the published ones, the memory left out."""
    blocks = {ours: published for published, ours in BLOCKS.items()}
    with torch.device("meta"):
        names = [n for n in MNAD(task, window=5 if task == "pred" else 1).state_dict() if n != "memory.items"]
    return {name: f"{blocks[name.rsplit('.', 2)[0]]}.{'.'.join(name.rsplit('.', 2)[1:])}" for name in names}


def state_dict(task: Task, seed: int = 0) -> dict[str, Tensor]:
    """Small random weights under the published names, the unused layer included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        shapes = MNAD(task, window=5 if task == "pred" else 1).state_dict()
    state = {}
    for ours, name in published_names(task).items():
        shape = shapes[ours].shape
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        else:
            base = torch.rand(sum(shape) + 1, generator=generator) * 0.1
            state[name] = base.as_strided(shape, [1] * len(shape))
    unused = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
    for kind, value in unused.items():
        state[f"encoder.moduleBatchNorm.{kind}"] = torch.full((512,), value)
    return state


def keys(seed: int = 0, items: int = 10) -> Tensor:
    """Memory items, unit length."""
    values = torch.rand(items, 512, generator=torch.Generator().manual_seed(seed))
    return nn.functional.normalize(values, dim=1)


def save(value: object, *, legacy: bool = False) -> bytes:
    """What torch.save writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def whole_module(state: dict[str, Tensor], *, legacy: bool = False) -> bytes:
    """A pickled module tree that holds `state`; its classes are gone afterwards."""
    with _classes() as (root_class, part_class), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Couldn't retrieve source code")
        root = root_class()
        for name, tensor in state.items():
            *path, last = name.split(".")
            module = root
            for step in path:
                if step not in module._modules:
                    module.add_module(step, part_class())
                module = module.get_submodule(step)
            if last in ("weight", "bias"):
                module.register_parameter(last, nn.Parameter(tensor))
            else:
                module.register_buffer(last, tensor)
        return save(root, legacy=legacy)


@contextmanager
def _classes() -> Iterator[tuple[type[nn.Module], type[nn.Module]]]:
    package, module = types.ModuleType(MODULE.partition(".")[0]), types.ModuleType(MODULE)
    made = []
    for name in ("convAE", "Part"):
        made.append(type(name, (nn.Module,), {"__module__": MODULE}))
        setattr(module, name, made[-1])
    sys.modules.update({package.__name__: package, MODULE: module})
    try:
        yield made[0], made[1]
    finally:
        del sys.modules[package.__name__], sys.modules[MODULE]
