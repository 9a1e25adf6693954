"""Sources of which there is more to tell than anybody reads: what is kept and shown of them stays short."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.jobs import MOST_LISTED
from pipeline.preprocess.run import preprocess
from pipeline.video.audit import audit
from pipeline.video.files import decoded_file
from shards.manifest import load_manifest
from shards.storage import Storage
from tests.helpers.videos import write_images

CLUSTER = b"\x1f\x43\xb6\x75"
INDEX = b"\x1c\x53\xbb\x6b"
BROKEN = CLUSTER + b"\x01" + b"\xff" * 7 + b"\xe7\x81\x00" + bytes(4)
"""A cluster of unknown size with elements of no kind, which the demuxer speaks of."""


def rubbish(path: Path, clusters: int) -> None:
    """A Matroska file with broken clusters at its end."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for level in range(30):
            picture = np.full((32, 32, 3), level * 8, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    last = data.rfind(CLUSTER)
    path.write_bytes(data[:last] + data[last:].split(INDEX)[0] + BROKEN * clusters)


def still(*_: int) -> None:
    pass


def test_a_few_complaints_of_a_file_are_kept_and_the_others_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    rubbish(path, 2000)
    complaints = audit(path, "a.mkv", still).complaints
    assert len(complaints) == len({*complaints}) == 17
    assert complaints[-1].startswith("and ") and int(complaints[-1].split()[1]) > 1000
    assert max(map(len, complaints)) < 210
    with (
        pytest.raises(SourceError) as caught,
        decoded_file(path, "a.mkv", by_decord=False, keep_damage=False, heartbeat=still) as file,
    ):
        list(file.frames)
    line = str(caught.value)
    assert line.startswith("a.mkv: ") and "; ".join(complaints) in line
    assert len(line) < 4000


def test_a_few_complaints_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    rubbish(path, 2)
    complaints = audit(path, "a.mkv", still).complaints
    assert 0 < len(complaints) < 16
    assert not any(text.startswith("and ") for text in complaints)


def test_what_a_set_tells_of_odd_names_and_sizes_is_bounded_and_read_again(tmp_path: Path) -> None:
    # Every second number is missing, and a third of the images have other names.
    count = MOST_LISTED + 100
    folder = tmp_path / "source" / "training" / "frames" / "cam"
    write_images(
        folder, [np.zeros((8 + number % 40, 8 + number // 40, 3), np.uint8) for number in range(count)]
    )
    for number, image in reversed([*enumerate(sorted(folder.iterdir()))]):
        image.rename(folder / f"{2 * number:06d}.png")
    other = (folder / "000000.png").read_bytes()
    for number in range(MOST_LISTED + 50):
        (folder / f"{'x' * (1 + number % 40)}{'y' * (number // 40)}z.png").write_bytes(other)
    (folder / f"{'9' * 60}.png").write_bytes(other)  # no 64 bits hold it
    summary = preprocess(
        PreprocessConfig(source=str(tmp_path / "source"), shards=str(tmp_path / "set"), size=(32, 32))
    )
    facts = load_manifest(Storage(tmp_path / "set")).videos[0].source
    assert [len(facts[name]) for name in ("missing_numbers", "strays", "sizes")] == [MOST_LISTED] * 3
    assert facts["unlisted_missing"] == count - 1 - MOST_LISTED
    assert facts["unlisted_strays"] == 50
    assert len(json.dumps(facts)) < 200_000
    said = "\n".join(summary.notes)
    assert f"{count - 1} numbers are missing from its images, the first 1" in said
    assert f"left out {MOST_LISTED + 50} images" in said
    assert f"its frames have {MOST_LISTED} sizes or more (" in said
