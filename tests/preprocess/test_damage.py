"""Damage in SHARDS: what can be made again is, and what cannot is one line."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError, CorruptShardError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.jobs import part_name
from pipeline.preprocess.partfiles import part_from_json
from pipeline.preprocess.run import preprocess
from pipeline.preprocess.state import load_state, stamps_name
from pipeline.runs.ownership import CONFIG
from shards.errors import ShardError
from shards.manifest import MANIFEST, load_manifest
from shards.storage import Storage
from tests.helpers import preprocessing
from tests.helpers.forged import video_record
from tests.helpers.mutation import mutated_bytes, mutated_json
from tests.helpers.shards import random_frames
from tests.helpers.videos import write_images

GARBAGE = (b"", b"{", b"\xff\xfe", b"[[[[1]]]]", b"[]", b"null", b'{"format": NaN}', b"x" * 1000)


OUTCOMES: Counter[str] = Counter()
"""What came of the mutated inputs, by file; printed by `pytest -s`."""


def config(folder: Path, **options: Any) -> PreprocessConfig:
    return preprocessing.config(folder / "source", folder / "set", **options)


def shard_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".tar"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("made")
    for name in ("a", "b"):
        write_images(folder / "source" / "training" / name, random_frames(9, seed=ord(name)))
    preprocess(config(folder))
    yield folder
    print(*sorted(OUTCOMES.items()), sep="\n")


def stamps_of(folder: Path) -> str:
    (tables,) = load_manifest(Storage(folder / "set")).videos.parts
    return stamps_name(tables)


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_damaged_manifest_is_made_again(made: Path, copy: Path, garbage: bytes) -> None:
    (copy / "set" / MANIFEST).write_bytes(garbage)
    summary = preprocess(config(copy))
    assert summary.done == 2
    (note,) = (note for note in summary.notes if MANIFEST in note)
    assert note.endswith(": the videos that only it knew were decoded again")
    assert "preprocess again" not in note
    assert (copy / "set" / MANIFEST).read_bytes() == (made / "set" / MANIFEST).read_bytes()
    assert shard_bytes(copy / "set") == shard_bytes(made / "set")
    assert preprocess(config(copy)).done == 0


def test_a_set_of_another_version_is_made_again(copy: Path) -> None:
    path = copy / "set" / MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"version": ', b'"version": 9'))
    with pytest.raises(ShardError, match="preprocess again"):
        load_manifest(Storage(copy / "set"))
    assert preprocess(config(copy)).done == 2
    load_manifest(Storage(copy / "set"))


@pytest.mark.parametrize("garbage", [*GARBAGE, b'{"x": 1}', b"[" * 100_000])
def test_damaged_stamps_cost_another_look_at_the_source_and_nothing_else(copy: Path, garbage: bytes) -> None:
    preprocess(config(copy))
    path = copy / "set" / stamps_of(copy)
    whole = path.read_bytes()
    path.write_bytes(garbage)
    summary = preprocess(config(copy))
    assert summary.done == 0
    (note,) = (note for note in summary.notes if path.name in note)
    assert note.endswith(": the source files were read again")
    assert path.read_bytes() == whole


@pytest.mark.parametrize("garbage", [*GARBAGE, b"[" * 100_000])
def test_a_damaged_part_file_costs_its_video_alone(
    copy: Path, garbage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shards.packing.SMALL_BYTES", 0)
    shutil.rmtree(copy / "set")
    preprocess(config(copy))
    storage = Storage(copy / "set")
    state = load_state(storage, config(copy), storage.read(CONFIG, most=1 << 30))
    assert state.manifest is not None
    names = [part_name("training", name) for name in ("a", "b")]
    for video, stamp, name in zip(state.manifest.videos, state.stamps, names, strict=True):
        storage.write(
            name, json.dumps({"video": video_record(video), "stamp": stamp, "waits": False}).encode()
        )
    storage.delete(MANIFEST)
    storage.write(names[0], garbage)
    summary = preprocess(config(copy))
    assert summary.done == 1
    (note,) = (note for note in summary.notes if names[0] in note)
    assert note.endswith(": its video was decoded again")
    assert preprocess(config(copy)).done == 0


@pytest.mark.parametrize("garbage", [b"\xff", b"[", b"", b"preprocess = 1", b"x = " + b"[" * 10_000])
def test_a_damaged_record_of_the_options_is_one_line(copy: Path, garbage: bytes) -> None:
    (copy / "set" / CONFIG).write_bytes(garbage)
    with pytest.raises(ConfigError, match=r"set/config\.toml: ") as caught:
        preprocess(config(copy))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("recorded", "option", "asked", "told"),
    [
        ("", "size", (32, 24), "--size 16, now asked for 32x24"),
        ("", "window", 4, "--window 5, now asked for 4"),
        ("depth_range = [7000, 7510]", "depth_range", "auto", "--depth-range 7000:7510, now asked for auto"),
        ('depth_range = "auto"', "depth_range", (0, 9), "--depth-range auto, now asked for 0:9"),
        ("depth_range = [9, 0]", "depth_range", (0, 9), "--depth-range [9, 0], now asked for 0:9"),
    ],
)
def test_other_options_are_told_as_they_are_given(
    copy: Path, recorded: str, option: str, asked: object, told: str
) -> None:
    with (copy / "set" / CONFIG).open("a") as file:
        file.write(f"{recorded}\n")
    with pytest.raises(ConfigError, match=re.escape(f"made with {told}; use the same")):
        preprocess(config(copy, **{option: asked}))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_whatever_was_mutated_is_a_state_with_its_damage_or_one_line(
    made: Path, copy: Path, data: st.DataObject
) -> None:
    folder = copy / "set"
    tables = sorted(path.name for path in folder.glob("*.arrows"))
    name = data.draw(st.sampled_from((*tables, MANIFEST, CONFIG)))
    good = (made / "set" / name).read_bytes()
    bad = data.draw(mutated_bytes(good))
    (folder / name).write_bytes(bad)
    try:
        state = load_state(Storage(folder), config(copy), (folder / CONFIG).read_bytes())
    except ConfigError as error:
        assert name == CONFIG
        assert "\n" not in str(error)
        OUTCOMES[f"{name}: refused"] += 1
    else:
        assert not any("\n" in sentence for sentence in state.damage)
        OUTCOMES[f"{name.partition('-')[0]}: {'made again' if state.damage else 'as it was'}"] += 1
    finally:
        (folder / name).write_bytes(good)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_mutated_part_file_is_a_part_or_one_line(made: Path, data: st.DataObject) -> None:
    video = load_manifest(Storage(made / "set")).videos[0]
    good = {"stamp": "0" * 64, "video": video_record(video)}
    bad = data.draw(mutated_bytes(json.dumps(good).encode()) | mutated_json(good))
    try:
        part = part_from_json(bad, "x.part.json")
    except CorruptShardError as error:
        assert str(error).startswith("x.part.json: ")
        assert "\n" not in str(error)
        OUTCOMES["part: refused"] += 1
    else:
        part_from_json(part.to_json(), "x.part.json")
        OUTCOMES["part: read"] += 1
