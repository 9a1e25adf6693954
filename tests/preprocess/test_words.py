"""What preprocess prints at its end."""

from pipeline.preprocess.run import Summary
from pipeline.preprocess.words import remarks
from shards.codecs import Codec
from shards.entries import Geometry
from shards.manifest import Manifest
from shards.rows import Videos


def test_of_many_videos_that_were_left_out_the_first_are_listed_and_the_rest_counted() -> None:
    manifest = Manifest(
        dataset="folder",
        geometry=Geometry(height=16, width=16),
        codec=Codec(),
        window=5,
        videos=Videos.of([]),
    )
    skipped = tuple((f"training/{number:04d}", "no video") for number in range(5000))
    summary = Summary(
        manifest=manifest, reason="", done=0, frames=0, seconds=1.0, skipped=skipped, notes=("last",)
    )
    said = [*remarks(summary)]
    assert said[0] == "skipped    training/0000: no video"
    assert said[-2:] == [
        "skipped    4900 more videos, told when these are mended or gone",
        "note       last",
    ]
    assert len(said) == 102
