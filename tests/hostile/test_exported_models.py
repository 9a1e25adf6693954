"""An exported model from elsewhere takes no more memory and time than a step of its geometry needs."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mnad.step import Inputs, Outputs
from pipeline.runtimes.silent import openvino
from tests.helpers.limits import limited

opset = openvino.opset13
SIZE, WINDOW, ITEMS = 64, 5, 10
READ = """
for folder in map(pathlib.Path, sys.argv[1:]):
    xml, weights, expected = ((folder / name).read_bytes() for name in ("model.xml", "model.bin", "expected"))
    try:
        with_openvino.read(xml, weights, "model.xml", bounds(10, 5, 64, 64))
        found = ""
    except CheckpointError as refusal:
        found = str(refusal)
    assert expected.decode() in found and bool(expected) == bool(found), (folder, found)
"""
IMPORTS = """
from pipeline.errors import CheckpointError
from pipeline.runtimes import with_openvino
from pipeline.runtimes.bounds import bounds
"""
NUMBER = 4
"""In a model.bin, in the place of which an attack puts a larger one."""


def step(made: Callable[..., Any]) -> Any:
    """A model with the inputs of a step, whose outputs are all the one of length 1 that is made of them."""
    shapes: list[list[int]] = [[-1, WINDOW, SIZE, SIZE, 3], [-1, ITEMS, 512], [], [SIZE, SIZE]]
    inputs = [
        opset.parameter(shape, np.uint8 if name == "window" else np.float32)
        for name, shape in zip(Inputs._fields, shapes, strict=True)
    ]
    output = made(*inputs)
    outputs = [opset.add(output, real(i)) for i in range(len(Outputs._fields))]
    for ports, names in ((inputs, Inputs._fields), (outputs, Outputs._fields)):
        for port, name in zip(ports, names, strict=True):
            port.output(0).get_tensor().set_names({name})
    return openvino.Model([opset.result(each) for each in outputs], inputs, "step")


def whole(*values: int) -> Any:
    return opset.constant(np.array(values, np.int64))


def real(*values: float) -> Any:
    return opset.constant(np.array(values, np.float32))


def of_values(values: Any) -> Any:
    """One of many."""
    return opset.reduce_max(values, whole(0), keep_dims=True)


def one(threshold: Any) -> Any:
    return opset.reshape(threshold, whole(1), False)


def sound(_window: Any, _memory: Any, threshold: Any, _keep: Any) -> Any:
    return opset.relu(one(threshold))


def looping(_window: Any, _memory: Any, threshold: Any, _keep: Any) -> Any:
    """Runs for ever."""
    inner = opset.parameter([1], np.float32)
    outer = opset.result(opset.add(inner, real(1)))
    going = opset.result(opset.constant(np.array([True])))
    loop = opset.loop(opset.constant(np.int64(-1)), opset.constant(np.array(True)))
    loop.set_function(openvino.Model([going, outer], [inner], "body"))
    loop.set_special_body_ports([-1, 0])
    loop.set_merged_input(inner, one(threshold).output(0), outer.output(0))
    return loop.get_iter_value(outer.output(0), -1)


def evaluated(_window: Any, _memory: Any, threshold: Any, _keep: Any) -> Any:
    """A shape that is the largest of a constant's many values, which reading computes: 60 s for 2^32."""
    many = opset.broadcast(whole(1), whole(NUMBER))
    return opset.reshape(threshold, of_values(many), False)


def vast(_window: Any, _memory: Any, threshold: Any, _keep: Any) -> Any:
    return of_values(opset.broadcast(threshold, whole(NUMBER)))


def together(_window: Any, _memory: Any, threshold: Any, _keep: Any) -> Any:
    """None larger than a tensor may be."""
    many = [
        opset.broadcast(opset.add(threshold, opset.constant(np.float32(i))), whole(9_000_000))
        for i in range(40)
    ]
    return of_values(opset.concat([of_values(each) for each in many], 0))


def doubled(_window: Any, _memory: Any, threshold: Any, _keep: Any) -> Any:
    values = one(threshold)
    for _ in range(60):
        values = opset.concat([values, values], 0)
    return of_values(values)


def squared(_window: Any, memory: Any, _threshold: Any, _keep: Any) -> Any:
    """One value for one window, a million for a thousand."""
    column = opset.reduce_max(memory, whole(1, 2))
    row = opset.unsqueeze(column, opset.constant(np.int64(0)))
    square = opset.multiply(opset.unsqueeze(column, opset.constant(np.int64(1))), row)
    return opset.reduce_max(square, whole(1))


def told_by_the_input(_window: Any, _memory: Any, threshold: Any, _keep: Any) -> Any:
    length = opset.convert(one(threshold), "i64")
    return of_values(opset.broadcast(threshold, length))


def products(_window: Any, _memory: Any, threshold: Any, _keep: Any) -> Any:
    """Small tensors, each value of which is a sum of a thousand."""
    values = square = opset.broadcast(threshold, whole(1024, 1024))
    for _ in range(20):
        values = opset.matmul(values, square, True, False)
    return of_values(opset.reshape(values, whole(-1), False))


ATTACKS: tuple[tuple[Callable[..., Any], int, str], ...] = (
    (looping, NUMBER, "the operator 'Loop'"),
    (evaluated, 1 << 32, "Reshape of a computed shape"),
    (vast, 1 << 40, "expected at most"),
    (together, NUMBER, "bytes of tensors"),
    (doubled, NUMBER, "expected at most"),
    (squared, NUMBER, "but for the batch"),
    (told_by_the_input, NUMBER, "Broadcast of a computed shape"),
    (products, NUMBER, "multiplications"),
    (sound, NUMBER, ""),
)
"""What makes the graph, the number in place of NUMBER, and what is said of it."""


def test_a_graph_that_takes_more_than_a_step_is_refused_before_it_does(tmp_path: Path) -> None:
    for made, number, message in ATTACKS:
        folder = tmp_path / made.__name__
        openvino.save_model(step(made), folder / "model.xml", compress_to_fp16=False)
        weights = (folder / "model.bin").read_bytes()
        changed = weights.replace(struct.pack("<q", NUMBER), struct.pack("<q", number))
        (folder / "model.bin").write_bytes(changed)
        (folder / "expected").write_text(message)
    done = limited(READ, *tmp_path.iterdir(), imports=IMPORTS)
    assert done.error is None
    assert done.peak < 100_000_000
