"""The digest of a segment is that of its bytes, however much of it was hashed while its frames were drawn."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shards.rolling
from shards.codecs import Codec
from shards.digests import digest_of
from shards.entries import Shard
from shards.limits import SEGMENT_WINDOWS
from shards.rolling import Pieces
from shards.storage import Storage
from shards.writer import write_video
from tests.helpers.shards import drawn, random_frames


def written(folder: Path, frames: np.ndarray, window: int, codec: Codec) -> tuple[Shard, ...]:
    return write_video(
        Storage(folder),
        "training",
        "v",
        drawn(frames),
        frames.shape[1:3],
        window=window,
        codec=codec,
        shard_bytes=1 << 16,
    )[1]


@settings(deadline=None)
@given(
    count=st.integers(1, 150),
    window=st.integers(1, 80),
    gray=st.lists(st.integers(0, 149)),
    codec=st.sampled_from([Codec(), Codec(name="deflate"), Codec(name="jpeg", quality=90)]),
)
def test_digests_are_those_of_the_stored_bytes(
    count: int, window: int, gray: list[int], codec: Codec
) -> None:
    frames = random_frames(count, (4, 4))
    for number in gray:
        frames[number:][:40, ..., 1:] = frames[number:][:40, ..., :1]
    with tempfile.TemporaryDirectory() as folder:
        for shard in written(Path(folder), frames, window, codec):
            data = (Path(folder) / shard.name).read_bytes()
            for segment in shard.segments:
                assert segment.digest == digest_of([data[segment.offset : segment.offset + segment.size]])


def test_full_segments_in_colour_are_not_hashed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []

    def counting(pieces: Pieces) -> str:
        hashed.append(pieces)
        return digest_of(pieces)

    monkeypatch.setattr(shards.rolling, "digest_of", counting)
    frames = random_frames(3 * SEGMENT_WINDOWS + 4, (8, 8))
    found = [segment for shard in written(tmp_path, frames, 5, Codec()) for segment in shard.segments]
    assert ([segment.frames for segment in found], hashed) == ([SEGMENT_WINDOWS + 4] * 3, [])
    written(tmp_path, frames[:-1], 5, Codec())
    assert len(hashed) == 1  # the last one is shorter than others
