"""What a user should know about the videos of a set, from what its manifest records."""

from collections.abc import Iterator

from shards.manifest import Manifest, Video


def notes(manifest: Manifest) -> list[str]:
    """One line per finding: gaps, strays, header counts, uneven times, damage, videos too short to use."""
    return [
        f"{video.split}/{video.name}: {text}" for video in manifest.videos for text in _of(video, manifest)
    ]


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
