"""The form into which Ped1, Ped2, Avenue and ShanghaiTech are commonly re-packed."""

from pipeline.preprocess.datasets.dataset import Asked, Form, Found
from pipeline.preprocess.sources.tree import Tree, join
from pipeline.preprocess.sources.videos import SPLIT_FOLDERS, SourceVideo, split_videos


def repacked(label_names: tuple[str, ...]) -> Form:
    """{training,testing}/{frames/NN/000.jpg | videos/NN.mp4} with a label file that names the dataset.

    Args:
        label_names: of such files.
    """

    def find(tree: Tree, root: str, asked: Asked) -> Found | None:
        evidence = next((name for name in label_names if join(root, name) in tree.files), None)
        if evidence is None and not asked.by_name:
            return None
        videos: list[SourceVideo] = []
        for folder in tree.folders(root):
            if folder.lower() in SPLIT_FOLDERS:
                videos += split_videos(tree, join(root, folder), SPLIT_FOLDERS[folder.lower()])
        reason = f"training and testing with videos or frames, {evidence or 'as asked for'}"
        return Found(reason=reason, videos=videos)

    looks_for = f"{{training,testing}}/{{frames,videos}} with {' or '.join(label_names[:2])}"
    return Form(looks_for=looks_for, find=find)
