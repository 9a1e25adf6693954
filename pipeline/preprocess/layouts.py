"""Which of the known layouts a source has, and which videos are in it.

Specific layouts (`datasets`) are looked for in the source's root and up to two folders below it; what is none
of them is read as a folder of videos and of folders of images.
"""

from collections.abc import Iterator

from pipeline.errors import SourceError
from pipeline.preprocess.config import DatasetName
from pipeline.preprocess.datasets import RECOGNISERS
from pipeline.preprocess.source import Tree, join
from pipeline.preprocess.videos import SPLIT_FOLDERS, Layout, SourceVideo, image_video, named
from shards.choices import Split

_DEPTH = 2
"""Archives often unpack into a folder in a folder."""


def recognise(tree: Tree, dataset: DatasetName, split: Split) -> Layout:
    """The layout of a source.

    Args:
        tree: its files.
        dataset: the layout that it must have, or `auto`.
        split: of a source that is not divided.

    Raises:
        SourceError: it has none of the known layouts, not the one asked for, or several; or two of its
            videos have the same name.
    """
    layout = _recognise(tree, dataset, split)
    seen: dict[tuple[str, str], SourceVideo] = {}
    for video in layout.videos:
        other = seen.setdefault((video.split, video.name), video)
        if other is not video:
            raise SourceError(
                f"{tree.source}: {other.files[0].path} and {video.files[0].path} are both video "
                f"{video.title}; move one of them away"
            )
    return layout


def _recognise(tree: Tree, dataset: DatasetName, split: Split) -> Layout:
    found = list(_specific(tree, "", dataset, _DEPTH, is_given=False))
    if not found and dataset != "auto":  # its shape is enough where the name is given
        found = list(_specific(tree, "", dataset, _DEPTH, is_given=True))
    if len(found) > 1:
        places = ", ".join(f"{layout.dataset} in {tree.source}/{layout.root}" for layout in found)
        raise SourceError(f"{tree.source}: found several datasets, {places}; give one of these folders")
    if found:
        return found[0]
    if dataset in ("auto", "folder"):
        layout = _folder(tree, split)
        if layout.videos:
            return layout
    looked_for = [f"{r.dataset}: {r.looks_for}" for r in RECOGNISERS if dataset in ("auto", r.dataset)]
    looked_for += ["folder: video files or folders of images"] if dataset in ("auto", "folder") else []
    entries = [f"{name}/" for name in tree.folders()] + [file.name for file in tree.children()]
    there = ", ".join(entries[:6]) + (", …" if len(entries) > 6 else "") or "nothing"
    raise SourceError(f"{tree.source}: found {there}; looked for {'; '.join(dict.fromkeys(looked_for))}")


def _specific(tree: Tree, root: str, dataset: DatasetName, depth: int, *, is_given: bool) -> Iterator[Layout]:
    if dataset == "folder":
        return
    for recogniser in RECOGNISERS:
        if dataset in ("auto", recogniser.dataset):
            layout = recogniser.recognise(tree, root, is_given)
            if layout is not None:
                yield layout
                return
    if depth:
        for folder in tree.folders(root):
            yield from _specific(tree, join(root, folder), dataset, depth - 1, is_given=is_given)


def _folder(tree: Tree, split: Split) -> Layout:
    """Any source: folders named after splits, or everything in one split."""
    for root in ("", *(tree.folders() if len(tree.folders()) == 1 else ())):
        divided = [f for f in tree.folders(root) if f.lower() in SPLIT_FOLDERS]
        videos: list[SourceVideo] = []
        for folder in divided:
            videos += _videos_below(tree, join(root, folder), SPLIT_FOLDERS[folder.lower()])
        if videos:
            reason = f"folders {' and '.join(divided)} with videos"
            return Layout(dataset="folder", reason=reason, root=root, videos=tuple(videos))
    videos = _videos_below(tree, "", split)
    reason = f"a folder of videos, taken as {split}; not divided into training and testing"
    return Layout(dataset="folder", reason=reason, root="", videos=tuple(videos))


def _videos_below(tree: Tree, root: str, split: Split) -> list[SourceVideo]:
    """Video files and folders of images in a folder at any depth.

    A folder `videos` or `frames` directly inside stands for the folder itself; where both are, they are
    taken for the same videos, and the files win.
    """
    inner = next(
        (
            name
            for name in ("videos", "frames")
            if tree.folders(join(root, name)) or tree.children(join(root, name))
        ),
        "",
    )
    base = join(root, inner)
    folders, files, images = [base], [], []
    while folders:
        folder = folders.pop()
        files += tree.videos(folder)
        if tree.images(folder):
            images.append(folder)
        # By UCSD's custom, NAME_gt holds the pixel masks of NAME.
        folders += [join(folder, name) for name in tree.folders(folder) if not name.endswith("_gt")]
    videos = named(split, base, files)
    for folder in images:
        # Images directly in the root are one video, named after it.
        name = folder.removeprefix(base).lstrip("/") or folder.rpartition("/")[2] or tree.source.name
        videos.append(image_video(tree, split, name, folder))
    return videos
