"""Every codec through what codecs have in common, and one that is added."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shards.choices import CodecName
from shards.codecs import CLASSES, Codec
from shards.codecs.pixelcodec import PixelCodec
from shards.errors import CorruptShardError, ShardError
from shards.manifest import load_manifest
from shards.reader import SegmentReader
from shards.records import members, metadata, record
from shards.storage import Storage
from shards.verify import verify
from tests.helpers.shards import make_set, random_frames

Shape = tuple[int, int, int, int]
KEY = "testing-a-00000000"
PIXELS = st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3])).flatmap(
    lambda shape: arrays(np.uint8, shape)
)


def codec_named(name: CodecName) -> Codec:
    return Codec(name=name, quality=100 if name == "jpeg" else None)


def record_of(codec: PixelCodec, frames: np.ndarray) -> bytes:
    facts = metadata(video="a", first=0, frames=len(frames), channels=frames.shape[3])
    return b"".join(record(KEY, {"json": [facts], **codec.encode(frames)}))


def read_back(codec: PixelCodec, stored: bytes, shape: Shape, *, is_new: bool) -> np.ndarray:
    """The frames as a reader has them filled, in buffers that hold something else before."""
    frames = np.full(shape, 77, np.uint8)

    def fill(buffers: Sequence[memoryview]) -> bool:
        rest = memoryview(stored)
        for buffer in buffers:
            buffer[:], rest = rest[: len(buffer)], rest[len(buffer) :]
        assert not rest
        return is_new

    codec.read_into(len(stored), KEY, frames, lambda size: memoryview(bytearray(size)), fill)
    return frames


@given(frames=PIXELS, is_new=st.booleans())
@pytest.mark.parametrize("name", CLASSES)
def test_a_codec_gives_back_what_was_stored_by_each_way_of_reading(
    name: CodecName, frames: np.ndarray, is_new: bool
) -> None:
    codec = codec_named(name).pixels
    stored = record_of(codec, frames)
    least, most = codec.record_sizes(frames.size, len(frames))
    assert least <= len(stored) <= most
    decoded = codec.decode(memoryview(stored), KEY, frames.shape)
    if name != "jpeg":
        np.testing.assert_array_equal(decoded, frames)
    filled = np.full_like(frames, 77)
    codec.decode_into(memoryview(stored), KEY, filled)
    np.testing.assert_array_equal(filled, decoded)
    np.testing.assert_array_equal(read_back(codec, stored, frames.shape, is_new=is_new), decoded)


@given(level=st.integers(0, 255), shape=st.tuples(st.integers(1, 4), st.integers(1, 20), st.integers(1, 20)))
def test_jpeg_keeps_frames_of_one_level(level: int, shape: tuple[int, int, int]) -> None:
    frames = np.full((*shape, 1), level, np.uint8)
    codec = codec_named("jpeg").pixels
    decoded = codec.decode(memoryview(record_of(codec, frames)), KEY, (*shape, 1))
    assert np.abs(decoded.astype(int) - level).max() <= 1


@pytest.mark.parametrize("name", CLASSES)
def test_a_record_of_another_shape_is_refused_by_each_way_of_reading(name: CodecName) -> None:
    codec = codec_named(name).pixels
    stored = record_of(codec, np.zeros((2, 6, 4, 3), np.uint8))
    for shape in ((2, 4, 6, 3), (3, 6, 4, 3), (2, 6, 4, 1)):
        with pytest.raises(CorruptShardError):
            codec.decode(memoryview(stored), KEY, shape)
        with pytest.raises(CorruptShardError):
            codec.decode_into(memoryview(stored), KEY, np.empty(shape, np.uint8))
        with pytest.raises(CorruptShardError):
            read_back(codec, stored, shape, is_new=True)


def test_raw_pixels_are_not_copied() -> None:
    frames = random_frames(3)
    codec = codec_named("raw").pixels
    (_, pixels) = codec.encode(frames)["npy"]
    assert np.shares_memory(np.frombuffer(pixels, np.uint8), frames)
    stored = record_of(codec, frames)
    decoded = codec.decode(memoryview(stored), KEY, frames.shape)
    assert np.shares_memory(decoded, np.frombuffer(stored, np.uint8))
    filled: list[memoryview] = []

    def fill(buffers: Sequence[memoryview]) -> bool:
        filled.extend(buffers)
        return False

    codec.read_into(len(stored), KEY, frames, lambda size: memoryview(bytearray(size)), fill)
    assert any(np.shares_memory(np.frombuffer(buffer, np.uint8), frames) for buffer in filled)


def test_the_names_that_options_and_manifests_know_are_those_of_the_classes() -> None:
    assert tuple(CLASSES) == get_args(CodecName)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "zip"}, "codec 'zip' is not one of raw, deflate, jpeg"),
        ({"name": ["raw"]}, r"codec \['raw'\] is not one of raw, deflate, jpeg"),
        ({"name": "jpeg"}, "a jpeg codec has a quality, the others have none"),
        ({"name": "raw", "quality": 95}, "a jpeg codec has a quality, the others have none"),
        ({"name": "deflate", "quality": 1}, "a jpeg codec has a quality, the others have none"),
        ({"name": "jpeg", "quality": 101}, "jpeg quality 101 is not between 1 and 100"),
        ({"name": "jpeg", "quality": True}, "jpeg quality True is not between 1 and 100"),
        ({"name": "jpeg", "quality": "95"}, "jpeg quality '95' is not between 1 and 100"),
    ],
)
def test_a_codec_that_is_none_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ShardError, match=f"^{message}$"):
        Codec(**fields)


class Zlib(PixelCodec):
    """A codec as somebody may add one."""

    def encode(self, frames: np.ndarray) -> dict[str, list[bytes | memoryview]]:
        return {"z": [zlib.compress(frames.tobytes())]}

    def decode_into(self, record: memoryview, key: str, frames: np.ndarray) -> None:
        data = zlib.decompress(members(record, key, ["json", "z"])[-1])
        if len(data) != frames.size:
            raise CorruptShardError(f"found {len(data)} bytes, expected {frames.size}")
        frames[...] = np.frombuffer(data, np.uint8).reshape(frames.shape)


def test_a_codec_is_added_by_its_class_and_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CLASSES, "zlib", Zlib)
    videos = [random_frames(40, seed=1), random_frames(9, seed=2, gray=True)]
    manifest = make_set(tmp_path, {"training": videos}, codec=Codec(name="zlib"))  # type: ignore[arg-type]
    storage = Storage(tmp_path)
    loaded = load_manifest(storage)
    assert loaded.codec == Codec(name="zlib") == manifest.codec  # type: ignore[arg-type]
    assert verify(storage, loaded, lambda shard: None) == []
    reader = SegmentReader(storage, loaded)
    segments = loaded.segments("training", 5)
    assert [(located.video, located.segment.frames) for located in segments] == [(0, 36), (0, 8), (1, 9)]
    for located in segments:
        first, count = located.segment.first, located.segment.frames
        expected = videos[located.video][first : first + count, ..., : located.segment.channels]
        np.testing.assert_array_equal(reader.read(located), expected)
