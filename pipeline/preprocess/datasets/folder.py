"""Videos that are of no known dataset: folders named after splits, or everything in one split."""

from pipeline.preprocess.datasets.dataset import Asked, Dataset, Form, Found
from pipeline.preprocess.sources.tree import Tree, join
from pipeline.preprocess.sources.videos import SPLIT_FOLDERS, SourceVideo, image_video, named
from shards.choices import Split

_LOOKS_FOR = "video files or folders of images"


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
    return Found(reason=reason, videos=_videos_below(tree, root, asked.split))


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


FOLDER = Dataset(
    name="folder",
    forms=(
        Form(looks_for=_LOOKS_FOR, find=_find_divided),
        Form(looks_for=_LOOKS_FOR, find=_find_undivided),
    ),
)
