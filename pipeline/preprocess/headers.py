"""A look at the headers of videos, in a process of its own that a damaged file may take with it.

python -P -m pipeline.preprocess.headers
"""

import contextlib
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.preprocess.source import Source
from pipeline.preprocess.videos import SourceVideo
from pipeline.processes.children import module_command, module_environment
from pipeline.video.images import decode_image
from shards.codec import is_gray

SECONDS = 60.0
"""After which what was found is enough."""
_ADDRESS_SPACE = 4 << 30


def frame_planes(source: Source, videos: Sequence[SourceVideo]) -> dict[str, int]:
    """Frames times channels that differ (1 or 3) of local videos, by title.

    That is what header and first frame say. A video that tells nothing is left out, and so is all that
    follows one that ends the process.
    """
    folder = Path(source.location).absolute()
    rows = [
        [video.title, str(folder / video.files[0].path), len(video.files) if video.is_images else 0]
        for video in videos
    ]
    try:
        output = subprocess.run(
            module_command("pipeline.preprocess.headers"),
            input="".join(json.dumps(row) + "\n" for row in rows).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=module_environment(),
            timeout=SECONDS,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
    answers = [json.loads(line) for line in output[: output.rfind(b"\n") + 1].splitlines()]
    return {title: planes for title, planes in answers if planes}


def _planes(path: Path, images: int) -> int:
    """Of a video file, or of so many images like the one at `path`."""
    if images:
        return images * _channels(decode_image(path.read_bytes(), str(path)).pixels)
    from pipeline.video.pyav_files import opened, video_tracks

    with opened(path, str(path)) as container:
        stream = video_tracks(container, str(path))[0]
        by_time = float((stream.duration or 0) * (stream.time_base or 0)) * float(stream.average_rate or 0)
        frames = stream.frames or round(by_time or _by_container(container, stream))
        return frames * _channels(next(container.decode(stream)).to_ndarray(format="bgr24"))


def _channels(pixels: np.ndarray) -> int:
    return 1 if is_gray(pixels[None]) else 3


def _by_container(container: Any, stream: Any) -> float:
    return (container.duration or 0) / 1e6 * float(stream.average_rate or 0)


def main() -> None:
    """Answer each line of the standard input: title, path and number of images; 0 where nothing is told."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, resource.getrlimit(resource.RLIMIT_AS)[1]))
    for line in sys.stdin:
        title, path, images = json.loads(line)
        planes = 0
        with contextlib.suppress(Exception):  # the worker that decodes it says what is wrong with it
            planes = _planes(Path(path), images)
        print(json.dumps([title, planes]), flush=True)


if __name__ == "__main__":
    main()
