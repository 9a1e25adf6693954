"""The rate of folders of images and elementary streams, which is given and not found."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.errors import ConfigError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.sources.videos import Layout
from pipeline.video.naming import ELEMENTARY, MAYBE_ELEMENTARY
from shards.entries import Video
from shards.manifest import Manifest
from shards.storage import Storage
from shards.tables import Tables

_RATE = "rate"
_TAKES_RATE = rf'"kind": "images"|"container": "(?:{"|".join(ELEMENTARY)})"'
"""What is in the JSON of a video that a rate can be given; within a text, the quotes would be escaped."""


def rate_facts(rate: float | None) -> dict[str, Any]:
    """What the manifest says of the rate of a folder of images: nothing where none was given."""
    return {} if rate is None else {_RATE: float(rate)}


def rated(video: Video, rate: float | None) -> Video:
    """A folder of images or an elementary stream with the rate that is given now, whatever an earlier run
    gave it, or FFmpeg made up; any other video as it is."""
    if video.source.get("kind") == "images":
        rest = {name: value for name, value in video.source.items() if name != _RATE}
        return replace(video, source=rest | rate_facts(rate))
    if video.source.get("container") in ELEMENTARY:
        return replace(video, source={**video.source, _RATE: float(rate or 0)})
    return video


def takes_rate(tables: Tables) -> np.ndarray:
    """(V,) bool, of which videos a rate can be given."""
    return tables.matches("source", _TAKES_RATE)


def refuse_rate_of_files(config: PreprocessConfig, layout: Layout) -> None:
    """Keep a rate from being given that nothing takes.

    Raises:
        ConfigError: one is given, and no video is a folder of images, or a file that may be without a rate.
    """
    if config.rate is not None and not any(
        video.is_images or video.files[0].suffix in MAYBE_ELEMENTARY for video in layout.videos
    ):
        raise ConfigError(
            f"--rate: found video files alone in {Storage(config.source)}, expected folders of images, or "
            "elementary streams such as .h264; leave it out, for other video files have a rate of their own"
        )


def untaken_rate(config: PreprocessConfig, manifest: Manifest) -> Iterator[str]:
    """A line where a rate is given that nothing took."""
    if config.rate is not None and not manifest.videos.gathered(takes_rate, bool).any():
        yield f"--rate {config.rate:g} was not used: every video file has a rate of its own"
