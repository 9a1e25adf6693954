"""Read a shard set with a stock webdataset pipeline, without any of this project's code.

    python examples/read_with_webdataset.py SHARDS

The tars hold segments: runs of consecutive frames of one video. Neighbouring segments overlap by T - 1
frames, so every window of T frames lies whole in exactly one of them. This reader checks no digests: run
`python cli.py verify SHARDS` first if the set comes from somebody else.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import webdataset


def frames_of(record: dict[str, Any]) -> np.ndarray:
    """Frames of one segment, uint8 (F, H, W, C).

    The order is BGR, and C is 1 where all channels are equal; the jpeg codec gives RGB, and C is 3.
    """
    for name in ("npy", "npy.gz"):
        if name in record:
            return np.asarray(record[name])
    return np.stack([record[name] for name in sorted(record) if name.endswith(".jpg")])


def main(shards: str) -> None:
    """Print what each segment holds."""
    urls = sorted(str(path) for path in Path(shards).glob("*.tar"))
    # A segment has up to 32 windows, so up to 31 + T frames. T is 5 unless preprocess was given --window.
    stored = ["json", "npy", "npy.gz", *(f"{index:04d}.jpg" for index in range(31 + 5))]
    # Without `only`, webdataset unpickles members such as .pyd, which runs the code of whoever wrote the tar.
    for record in webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8", only=stored):
        frames, about = frames_of(record), record["json"]
        print(f"video {about['video']} from frame {about['first']}: {frames.dtype} {frames.shape}")


if __name__ == "__main__":
    main(*sys.argv[1:])
