"""The stock pipeline that the documentation shows reads segments, and runs nobody's code."""

import gc
import pickle
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards.codecs import Codec
from shards.records import BLOCK
from tests.helpers.commands import ROOT
from tests.helpers.forged import first_record, replace_record
from tests.helpers.shards import make_set, random_frames

# The stock reader leaves closing its files to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

FRAMES = random_frames(36, (32, 32))


def shown(folder: Path) -> list[dict[str, Any]]:
    """What the pipeline in docs/streaming.md makes of the shards in a folder."""
    blocks = re.findall(
        r"```python\n(import webdataset\n.*?)```", (ROOT / "docs/streaming.md").read_text(), re.S
    )
    (code,) = blocks
    names: dict[str, Any] = {"urls": sorted(str(path) for path in folder.glob("*.tar"))}
    exec(code, names)
    records = list(names["records"])
    gc.collect()
    return records


@pytest.mark.parametrize("codec", [Codec(), Codec(name="deflate"), Codec(name="jpeg", quality=95)], ids=str)
def test_it_decodes_what_a_segment_holds(tmp_path: Path, codec: Codec) -> None:
    make_set(tmp_path, {"training": [FRAMES]}, codec=codec)
    (record,) = shown(tmp_path)
    assert record["json"] == {"channels": 3, "first": 0, "frames": 36, "video": "01"}
    if codec.name == "jpeg":
        assert all(record[f"{index:04d}.jpg"].shape == (32, 32, 3) for index in range(36))
    else:
        assert np.array_equal(record["npy" if codec.name == "raw" else "npy.gz"], FRAMES)


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("extension", ["pyd", "pkl", "pickle", "pth", "pyd.gz", "a.pyd", "PYD", "json.pyd"])
def test_it_unpickles_nothing(tmp_path: Path, extension: str) -> None:
    make_set(tmp_path / "set", {"training": [FRAMES]})
    data, segment = first_record(tmp_path / "set")
    content = pickle.dumps(Trap(tmp_path / "sprung"))
    entry = tarfile.TarInfo(f"{segment.key}.{extension}")
    entry.size = len(content)
    padded = content + bytes(-len(content) % BLOCK)
    replace_record(tmp_path / "set", data + entry.tobuf(tarfile.USTAR_FORMAT) + padded)
    (record,) = shown(tmp_path / "set")
    assert record[extension.lower()] == content
    assert not (tmp_path / "sprung").exists()
    pickle.loads(content)
    assert (tmp_path / "sprung").exists()  # the trap works
