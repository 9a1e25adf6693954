"""What a user should know about the videos of a set, from what its manifest records."""

from collections.abc import Iterator
from typing import Any

from pipeline.preprocess.labels import IntervalLabels, Labels, TimeLabels
from shards.manifest import Manifest, Video


def notes(manifest: Manifest) -> list[str]:
    """One line per finding: gaps, strays, header counts, uneven times, damage, videos too short to use."""
    return [
        f"{video.split}/{video.name}: {text}" for video in manifest.videos for text in _of(video, manifest)
    ]


def _of_depth(depth: dict[str, Any]) -> str:
    used = int(depth["highest"]).bit_length()
    values = f"{depth['lowest']} to {depth['highest']}"
    found = f"its images have {depth['bits']} bits, of which {used} are used: {values}"
    if depth["range"] is None:
        return (
            f"{found}; the highest 8 bits are kept, in which {depth['levels']} gray levels are left; "
            "--depth-range LOW:HIGH maps a range to all 256"
        )
    low, high = depth["range"]
    return f"{found}; {low} to {high} are stored as 0 to 255, in {depth['levels']} gray levels"


def _of(video: Video, manifest: Manifest) -> Iterator[str]:
    facts = video.source
    if facts["kind"] == "images":
        gaps = facts["missing_numbers"]
        if gaps:
            count = sum(last - first + 1 for first, last in gaps)
            yield f"{count} numbers are missing from its images, the first {gaps[0][0]}"
        if facts["strays"]:
            strays = facts["strays"]
            yield f"left out {len(strays)} images that are not of the sequence, such as {strays[0]}"
        if facts.get("damaged_frames"):  # sets of before did not look
            yield f"kept with damage: {facts['damaged_frames']} damaged frames"
        if "depth" in facts:
            yield _of_depth(facts["depth"])
    else:
        if facts["frames_header"] not in (0, video.frames):
            yield f"the header says {facts['frames_header']} frames, {video.frames} were decoded"
        if not facts["even"]:
            yield "its frames last unequally long"
        if facts["damaged_frames"] or facts["lost_packets"] or facts["complaints"]:
            yield (
                f"kept with damage: {facts['damaged_frames']} damaged frames, {facts['lost_packets']} lost "
                f"packets {'; '.join(facts['complaints'])}".rstrip()
            )
    if video.frames < manifest.window:
        yield f"{video.frames} frames are too few for a window of {manifest.window}"


def unlabelled(manifest: Manifest, labels: Labels | None) -> Iterator[str]:
    """A line on testing videos that the labels say nothing of, where they speak of others."""
    testing = manifest.split("testing")
    without = [video.name for video in testing if video.abnormal is None]
    if without and len(without) < len(testing):
        yield f"{len(without)} of {len(testing)} testing videos have no labels, such as {without[0]}"
    if isinstance(labels, IntervalLabels | TimeLabels):
        silent = [video.name for video in testing if video.name not in labels.intervals]
        if silent:
            yield (
                f"{len(silent)} of {len(testing)} testing videos do not appear in {labels.file} and are "
                f"taken as wholly normal, such as {silent[0]}"
            )
