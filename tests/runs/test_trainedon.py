"""What a checkpoint says of the video it was trained on comes back whole, or the file is one clear error."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from pipeline.errors import CheckpointError
from pipeline.inspect.overview import overview
from pipeline.runs.checkpoint import checkpoint_from_bytes
from pipeline.runs.header import FORMAT, VERSION, Header, read_header
from pipeline.runs.trainedon import common_depth, depth_of, trained_on
from pipeline.terminal.tables import print_table
from shards.holdout import HeldOut
from shards.storage import Storage
from tests.helpers.mutation import mutated_json

FILE = "best.safetensors"
HELD_OUT = (HeldOut(video="day/01", start=0, end=90), HeldOut(video="é", start=80, end=100, gap=10))
DATA = trained_on(12.5, HELD_OUT, (7000, 7510))
SPEC = {"method": "pred", "window": 5, "items": 4, "height": 16, "width": 16}
OUTCOMES: Counter[str] = Counter()
"""What came of the mutated inputs; printed by `pytest -s`."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("made")
    print(*sorted(OUTCOMES.items()), sep="\n")


def written(folder: Path, data: Any) -> Header:
    """The header of a checkpoint without tensors whose origin has `data`."""
    fields = {"format": FORMAT, "version": VERSION, "spec": SPEC, "step": 3, "epoch": 1}
    text = json.dumps({"__metadata__": {"mnad": json.dumps(fields | {"origin": {"data": data}})}}).encode()
    (folder / FILE).write_bytes(len(text).to_bytes(8, "little") + text)
    return read_header(Storage(folder), FILE, "x")


def test_a_header_gives_rate_and_what_was_kept_aside(folder: Path) -> None:
    header = written(folder, DATA)
    assert (header.rate, header.held_out) == (12.5, HELD_OUT)
    assert depth_of(header.origin) == (7000, 7510)


@pytest.mark.parametrize("data", [None, "training", {}, {"dataset": "folder", "training": "0" * 64}])
def test_a_checkpoint_of_before_says_neither(folder: Path, data: Any) -> None:
    header = written(folder, data)
    assert (header.rate, header.held_out, depth_of(header.origin)) == (None, (), None)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"rate": 0}, "found rate 0, expected frames per second"),
        ({"rate": "25"}, "found rate '25'"),
        ({"held_out": {}}, r"found held_out \{\}, expected frames of videos"),
        ({"held_out": [["a", 0, 10]]}, "found held_out"),
        ({"held_out": [["a", 10, 10, 0]]}, "found held_out"),
        ({"held_out": [["a", 5, 10, 6]]}, "found held_out"),
        ({"held_out": [["a", 5, True, 0]]}, "found held_out"),
        ({"held_out": [["", 5, 10, 0]]}, "found held_out"),
        ({"depth_range": "auto"}, "found depth_range 'auto', expected two values of 16 bits"),
        ({"depth_range": [510, 7]}, "found depth_range"),
        ({"depth_range": [0, 65536]}, "found depth_range"),
        ({"depth_range": [0, True]}, "found depth_range"),
    ],
)
def test_what_cannot_be_is_refused(folder: Path, data: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=f"^x: {message}.*; train or import it again$"):
        written(folder, data)
    with pytest.raises(CheckpointError, match=message):
        checkpoint_from_bytes((folder / FILE).read_bytes(), "x")


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([], None),
        ([None, None], None),
        ([[7, 9], [7, 9]], (7, 9)),
        ([[7, 9], [7, 8]], "several"),
        ([[7, 9], None], "several"),
        (["all"], "several"),
    ],
)
def test_videos_have_one_range_or_several(ranges: list[object], expected: object) -> None:
    sources: list[dict[str, Any]] = [
        {"kind": "video"},
        *({"depth": {"bits": 16, "range": each}} for each in ranges),
    ]
    depth = common_depth(sources)
    assert depth == expected
    assert depth_of({"data": trained_on(None, (), depth)}) == expected


@settings(max_examples=400, deadline=None)
@given(mutated=mutated_json(DATA))
def test_mutated_data_is_shown_or_refused_in_one_line(folder: Path, mutated: bytes) -> None:
    try:
        data = json.loads(mutated)
        header = written(folder, data)
        for table in overview(Storage(folder / FILE)):
            print_table(*table)
    except RecursionError:  # nested deeper than a checkpoint could be written
        OUTCOMES["not written"] += 1
    except CheckpointError as error:
        assert "\n" not in str(error)
        OUTCOMES["refused"] += 1
    else:
        assert header.rate is None or header.rate > 0
        OUTCOMES["shown"] += 1


def test_two_hundred_thousand_videos_fit_into_a_header(folder: Path) -> None:
    held_out = tuple(HeldOut(video=f"camera-07/{n:06d}", start=0, end=1000) for n in range(200_000))
    assert written(folder, trained_on(25.0, held_out)).held_out == held_out
