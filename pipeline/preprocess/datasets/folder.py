"""Videos that are of no known dataset: folders named after splits, or everything in one split."""

from pipeline.preprocess.datasets.dataset import Asked, Dataset, Form, Found
from pipeline.preprocess.sources.tree import Tree, join, outwards
from pipeline.preprocess.sources.videos import SPLIT_FOLDERS, SourceVideo, frames_in, image_video, named
from shards.choices import Split

_LOOKS_FOR = "video files or folders of images"
_MASKS = "_gt"
"""By UCSD's custom, the folder NAME_gt holds the pixel masks of NAME, unless there are video files in it."""


def _find_divided(tree: Tree, root: str, asked: Asked) -> Found | None:
    divided = [folder for folder in tree.folders(root) if folder.lower() in SPLIT_FOLDERS]
    videos: list[SourceVideo] = []
    for folder in divided:
        videos += _videos_below(tree, join(root, folder), SPLIT_FOLDERS[folder.lower()])
    return Found(reason=f"folders {' and '.join(divided)} with videos", videos=videos)


def _find_undivided(tree: Tree, root: str, asked: Asked) -> Found | None:
    if root:  # what lies below is a part of it
        return None
    reason = f"a folder of videos, taken as {asked.split}; not divided into training and testing"
    return Found(reason=reason, videos=_videos_below(tree, root, asked.split), is_divided=False)


def _videos_below(tree: Tree, root: str, split: Split) -> list[SourceVideo]:
    """Video files and folders of images in a folder at any depth.

    A folder `videos` or `frames` directly inside is left out of their names, whatever lies beside it: a set
    that grows keeps its names. Where both are, they are taken for the same videos, and `videos` wins. Other
    folders of images are read beside the one that counts only where there are video files beside it, too:
    `masks` beside `frames` holds no video.
    """
    files, images = _media_below(tree, root)
    videos, frames = (join(root, name) for name in ("videos", "frames"))
    inner = next((base for base in (videos, frames) if any(_is_in(f, base) for f in (*files, *images))), root)
    is_mixed = any(not _is_in(folder, videos) and not _is_in(folder, frames) for folder in files)

    def counts(folder: str) -> bool:
        return _is_in(folder, inner) or (is_mixed and not _is_in(folder, frames))

    found: list[SourceVideo] = []
    for base in dict.fromkeys((inner, root)):
        mine = [each for each in files if counts(each) and (base == inner) == _is_in(each, inner)]
        found += named(split, base, [file for folder in mine for file in tree.videos(folder)])
    for folder in filter(counts, images):
        base = inner if _is_in(folder, inner) else root
        # Images directly in the root are one video, named after it.
        name = folder.removeprefix(base).lstrip("/") or folder.rpartition("/")[2] or tree.source.name
        found.append(image_video(tree, split, name, folder))
    return found


def _media_below(tree: Tree, root: str) -> tuple[list[str], list[str]]:
    """The folders at any depth that hold video files, and those that hold frames."""
    folders = [root]
    for folder in folders:
        folders += [join(folder, name) for name in tree.folders(folder)]
    files = [folder for folder in folders if tree.videos(folder)]
    holding = {above for folder in files for above in outwards(folder, root)}

    def is_of_masks(folder: str) -> bool:
        return any(above.endswith(_MASKS) and above not in holding for above in outwards(folder, root))

    return files, [folder for folder in folders if not is_of_masks(folder) and frames_in(tree, folder)]


def _is_in(folder: str, outer: str) -> bool:
    """Whether a folder is another one, or lies in it."""
    return not outer or folder == outer or folder.startswith(f"{outer}/")


FOLDER = Dataset(
    name="folder",
    forms=(
        Form(looks_for=_LOOKS_FOR, find=_find_divided),
        Form(looks_for=_LOOKS_FOR, find=_find_undivided),
    ),
)
