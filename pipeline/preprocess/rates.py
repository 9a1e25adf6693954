"""The rate of folders of images, which is given and not found."""

from dataclasses import replace
from typing import Any

from pipeline.errors import ConfigError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.sources.videos import Layout
from shards.entries import Video
from shards.storage import Storage

_RATE = "rate"


def rate_facts(rate: float | None) -> dict[str, Any]:
    """What the manifest says of the rate of a folder of images: nothing where none was given."""
    return {} if rate is None else {_RATE: float(rate)}


def rated(video: Video, rate: float | None) -> Video:
    """A folder of images with the rate that is given now, whatever an earlier run gave it."""
    if video.source.get("kind") != "images":
        return video
    rest = {name: value for name, value in video.source.items() if name != _RATE}
    return replace(video, source=rest | rate_facts(rate))


def refuse_rate_of_files(config: PreprocessConfig, layout: Layout) -> None:
    """Keep a rate from being given that nothing takes.

    Raises:
        ConfigError: one is given, and no video is a folder of images.
    """
    if config.rate is not None and not any(video.is_images for video in layout.videos):
        raise ConfigError(
            f"--rate: found video files alone in {Storage(config.source)}, expected folders of images; leave "
            "it out, for video files have a rate of their own"
        )
