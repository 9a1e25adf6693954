"""CUHK Avenue. Its labels are masks, which come in an archive of their own."""

import re

from pipeline.preprocess.datasets.dataset import Asked, Dataset, Form, Found
from pipeline.preprocess.datasets.repacked import repacked
from pipeline.preprocess.sources.tree import Tree, join
from pipeline.preprocess.sources.videos import SourceVideo, named
from shards.choices import Split

_FOLDERS: dict[str, Split] = {"training_videos": "training", "testing_videos": "testing"}
_LABELS = ("frame_labels_avenue.npy", "avenue.mat")


def _find(tree: Tree, root: str, asked: Asked) -> Found | None:
    """training_videos/01.avi, testing_videos/01.avi."""
    videos: list[SourceVideo] = []
    for folder, split in _FOLDERS.items():
        videos += named(split, join(root, folder), tree.videos(join(root, folder)))
    return Found(reason="training_videos and testing_videos with video files", videos=videos)


AVENUE = Dataset(
    name="avenue",
    forms=(
        Form(looks_for="training_videos/*.avi and testing_videos/*.avi", find=_find),
        repacked(_LABELS),
    ),
    label_names=_LABELS,
    mask_files=re.compile(r"0*([0-9]+)_label\.mat"),
)
