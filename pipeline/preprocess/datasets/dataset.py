"""What is known of a dataset: its name, its forms on disk, and where its labels and masks are."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.preprocess.sources.tree import Tree
from pipeline.preprocess.sources.videos import SourceVideo
from shards.choices import Split


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user said of a source.

    Attributes:
        by_name: whether the dataset was asked for by name, so that its shape is enough.
        split: of videos that are not divided into training and testing.
    """

    by_name: bool
    split: Split


@dataclass(frozen=True, kw_only=True)
class Found:
    """A dataset in a folder.

    Attributes:
        reason: how it was recognised.
        videos: its videos, with the pixel masks that lie beside them; none if it is not there after all.
        is_divided: whether it says itself which are training and which are testing videos.
    """

    reason: str
    videos: list[SourceVideo]
    is_divided: bool = True


@dataclass(frozen=True, kw_only=True)
class Form:
    """One way in which a dataset lies on disk.

    Attributes:
        looks_for: in words, for messages.
        find: (tree, folder, what the user said) to what was found in the folder itself, or None.
    """

    looks_for: str
    find: Callable[[Tree, str, Asked], Found | None]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One dataset. Labels and masks are looked for whatever the form: copies mix the forms.

    Attributes:
        name: for `--dataset` and for the manifest.
        forms: as it is distributed, then as it is commonly re-packed.
        label_names: of files with the labels of all testing videos, beside the videos' folders or in that of
            the testing ones.
        script_folder: where the same lies as a MATLAB script, which is preferred.
        label_folders: with a file of labels for each testing video.
        mask_files: names of files with the masks of one testing video, wherever they lie; the group is the
            number of the video.
    """

    name: str
    forms: tuple[Form, ...]
    label_names: tuple[str, ...] = ()
    script_folder: str | None = None
    label_folders: tuple[str, ...] = ()
    mask_files: re.Pattern[str] | None = None
