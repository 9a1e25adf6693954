"""How large the parts of a shard set may be; importing this module costs nothing, so options can be checked.

Whoever reads a set takes memory for what its manifest claims only after the claim was held against these.
"""

SEGMENT_WINDOWS = 32
"""Windows per segment: 36 frames for T = 5, so 1.125 frames are stored (and read) per window."""
SMALL_BYTES = 16 << 20
"""The largest size in bytes of a video's records at which it shares a shard with others: 75 frames of 256x256
in colour, 1,200 of 64x64. At 100 MB/s it takes five times as long to fetch so many bytes from a bucket as
to ask for them."""
SHARED_BYTES = 256 << 20
"""The largest shared shard in bytes, which takes no video past it: a million clips of ten frames of 256x256
lie in 7,353 shards."""
MOST_WINDOW = 1024
"""Frames that T may be."""
MOST_SEGMENT_BYTES = 1 << 30
"""The most bytes of a segment's pixels, decoded: room for 3840x2160 with T = 5."""
MOST_MANIFEST_BYTES = 1 << 20
"""The largest `manifest.json` in bytes; each part of a set takes 700, and a set has a few."""
MOST_TABLE_BYTES = 1 << 32
"""The largest table of a part in bytes: it holds the segments of 2 million videos of 1,000 frames, at 61
bytes for each segment."""
MOST_UNANNOUNCED_BYTES = 4 << 30
"""The largest video, in bytes, of a web server that does not say how large it is: an hour of 1080p at 9
Mbit/s."""
MOST_LISTING_BYTES = 4 << 30
"""The most bytes by which the process may grow while a bucket lists a folder."""
MOST_MASK_PIXELS = 1 << 27
"""The most pixels of one frame's mask, in the geometry of the source."""
MOST_MASK_METADATA = 1 << 20
"""Bytes of a file of masks that are not theirs: headers, and 1/3,000 that deflate may add. They take 1 kB."""
MOST_EXPANSION = 1032
"""Bytes that one stored byte may stand for: the most that deflate can, and five times what a JPEG of the
`jpeg` codec does for frames of one colour."""
MOST_RECORD_METADATA = 64 << 10
"""Bytes of a record that are not pixels: headers of a tar, metadata, padding; 1 KB more for each JPEG."""


def segment_bytes(height: int, width: int, window: int) -> int:
    """Bytes of the pixels of a full segment in colour."""
    return (SEGMENT_WINDOWS + window - 1) * height * width * 3
