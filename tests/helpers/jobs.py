"""What a worker is told."""

from pathlib import Path

from pipeline.preprocess.jobs import Job
from pipeline.preprocess.layouts import recognise
from pipeline.preprocess.source import list_tree
from shards.codec import Codec


def job_line(source: Path, shards: Path) -> str:
    """The job of the only video in `source`."""
    (video,) = recognise(list_tree(str(source)), "auto", "training").videos
    return Job(
        source=str(source),
        shards=str(shards),
        video=video,
        size=(512, 512),
        codec=Codec(),
        window=5,
        decoder="auto",
        keep_damage=False,
    ).to_json()
