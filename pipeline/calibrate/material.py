"""Normal video to calibrate on: what train kept aside, what it trained on, or files."""

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import CalibrationError, ConfigError, SourceError
from pipeline.runs.checkpoint import Checkpoint
from pipeline.runs.layout import home_of
from pipeline.runs.ownership import recorded_location
from pipeline.runs.trainedon import Depth, held_out_of, rate_of
from pipeline.video.decoding import Decoder
from pipeline.video.footage import Footage, found
from pipeline.video.pyav_frames import Findings
from pipeline.video.timed import TimedFrame, every
from shards import rates
from shards.choices import Split
from shards.digests import digest_of, is_digest, sum_line
from shards.entries import Video
from shards.errors import NoSetError
from shards.frames import video_frames
from shards.holdout import HeldOut
from shards.identity import split_identity
from shards.localfiles import open_regular
from shards.manifest import Manifest, load_manifest
from shards.storage import Storage
from shards.text import printable

SPLIT: Split = "training"
_CHUNK = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Material:
    """A recording.

    Attributes:
        name: for people.
        identity: of its content: a digest, `@` and the rate that images were given, and the frames of a part.
        opened: a context that gives its frames at the model's size with their times; those that are scored
            alone.
    """

    name: str
    identity: str
    opened: Callable[[], contextlib.AbstractContextManager[Iterator[TimedFrame]]]


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """What a checkpoint was trained on.

    Attributes:
        storage, manifest: the shard set.
        held_out: what of its training split was kept aside.
        rate: frames per second of what was trained on.
        threads: that read and decode.
    """

    storage: Storage
    manifest: Manifest
    held_out: tuple[HeldOut, ...]
    rate: float
    threads: int

    @property
    def trained(self) -> list[HeldOut]:
        """The parts of its videos that were trained on."""
        ends = {part.video: part.start - part.gap for part in self.held_out}
        parts = [
            HeldOut(video=video.name, start=0, end=ends.get(video.name, video.frames))
            for video in self.manifest.split(SPLIT)
        ]
        return [part for part in parts if part.end > 0]

    def material(self, parts: Sequence[HeldOut]) -> list[Material]:
        """Parts of its videos.

        Raises:
            CalibrationError: a part lies in no video of the set.
        """
        videos = {video.name: (index, video) for index, video in enumerate(self.manifest.split(SPLIT))}
        made = []
        for part in parts:
            index, video = videos.get(part.video, (-1, None))
            if video is None or part.end > video.frames:
                raise CalibrationError(
                    f"{self.storage}: found no frames {part.start} to {part.end} of {SPLIT} video "
                    f"{part.video}, expected what train kept aside; give the set that it was trained on with "
                    "--shards"
                )
            made.append(self._part(index, video, part))
        return made

    def _part(self, index: int, video: Video, part: HeldOut) -> Material:
        per_second = rates.rate_of(video) or self.rate

        @contextlib.contextmanager
        def opened() -> Iterator[Iterator[TimedFrame]]:
            frames = video_frames(
                self.storage,
                self.manifest,
                SPLIT,
                index,
                start=part.start,
                end=part.end,
                threads=self.threads,
            )
            yield (
                TimedFrame(number=number, seconds=number / per_second, picture=picture, is_corrupt=False)
                for number, picture in frames
            )

        is_whole = (part.start, part.end) == (0, video.frames)
        tag = f"@{per_second:g}" if video.source.get("kind") == "images" else ""
        return Material(
            name=f"{SPLIT}/{video.name}" + ("" if is_whole else f" {part.start}:{part.end}"),
            identity=_identity(video) + tag + ("" if is_whole else f" {part.start}:{part.end}"),
            opened=opened,
        )

    def refuse_trained(self, files: Sequence[Material]) -> None:
        """Keep files from being used that were trained on.

        Raises:
            CalibrationError: names the first.
        """
        trained = {part.video for part in self.trained}
        known = {_identity(video): video.name for video in self.manifest.split(SPLIT)}
        for file in files:
            name = known.get(whole(file.identity))
            if name in trained:
                raise CalibrationError(
                    f"{file.name}: found {SPLIT} video {name}, which the model was trained on, expected "
                    "other normal video; give that, or take --on-training-video, whose rates are optimistic"
                )


