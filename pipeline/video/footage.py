"""Videos that a user names: files, folders, patterns, folders of images, files of web servers and buckets."""

import contextlib
import glob
import hashlib
import re
import stat
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import SourceError
from pipeline.runs.ownership import holds_results
from pipeline.runs.trainedon import Depth
from pipeline.video.depth import DepthMap
from pipeline.video.images import decode_image, read_image
from pipeline.video.naming import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from pipeline.video.pyav_frames import Findings
from pipeline.video.sequence import in_order, refuse_doubled
from pipeline.video.timed import TimedFrame, timed_frames
from pipeline.video.walking import Oddities, is_below, remote_results, walk
from shards import locations
from shards.digests import digest_of
from shards.errors import StorageError, os_error_line
from shards.storage import Storage, storage_of
from shards.text import listed, natural_key, printable

_LIVE = ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "udp", "srt", "mms")
_LONGEST_NAME, _MOST_NAME_BYTES = 100, 246
"""Characters of a folder's name, and bytes: file systems take 255, of which a digest may need 9."""
_RESERVED = frozenset(
    {"config.toml", "events.json", "events.jsonl", "index.html", "report.html", "score.json"}
)
"""Files beside which the folders of videos lie, or for which such a folder would be taken."""
_MOST_LISTED = 10
"""Names in a note."""


@dataclass(frozen=True, kw_only=True)
class Footage:
    """One video.

    Attributes:
        name: what it is called; it is also the name of a folder, and unique among those found together.
        location: of its file, or of the folder of its images; may carry credentials.
        images: paths of its images in order; none of a video file.
        depth: what a model saw of 16-bit images as black and white, see `pipeline.runs.trainedon`; None for
            their highest 8 bits.
    """

    name: str
    location: str
    images: tuple[str, ...] = ()
    depth: Depth | None = None

    def __str__(self) -> str:
        return locations.shown(self.location)

    def stamp(self) -> dict[str, Any]:
        """What changes when its files do: bytes, images, and the time of the last change where it is known.

        Of images also a digest of the name, the bytes and the time of each, for they may take one another's
        places.

        Raises:
            SourceError: it is gone, or cannot be looked at.
            StorageError: a remote storage does not answer, or refuses.
        """
        storage, name = storage_of(self.location)
        try:
            if not storage.is_local:
                return {"bytes": storage.size(name)}
            states = [Path(path).stat() for path in self.images or (self.location,)]
        except FileNotFoundError:
            raise SourceError(
                f"{self}: not found; give a video that is there, or leave it out with --on-error skip"
            ) from None
        except OSError as error:
            raise SourceError(
                f"{self}: cannot be read: {error.strerror}; make it readable, or leave it out with "
                "--on-error skip"
            ) from error
        stamp: dict[str, Any] = {
            "bytes": sum(state.st_size for state in states),
            "modified": max(state.st_mtime_ns for state in states),
            "images": len(self.images),
        }
        if self.images:
            each = zip(self.images, states, strict=True)
            lines = (f"{Path(path).name}\0{state.st_size}\0{state.st_mtime_ns}\n" for path, state in each)
            stamp["digest"] = digest_of(line.encode("utf-8", "surrogateescape") for line in lines)
        return stamp

    @contextlib.contextmanager
    def local(self) -> Iterator[Path]:
        """Its file, or folder, on this machine; a remote file is fetched for as long as the block lasts.

        Raises:
            StorageError: it cannot be fetched, is not as large as was announced, or there is no room for it.
        """
        storage, name = storage_of(self.location)
        if storage.is_local:
            yield Path(self.location)
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / f"video{PurePosixPath(name).suffix}"
            try:
                with copy.open("wb") as file:
                    for chunk in storage.pieces(name):
                        file.write(chunk)
            except FileNotFoundError:
                raise SourceError(f"{self}: not found; give a video file") from None
            except OSError as error:
                raise StorageError(
                    f"{self}: cannot be fetched to {folder} (TMPDIR): {os_error_line(error, '')}"
                ) from error
            yield copy

    def frames(self, path: Path, findings: Findings, rate: float | None = None) -> Iterator[TimedFrame]:
        """Every frame once, in order, with its time.

        Args:
            path: what `local` gave.
            findings: is told what is damaged.
            rate: images per second, or frames of a file that does not say; None counts images, one a second.

        Raises:
            SourceError: it is no video, one of its images cannot be read, or has 16 bits that nobody knows
                how to map, or none can be decoded.
        """
        if not self.images:
            yield from timed_frames(path, str(self), findings, rate)
            return
        yield from self._of_images(findings, rate or 1.0)

    def _of_images(self, findings: Findings, rate: float) -> Iterator[TimedFrame]:
        """One that cannot be decoded gives no frame, and the next is corrupt, as in a video file."""
        is_broken, some, first_error = False, False, None
        depth = DepthMap((self.depth[0], self.depth[1])) if self.depth and self.depth != "several" else None
        for number, image in enumerate(self.images):
            name = locations.shown(image)
            data = read_image(Path(image), name)
            picture = None
            try:
                picture = decode_image(data, name)
                findings.damaged += picture.damage is not None
            except SourceError as error:
                first_error = first_error or error
                findings.lost += 1
                findings.error = findings.error or str(error).partition(";")[0]
            is_broken |= picture is None or picture.damage is not None
            if is_broken and findings.first is None:
                findings.first = number
            if picture is not None:
                if picture.deep is not None and self.depth == "several":
                    raise SourceError(
                        f"{name}: found 16 bits per channel, expected 8, for the model was trained on images "
                        "that were mapped by several ranges; preprocess these with one --depth-range "
                        "LOW:HIGH and train again, or convert the images"
                    )
                pixels = picture.pixels if depth is None else depth.frame(picture, name)
                yield TimedFrame(number=number, seconds=number / rate, picture=pixels, is_corrupt=is_broken)
                is_broken, some = False, True
        if first_error is not None and not some:
            raise first_error


