"""What a model is: which facts no model has, and that a header names the first of them."""

import dataclasses
import json
import struct
from typing import Any

import pytest

from pipeline.errors import CheckpointError
from pipeline.runs.header import header_from_start
from pipeline.runs.spec import ModelSpec

SPEC = ModelSpec(method="pred", window=5, items=10, height=48, width=64)


def header(**changed: Any) -> bytes:
    """The start of a checkpoint whose header says something else of the model."""
    record = {
        "format": "mnad-checkpoint",
        "version": 1,
        "spec": {**dataclasses.asdict(SPEC), **changed},
        "step": 3,
        "epoch": 1,
        "origin": {},
    }
    text = json.dumps({"__metadata__": {"mnad": json.dumps(record)}}).encode()
    return struct.pack("<Q", len(text)) + text


def test_a_header_gives_the_model_that_was_written() -> None:
    assert header_from_start(header(), "x").spec == SPEC
    assert (SPEC.size, SPEC.frame) == ("48x64", "48x64 BGR")
    unknown = dataclasses.replace(SPEC, height=None, width=None)
    assert unknown.frame == "any size BGR"
    assert list(unknown.wrong()) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"method": "gan"}, "method 'gan', expected pred or recon"),
        ({"window": 1}, "window 1, expected 2 or more for pred, 1 for recon"),
        ({"method": "recon"}, "window 5, expected 2 or more for pred, 1 for recon"),
        ({"window": True}, "window True, expected 2 or more for pred, 1 for recon"),
        ({"items": 1}, "items 1, expected 2 or more"),
        ({"items": 1 << 21}, "items 2097152, expected 2 or more"),
        ({"channels": 4}, "channels 4, expected 1 to 3"),
        ({"channel_order": "GBR"}, "channel_order 'GBR', expected BGR or RGB"),
        ({"height": 20}, "height 20, expected pixels, a multiple of 8"),
        ({"width": "64"}, "width '64', expected pixels, a multiple of 8"),
        ({"width": None}, "size '48xNone', expected both height and width, or neither"),
    ],
)
def test_what_no_model_has_is_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        header_from_start(header(**changed), "x")
    assert str(caught.value) == f"x: found {message}; train or import it again"


def test_facts_that_a_model_does_not_have_are_refused() -> None:
    with pytest.raises(CheckpointError, match="unexpected keyword argument 'colour'"):
        header_from_start(header(colour="red"), "x")


@pytest.mark.parametrize(("method", "window"), [("pred", 3), ("recon", 1)])
def test_the_model_that_is_built_has_these_facts(method: Any, window: int) -> None:
    spec = dataclasses.replace(SPEC, method=method, window=window, items=6, channels=1)
    model = spec.build("uniform")
    assert (model.task, tuple(model.memory.items.shape)) == (method, (6, 512))
    weights = model.state_dict()
    assert weights["encoder.levels.0.0.weight"].shape[1] == max(1, window - 1)
    assert weights["encoder.levels.0.1.weight"].std() > 0.1  # drawn, where "ones" are all alike
