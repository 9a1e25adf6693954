"""Videos of a source as the layouts describe them."""

import itertools
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from pipeline.preprocess.source import SourceFile, Tree, natural_key
from shards.choices import SPLITS, Split
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


@dataclass(frozen=True, kw_only=True)
class SourceVideo:
    """One video of a source.

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
    """

    dataset: str
    reason: str
    root: str
    videos: tuple[SourceVideo, ...]

    def ordered(self) -> list[SourceVideo]:
        """Sorted by split and natural order of name."""
        return sorted(self.videos, key=lambda video: video_order(video.split, video.name))

    def testing(self) -> list[SourceVideo]:
        """The testing videos in order."""
        return [video for video in self.ordered() if video.split == "testing"]


def video_order(split: Split, name: str) -> tuple[object, ...]:
    """Sort key of the manifest: split, then natural order of name."""
    return SPLITS.index(split), natural_key(name)


def named(split: Split, base: str, files: Iterable[SourceFile]) -> list[SourceVideo]:
    """Videos from files, called by their path below `base`; with the extension only where it is needed."""
    paths = [(file, PurePosixPath(file.path.removeprefix(base).lstrip("/"))) for file in files]
    plain = Counter(str(path.with_suffix("")) for _, path in paths)
    return [
        SourceVideo(
            split=split,
            name=printable(str(path if plain[str(path.with_suffix(""))] > 1 else path.with_suffix(""))),
            files=(file,),
            is_images=False,
        )
        for file, path in paths
    ]


def image_video(tree: Tree, split: Split, name: str, folder: str) -> SourceVideo:
    """A video from the images of a folder.

    Where most of the names differ only in their numbers, the others are not of the sequence: one stray file
    would shift every label after it.
    """
    images = tree.images(folder)
    shapes = [re.sub(r"\d+", "0", file.name) for file in images]
    common, count = Counter(shapes).most_common(1)[0]
    is_numbered = "0" in common and 2 * count > len(images)
    strays = [f.name for f, shape in zip(images, shapes, strict=True) if is_numbered and shape != common]
    files = tuple(file for file in images if file.name not in strays)
    return SourceVideo(
        split=split, name=printable(name), files=files, is_images=True, strays=tuple(map(printable, strays))
    )


def missing_numbers(names: list[str]) -> list[tuple[int, int]]:
    """Gaps in the numbering of a sequence of file names as (first, last) missing number."""
    found = [re.findall(r"\d+", PurePosixPath(name).stem) for name in names]
    numbers = [int(groups[-1]) for groups in found if groups]
    pairs = itertools.pairwise(numbers)
    return [(before + 1, after - 1) for before, after in pairs if after > before + 1]