def found(arguments: Sequence[str], notes: list[str] | None = None) -> list[Footage]:
    """The videos that some arguments name, each once, in the order of the arguments.

    An argument is a video file, a folder (every video file in it, at any depth, and every folder in it that
    holds images and no video files), a pattern of such as `cam/*.mp4`, or the location of a remote file.
    Links are followed, each folder is visited once, and those that `score` and `watch` wrote are left out.

    Args:
        arguments: as a user names them.
        notes: is told of links, and of what of a folder was left out.

    Raises:
        SourceError: one of them names nothing, a live stream, or a pipe or device; or two images of a folder
            differ only in the suffix.
        ShardError: a remote storage does not answer, or refuses.
    """
    videos: dict[str, Footage] = {}
    said = [] if notes is None else notes
    for argument in arguments:
        for footage in _named(argument, said):
            _refuse_endless(footage)
            videos.setdefault(locations.absolute(footage.location), footage)
    if arguments and not videos:  # of `*` the folder of results is one among others
        raise SourceError(f"{said[-1]}, expected video; give another folder")
    return _told_apart(list(videos.values()))


def _refuse_endless(footage: Footage) -> None:
    """Refuse what is there but no regular file, such as a pipe, which may make one wait or never end."""
    if locations.is_uri(footage.location):
        return
    for path in map(Path, footage.images or (footage.location,)):
        with contextlib.suppress(OSError):  # whoever opens it tells of that
            if stat.S_ISREG(path.stat().st_mode):
                continue
            raise SourceError(
                f"{locations.shown(str(path))}: found a pipe, device or folder, expected a file; give a "
                "video file, or remove it"
            )


def _named(argument: str, notes: list[str]) -> list[Footage]:
    if locations.is_uri(argument):
        return _remote(argument, notes)
    path = Path(argument)
    if path.exists():
        return _local(path, notes)
    matches = sorted(glob.glob(argument, recursive=True), key=natural_key)  # noqa: PTH207, `**` and absolute
    if not matches:
        raise SourceError(
            f"{locations.shown(argument)}: not found; give video files, folders, or a pattern such as "
            "'cam/*.mp4'"
        )
    return [footage for match in matches for footage in _local(Path(match), notes)]