def training_set(checkpoint: Checkpoint, location: str, shards: str | None, threads: int) -> TrainingSet:
    """The shard set that a checkpoint was trained on.

    Args:
        checkpoint: trained.
        location: of its run.
        shards: where the set is; None is where the run says.
        threads: that read and decode.

    Raises:
        CalibrationError: nothing says where it is, or it is another one.
        ConfigError: where the run says may not be used, see `recorded_location`.
        ShardError: it cannot be read.
    """
    run, is_given = Storage(home_of(location)), shards is not None
    if shards is None:
        shards = recorded_location(run, "train", "shards")
        if shards is None:
            raise CalibrationError(
                f"{run}: found no config.toml of train, expected one that names the shard set; give normal "
                "video, or the set with --shards"
            )
    storage = Storage(shards)
    try:
        manifest = load_manifest(storage)
    except NoSetError as error:
        if is_given:
            raise
        raise CalibrationError(
            f"{str(error).partition(';')[0]}, expected the shard set that {run}/config.toml names as it was "
            "found from the folder of then; give it with --shards, or give normal video"
        ) from error
    data = checkpoint.origin.get("data")
    expected = data.get(SPLIT) if isinstance(data, dict) else None
    if expected != split_identity(manifest, SPLIT):
        raise CalibrationError(
            f"{storage}: found another {SPLIT} split than {checkpoint.name} was trained on, expected that; "
            "give it with --shards, or give other normal video"
        )
    per_second = rate_of(checkpoint.origin)
    assert per_second is not None  # without one nothing is calibrated
    return TrainingSet(
        storage=storage,
        manifest=manifest,
        held_out=held_out_of(checkpoint.origin),
        rate=per_second,
        threads=threads,
    )


def files(
    arguments: Sequence[str],
    size: tuple[int, int],
    model_rate: float,
    image_rate: float | None,
    decoder: Decoder,
    findings: Findings,
    notes: list[str] | None = None,
    depth: Depth | None = None,
) -> list[Material]:
    """Video files and folders of images.

    Args:
        arguments: as a user names them.
        size: height and width of what the model sees.
        model_rate: frames per second that are scored.
        image_rate: frames per second of folders of images, and of files that do not say theirs.
        decoder: of their frames.
        findings: is told what is damaged.
        notes: is told what of folders was left out, and of links.
        depth: what the model saw of 16-bit images.

    Raises:
        SourceError: one names nothing, or cannot be read.
        ConfigError: the rate of one does not fit that of the model, or nobody knows it.
    """
    footages = [dataclasses.replace(footage, depth=depth) for footage in found(arguments, notes)]
    return [_file(footage, size, model_rate, image_rate, decoder, findings) for footage in footages]


def _file(
    footage: Footage,
    size: tuple[int, int],
    model_rate: float,
    image_rate: float | None,
    decoder: Decoder,
    findings: Findings,
) -> Material:
    if footage.images and image_rate is None:
        raise ConfigError(
            f"{footage}: found a folder of images, which has no frame rate, expected one; give it with --rate"
        )

    @contextlib.contextmanager
    def opened() -> Iterator[Iterator[TimedFrame]]:
        with footage.local() as path:
            own = decoder.rate(footage, path, image_rate)
            if own is None:
                raise ConfigError(
                    f"{footage}: found a file that does not say its frame rate, expected one; give it with "
                    "--rate"
                )
            stride = every(own, model_rate, str(footage))
            seen = Findings()
            yield decoder.frames(
                footage, path, seen, rate=image_rate, stride=stride, small=size, is_whole=False
            )
            seen.complaints = [f"{footage} ({each})" for each in seen.complaints]
            findings.add(seen)

    with footage.local() as path:
        paths = [Path(image) for image in footage.images] or [path]
        digests = [_digest(one) for one in paths]
        # As preprocess identifies a folder of images, so that one that was trained on is known.
        lines = (sum_line(one.name, digest) for one, digest in zip(paths, digests, strict=True))
        takes_rate = image_rate is not None and decoder.rate(footage, path, None) is None
        identity = digest_of(lines) if footage.images else digests[0]
    if takes_rate:
        identity += f"@{image_rate:g}"
    return Material(name=str(footage), identity=identity, opened=opened)


def _digest(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return digest_of(iter(lambda: file.read(_CHUNK), b""))
    except OSError as error:
        where = printable(str(path))
        raise SourceError(f"{where}: cannot be read: {error.strerror or error}; make it readable") from error


def _identity(video: Video) -> str:
    """A digest of a video's content: that of its file, where the manifest has it."""
    digest = video.source.get("digest")
    shards = [segment.digest for shard in video.shards for segment in shard.segments]
    return str(digest) if is_digest(digest) else digest_of(one.encode() for one in shards)


def whole(identity: str) -> str:
    """The identity of the video that a recording is, or is a part of."""
    return re.split("[ @]", identity)[0]


def overlapping(first: str, second: str) -> bool:
    """Whether two identities have frames in common; each is of a part of a video, or of a whole one."""
    if whole(first) != whole(second):
        return False
    parts = [tuple(map(int, each.split()[1].split(":"))) for each in (first, second) if " " in each]
    return len(parts) < 2 or (parts[0][0] < parts[1][1] and parts[1][0] < parts[0][1])
