"""Recognisers of the public datasets as they are distributed, and as they are commonly re-packed."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline.preprocess.source import Tree, join
from pipeline.preprocess.videos import SPLIT_FOLDERS, Layout, SourceMasks, SourceVideo, image_video, named
from shards.choices import Split

_UCSD = {"ped1": "UCSDped1", "ped2": "UCSDped2"}
_LABEL_NAMES = {
    "ped1": ("frame_labels_ped1.npy", "ped1.mat"),
    "ped2": ("frame_labels_ped2.npy", "ped2.mat"),
    "avenue": ("frame_labels_avenue.npy", "avenue.mat"),
    "shanghaitech": (
        *("frame_labels_shanghai.npy", "frame_labels_shanghaitech.npy"),
        *("shanghai.mat", "shanghaitech.mat"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Recogniser:
    """Knows one layout of one dataset.

    Attributes:
        dataset: whose layout it is.
        looks_for: in words, for messages.
        recognise: (tree, folder, whether the dataset was asked for by name) to its layout, or None.
    """

    dataset: str
    looks_for: str
    recognise: Callable[[Tree, str, bool], Layout | None]


def _ucsd(dataset: str) -> Callable[[Tree, str, bool], Layout | None]:
    """Train/Train001/001.tif, Test/Test001/001.tif, masks in Test/Test001_gt."""

    def recognise(tree: Tree, root: str, is_given: bool) -> Layout | None:
        clips: dict[Split, list[str]] = {}
        for folder, split in (("Train", "training"), ("Test", "testing")):
            names = tree.folders(join(root, folder))
            found = [name for name in names if re.fullmatch(rf"{folder}\d+", name)]
            if found:
                clips[split] = [join(root, folder, name) for name in found]  # type: ignore[index]
        if not clips:
            return None
        script = join(root, "Test", f"{_UCSD[dataset]}.m")
        is_named = _UCSD[dataset].lower() in join(tree.source.name, root).lower().split("/")
        if script in tree.files:
            evidence = f"and {script}"
        elif is_named or is_given:
            evidence = f"in a folder named {_UCSD[dataset]}" if is_named else "as asked for"
        else:
            return None
        videos = []
        for split, folders in clips.items():
            for folder in folders:
                video = image_video(tree, split, folder.rpartition("/")[2], folder)
                marks = tree.images(f"{folder}_gt")
                if marks:
                    masks = SourceMasks(location=tree.source.location, form="images", files=tuple(marks))
                    video = replace(video, masks=masks)
                videos.append(video)
        reason = f"Train/Train001 and Test/Test001 with images, {evidence}"
        return Layout(dataset=dataset, reason=reason, root=root, videos=tuple(videos))

    return recognise


def _avenue(tree: Tree, root: str, is_given: bool) -> Layout | None:
    """training_videos/01.avi, testing_videos/01.avi."""
    folders: dict[Split, str] = {"training": "training_videos", "testing": "testing_videos"}
    videos: list[SourceVideo] = []
    for split, folder in folders.items():
        videos += named(split, join(root, folder), tree.videos(join(root, folder)))
    if not videos:
        return None
    reason = "training_videos and testing_videos with video files"
    return Layout(dataset="avenue", reason=reason, root=root, videos=tuple(videos))


def _shanghaitech(tree: Tree, root: str, is_given: bool) -> Layout | None:
    """training/videos/01_001.avi, testing/frames/01_0014/000.jpg, testing/test_frame_mask."""
    testing = join(root, "testing")
    training = join(root, "training")
    has_masks = tree.folders(testing) and {"test_frame_mask", "test_pixel_mask"} & set(tree.folders(testing))
    has_shape = tree.videos(join(training, "videos")) and tree.folders(join(testing, "frames"))
    if not has_masks and not (is_given and has_shape):
        return None
    videos = _split_videos(tree, training, "training")
    for video in _split_videos(tree, testing, "testing"):
        path = join(testing, "test_pixel_mask", f"{video.name}.npy")
        if path in tree.files:
            masks = SourceMasks(location=tree.source.location, form="npy", files=(tree.files[path],))
            video = replace(video, masks=masks)
        videos.append(video)
    if not videos:
        return None
    evidence = "testing/test_frame_mask" if has_masks else "as asked for"
    reason = f"training/videos and testing/frames, {evidence}"
    return Layout(dataset="shanghaitech", reason=reason, root=root, videos=tuple(videos))


def _repacked(dataset: str) -> Callable[[Tree, str, bool], Layout | None]:
    """{training,testing}/{frames/NN/000.jpg | videos/NN.mp4} with a label file that names the dataset."""

    def recognise(tree: Tree, root: str, is_given: bool) -> Layout | None:
        names = {file.name for file in tree.children(root)}
        evidence = next((name for name in _LABEL_NAMES[dataset] if name in names), None)
        if evidence is None and not is_given:
            return None
        videos: list[SourceVideo] = []
        for folder in tree.folders(root):
            if folder.lower() in SPLIT_FOLDERS:
                videos += _split_videos(tree, join(root, folder), SPLIT_FOLDERS[folder.lower()])
        if not videos:
            return None
        reason = f"training and testing with videos or frames, {evidence or 'as asked for'}"
        return Layout(dataset=dataset, reason=reason, root=root, videos=tuple(videos))

    return recognise


def _split_videos(tree: Tree, folder: str, split: Split) -> list[SourceVideo]:
    """`videos/NAME.avi`, or else `frames/NAME/000.jpg`."""
    files = tree.videos(join(folder, "videos"))
    if files:
        return named(split, join(folder, "videos"), files)
    base = join(folder, "frames") if tree.folders(join(folder, "frames")) else folder
    clips = [name for name in tree.folders(base) if tree.images(join(base, name))]
    return [image_video(tree, split, name, join(base, name)) for name in clips]


RECOGNISERS: tuple[Recogniser, ...] = (
    *(
        Recogniser(
            dataset=dataset,
            looks_for=f"Train/Train001/*.tif and Test/Test001/*.tif with Test/{name}.m",
            recognise=_ucsd(dataset),
        )
        for dataset, name in _UCSD.items()
    ),
    Recogniser(
        dataset="avenue", looks_for="training_videos/*.avi and testing_videos/*.avi", recognise=_avenue
    ),
    Recogniser(
        dataset="shanghaitech",
        looks_for="training/videos/*.avi and testing/frames/*/*.jpg with testing/test_frame_mask/*.npy",
        recognise=_shanghaitech,
    ),
    *(
        Recogniser(
            dataset=dataset,
            looks_for=f"{{training,testing}}/{{frames,videos}} with {' or '.join(labels[:2])}",
            recognise=_repacked(dataset),
        )
        for dataset, labels in _LABEL_NAMES.items()
    ),
)
