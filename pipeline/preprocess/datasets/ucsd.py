"""UCSD Ped1 and Ped2."""

import re
from collections.abc import Callable

from pipeline.preprocess.datasets.dataset import Asked, Dataset, Form, Found
from pipeline.preprocess.datasets.repacked import repacked
from pipeline.preprocess.sources.tree import Tree, join
from pipeline.preprocess.sources.videos import SourceMasks, SourceVideo, frames_in, image_video
from shards.choices import Split

_FOLDERS: dict[str, Split] = {"Train": "training", "Test": "testing"}


def _dataset(name: str, title: str) -> Dataset:
    """One of the two; its distributed folder and script are called `title`."""
    labels = (f"frame_labels_{name}.npy", f"{name}.mat")
    looks_for = f"Train/Train001/*.tif and Test/Test001/*.tif with Test/{title}.m"
    return Dataset(
        name=name,
        forms=(Form(looks_for=looks_for, find=_finder(title)), repacked(labels)),
        label_names=labels,
        script_folder="Test",
    )


def _finder(title: str) -> Callable[[Tree, str, Asked], Found | None]:
    """Train/Train001/001.tif, Test/Test001/001.tif, masks in Test/Test001_gt."""

    def find(tree: Tree, root: str, asked: Asked) -> Found | None:
        videos = [
            _video(tree, split, name, join(root, folder, name))
            for folder, split in _FOLDERS.items()
            for name in tree.folders(join(root, folder))
            if re.fullmatch(rf"{folder}\d+", name) and frames_in(tree, join(root, folder, name))
        ]
        script = join(root, "Test", f"{title}.m")
        if script in tree.files:
            evidence = f"and {script}"
        elif title.lower() in join(tree.source.name, root).lower().split("/"):
            evidence = f"in a folder named {title}"
        elif asked.by_name:
            evidence = "as asked for"
        else:
            return None
        return Found(reason=f"Train/Train001 and Test/Test001 with images, {evidence}", videos=videos)

    return find


def _video(tree: Tree, split: Split, name: str, folder: str) -> SourceVideo:
    video = image_video(tree, split, name, folder)
    marks = tree.images(f"{folder}_gt")
    if not marks:
        return video
    masks = SourceMasks(location=tree.source.location, form="images", files=tuple(marks))
    return video._replace(masks=masks)


PED1 = _dataset("ped1", "UCSDped1")
PED2 = _dataset("ped2", "UCSDped2")
