"""Videos of a source as the layouts describe them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from pipeline.preprocess.sources.tree import SourceFile, Tree, join
from pipeline.video.sequence import in_order
from shards.choices import Split
from shards.names import video_order
from shards.text import printable

SPLIT_FOLDERS: dict[str, Split] = {
    "training": "training",
    "train": "training",
    "testing": "testing",
    "test": "testing",
}


@dataclass(frozen=True, kw_only=True)
class SourceMasks:
    """The pixel masks that a dataset brings for a video.

    Attributes:
        location: of the source that holds them.
        form: `images`, one per frame; `npy`, one array (frames, H, W); `mat`, a `volLabel` cell of masks.
        files: the images in order, or the one file.
    """

    location: str
    form: Literal["images", "npy", "mat"]
    files: tuple[SourceFile, ...]


class SourceVideo(NamedTuple):
    """One video of a source; a tuple, as its files are.

    Attributes:
        split, name: what it will be called.
        files: its video file, or its images in order.
        is_images: which of the two.
        strays: names of images in its folder that are not of its sequence.
        masks: its pixel masks, if there are any.
    """

    split: Split
    name: str
    files: tuple[SourceFile, ...]
    is_images: bool
    strays: tuple[str, ...] = ()
    masks: SourceMasks | None = None

    @property
    def key(self) -> tuple[Split, str]:
        """Split and name, which no other video of the source has."""
        return self.split, self.name

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(file.size for file in self.files)

    @property
    def title(self) -> str:
        """Split and name, for messages."""
        return f"{self.split}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A source that was understood.

    Attributes:
        dataset: which layout it has.
        reason: how that was recognised.
        root: the folder of the source that holds it.
        videos: its videos.
        is_divided: whether the source says itself which are training and which are testing videos.
    """

    dataset: str
    reason: str
    root: str
    videos: tuple[SourceVideo, ...]
    is_divided: bool = True

    def testing(self) -> list[SourceVideo]:
        """The testing videos in order."""
        return _ordered(video for video in self.videos if video.split == "testing")


def _ordered(videos: Iterable[SourceVideo]) -> list[SourceVideo]:
    return sorted(videos, key=lambda video: video_order(video.split, video.name))


def named(split: Split, base: str, files: Sequence[SourceFile]) -> list[SourceVideo]:
    """Videos from files, called by their path below `base`; with the extension only where it is needed.

    A shard set that knows a file under its other name keeps that, see `keep_names`.
    """
    paths = [_plain(file.path.removeprefix(base).lstrip("/")) for file in files]
    stems = [_without_suffix(path) for path in paths]
    shared = {stem for stem, count in Counter(stems).items() if count > 1}
    return [
        SourceVideo(split, printable(path if stem in shared else stem), (file,), is_images=False)
        for file, path, stem in zip(files, paths, stems, strict=True)
    ]


def _plain(path: str) -> str:
    """A path as pathlib writes it; of 100,000 paths, hardly any needs it, which takes ten times as long."""
    is_odd = "//" in path or "./" in path or path.endswith(("/", "/."))
    return str(PurePosixPath(path)) if is_odd else path


def _without_suffix(path: str) -> str:
    """As `PurePosixPath(path).with_suffix("")`."""
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return path[: len(path) - len(name) + dot] if 0 < dot < len(name) - 1 else path


def keep_names(
    layout: Layout, known: Set[tuple[Split, str]], file_of: Callable[[tuple[Split, str]], str | None]
) -> Layout:
    """The layout, in which video files that a shard set holds have the names that they have there.

    `eat.mkv` is `eat` as long as it is alone. It stays so when `eat.webm` comes, and that becomes `eat.webm`.

    Args:
        layout: with the names that follow from the files alone.
        known: split and name of each video of the set.
        file_of: gives the name of the file that one of them was made from, None if it was made from images.
    """
    free = set(known).difference(video.key for video in layout.videos)
    if not free:
        return layout

    def kept(video: SourceVideo) -> SourceVideo:
        file = printable(video.files[0].name)
        suffix = PurePosixPath(file).suffix
        other = video.name.removesuffix(suffix) if video.name.endswith(suffix) else video.name + suffix
        if video.is_images or (video.split, other) not in free or file_of((video.split, other)) != file:
            return video
        if video.key in known and file_of(video.key) == file:
            return video
        return video._replace(name=other)

    return replace(layout, videos=tuple(kept(video) for video in layout.videos))


def frames_in(tree: Tree, folder: str) -> list[SourceFile]:
    """The images directly inside a folder in natural order, without the previews of videos beside them.

    A camera that records `ev1.mp4` often puts `ev1.jpg` or `ev1.mp4.jpg` beside it.
    """
    names = {name.casefold() for file in tree.videos(folder) for name in (file.stem, file.name)}
    images = tree.images(folder)
    return [file for file in images if file.stem.casefold() not in names] if names else images


def image_video(tree: Tree, split: Split, name: str, folder: str) -> SourceVideo:
    """A video from the frames in a folder, of which there must be some, in the order of `in_order`."""
    files = {file.name: file for file in frames_in(tree, folder)}
    frames, strays = in_order([*files])
    return SourceVideo(
        split=split,
        name=printable(name),
        files=tuple(files[frame] for frame in frames),
        is_images=True,
        strays=tuple(map(printable, strays)),
    )


def split_videos(tree: Tree, folder: str, split: Split) -> list[SourceVideo]:
    """The videos of a folder that is one split: `videos/NAME.avi`, or else `frames/NAME/000.jpg`."""
    files = tree.videos(join(folder, "videos"))
    if files:
        return named(split, join(folder, "videos"), files)
    base = join(folder, "frames") if tree.folders(join(folder, "frames")) else folder
    clips = [name for name in tree.folders(base) if frames_in(tree, join(base, name))]
    return [image_video(tree, split, name, join(base, name)) for name in clips]