def _local(path: Path, notes: list[str]) -> list[Footage]:
    if not path.is_dir():
        return [Footage(name=path.stem, location=str(path))]
    if holds_results(path):
        notes.append(f"{locations.shown(str(path))}: left out, for score or watch wrote it")
        return []
    odd = Oddities()
    videos = []
    strays: list[str] = []
    for below, names in _files(path, odd).items():
        clips = [Path(name) for name in names if Path(name).suffix.lower() in VIDEO_SUFFIXES]
        images = [name for name in names if Path(name).suffix.lower() in IMAGE_SUFFIXES]
        videos += [
            Footage(name=str((below / clip).with_suffix("")), location=str(path / below / clip))
            for clip in clips
        ]
        if images and not clips:
            name = path.resolve().name if below == Path() else str(below)
            frames, others = in_order(images)
            refuse_doubled(frames, locations.shown(str(path / below)), printable(name))
            strays += [str(below / other) for other in others]
            pictures = tuple(str(path / below / frame) for frame in frames)
            videos.append(Footage(name=name, location=str(path / below), images=pictures))
    said = list(_oddities(path, odd, strays))
    if not videos:
        beside = f" ({'; '.join(said)})" if said else ""
        raise SourceError(
            f"{locations.shown(str(path))}: found neither video files nor images{beside}, expected some; "
            "give another folder"
        )
    notes += [f"{locations.shown(str(path))}: {each}" for each in said]
    return videos


def _files(path: Path, odd: Oddities) -> dict[Path, list[str]]:
    """Names of the files in a folder and those below, folders and files in natural order.

    A link to a file that is not there is one of them: whoever reads it says so, or leaves it out.
    """
    inside: dict[str, list[str]] = {}
    for file, _ in walk(path, odd, keeps_closed=True):
        folder, _, name = file.rpartition("/")
        inside.setdefault(folder, []).append(name)
    for file in odd.dangling:
        folder, _, name = file.rpartition("/")
        if _is_read(name):
            inside.setdefault(folder, []).append(name)
    ordered = sorted(inside, key=lambda folder: [natural_key(part) for part in folder.split("/") if part])
    return {Path(folder): sorted(inside[folder], key=natural_key) for folder in ordered}


def _is_read(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES


def _oddities(path: Path, odd: Oddities, strays: list[str]) -> Iterator[str]:
    """What a reader must know of a folder, a phrase each."""
    lost = [each for each in odd.dangling if not _is_read(each)]
    out = [each for each, _ in odd.outside if _is_read(each) or (path / each).is_dir()]
    for words, names in (
        ("left out what score or watch wrote", odd.results),
        ("left out images that are not of the sequence", strays),
        ("left out links to folders that are read already or hold it", odd.again),
        ("left out links that lead nowhere", lost),
        ("left out folders that cannot be listed", odd.closed),
        ("left out pipes, sockets and devices", odd.special),
        ("read through links out of it", out),
    ):
        if names:
            ordered = [printable(name) for name in sorted(names, key=natural_key)]
            yield f"{words}: {listed(ordered, _MOST_LISTED)}"


def _remote(location: str, notes: list[str]) -> list[Footage]:
    scheme = location.partition(":")[0].lower()
    if scheme in _LIVE:
        raise SourceError(
            f"{locations.shown(location)}: found a live stream, expected a file that ends; record some of it"
        )
    name = locations.split(location)[1]
    is_file = PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES
    if is_file or not Storage(location).can_list:
        return [Footage(name=PurePosixPath(name).stem or "video", location=location)]
    storage = Storage(location)
    listed = sorted((file for file, _, _ in storage.walk()), key=natural_key)
    odd = Oddities(results=remote_results(storage, listed))
    notes += [f"{locations.shown(location)}: {each}" for each in _oddities(Path(), odd, [])]
    videos = [
        Footage(name=str(PurePosixPath(file).with_suffix("")), location=locations.inside(location, file))
        for file in listed
        if PurePosixPath(file).suffix.lower() in VIDEO_SUFFIXES and not is_below(file, odd.results)
    ]
    if not videos:
        raise SourceError(f"{locations.shown(location)}: found no video files; give another location")
    return videos


def _told_apart(videos: list[Footage]) -> list[Footage]:
    """With names that are safe as folders; one that several would have gets a digest of the location."""
    plain = [_folder(footage.name) for footage in videos]
    counts = Counter(plain)
    named = []
    for footage, name in zip(videos, plain, strict=True):
        where = locations.absolute(footage.location)
        digest = hashlib.sha256(where.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        named.append(replace(footage, name=name if counts[name] == 1 else f"{name}-{digest}"))
    return named


def _folder(name: str) -> str:
    plain = re.sub(r"[^\w.-]+", "_", printable(name)).strip("._")[:_LONGEST_NAME]
    short = plain.encode()[:_MOST_NAME_BYTES].decode(errors="ignore") or "video"
    return f"{short}_" if short.lower() in _RESERVED else short
