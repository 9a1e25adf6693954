"""What a worker is told."""

from pathlib import Path

from pipeline.preprocess.config import DecoderName
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.jobs import Job
from pipeline.preprocess.sources.source import list_tree
from shards.codecs import Codec


def job_line(
    source: str | Path,
    shards: str | Path,
    *,
    size: tuple[int, int] = (512, 512),
    decoder: DecoderName = "auto",
) -> str:
    """The job of the only video in `source`."""
    (video,) = recognise(list_tree(str(source)), "auto", "training").videos
    return Job(
        kind="decode",
        source=str(source),
        shards=str(shards),
        video=video,
        size=size,
        codec=Codec(),
        window=5,
        decoder=decoder,
        keep_damage=False,
        waits=False,
    ).to_json()
