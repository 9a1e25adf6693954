"""Shard sets of any size without a frame in them: their tables are drawn, their shards are not there."""

import hashlib
import json

import numpy as np
import pyarrow as pa

from shards.codecs import Codec
from shards.entries import Geometry
from shards.manifest import Manifest
from shards.names import shard_name, video_stem
from shards.packing import packed
from shards.records import END_OF_TAR
from shards.rows import Videos
from shards.tables import SCHEMAS, Tables

SIZE, WINDOW = 16, 5
FRAMES = 1000
"""Of each video: 32 segments, as clips of the known datasets have them."""
_STRIDE, _LONGEST = 32, 36
_METADATA = 2048
"""Bytes of a record that are not pixels."""


def simulated(names: list[str], *, length: int = FRAMES, side: int = SIZE) -> Manifest:
    """A set of these training videos, which must be in natural order.

    Args:
        names: of the videos.
        length: frames of each.
        side: height and width of the frames.
    """
    count = len(names)
    first = np.arange(0, length - WINDOW + 1, _STRIDE)
    frames = np.minimum(_LONGEST, length - first)
    size = frames * side * side * 3 + _METADATA
    ends = np.cumsum(size)
    each = len(first)
    digests = np.random.default_rng(0).bytes(32 * each * count)
    segments = {
        "shard": np.repeat(np.arange(count, dtype=np.uint32), each),
        "video": np.repeat(np.arange(count, dtype=np.uint32), each),
        "offset": np.tile((ends - size).astype(np.uint64), count),
        "size": np.tile(size.astype(np.uint32), count),
        "digest": pa.Array.from_buffers(pa.binary(32), each * count, [None, pa.py_buffer(digests)]),
        "first": np.tile(first.astype(np.uint32), count),
        "frames": np.tile(frames.astype(np.uint16), count),
        "windows": np.tile(np.minimum(_STRIDE, frames - WINDOW + 1).astype(np.uint16), count),
        "channels": np.full(each * count, 3, np.uint8),
    }
    videos = {
        "name": names,
        "split": ["training"] * count,
        "frames": np.full(count, length, np.uint32),
        "source": [json.dumps(_source(name, length), sort_keys=True) for name in names],
        **dict.fromkeys(("abnormal", "label_source", "masks"), [None] * count),
    }
    shards = {
        "name": [shard_name(video_stem("training", name), 0, 64 * "0") for name in names],
        "bytes": np.full(count, ends[-1] + len(END_OF_TAR), np.uint64),
    }
    own = Tables(_batch("videos", videos), _batch("shards", shards), _batch("segments", segments))
    tables, _ = packed(own, np.ones(count, bool))
    return Manifest(
        dataset="folder",
        geometry=Geometry(height=side, width=side),
        codec=Codec(),
        window=WINDOW,
        videos=Videos([tables]),
    )


def _source(name: str, length: int) -> dict[str, object]:
    """As much as `preprocess` records of a file without oddities."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return {
        "kind": "video",
        "file": f"{name}.mp4",
        "bytes": 4_718_592,
        "digest": digest,
        "decoder": "pyav",
        "codec": "h264",
        "rate": 25.0,
        "even": True,
        "track": 0,
        "other_tracks": [],
        "packets": length,
        "frames_header": length,
        "interlaced_frames": 0,
        "damaged_frames": 0,
        "lost_packets": 0,
        "complaints": [],
        "decoder_errors": 0,
        "first_decoder_error": None,
        "sizes": [[0, 480, 856]],
    }


def _batch(table: str, columns: dict[str, object]) -> object:
    schema = SCHEMAS[table]
    return pa.record_batch(
        [
            column if isinstance(column, pa.Array) else pa.array(column, schema.field(name).type)
            for name, column in columns.items()
        ],
        schema=schema,
    )
