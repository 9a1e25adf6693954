"""ShanghaiTech Campus."""

from pipeline.preprocess.datasets.dataset import Asked, Dataset, Form, Found
from pipeline.preprocess.datasets.repacked import repacked
from pipeline.preprocess.sources.tree import Tree, join
from pipeline.preprocess.sources.videos import SourceMasks, SourceVideo, split_videos

_FRAME_MASKS = "test_frame_mask"
_PIXEL_MASKS = "test_pixel_mask"
_LABELS = (
    *("frame_labels_shanghai.npy", "frame_labels_shanghaitech.npy"),
    *("shanghai.mat", "shanghaitech.mat"),
)


def _find(tree: Tree, root: str, asked: Asked) -> Found | None:
    """training/videos/01_001.avi, testing/frames/01_0014/000.jpg, testing/test_frame_mask."""
    training, testing = join(root, "training"), join(root, "testing")
    has_masks = not {_FRAME_MASKS, _PIXEL_MASKS}.isdisjoint(tree.folders(testing))
    has_shape = tree.videos(join(training, "videos")) and tree.folders(join(testing, "frames"))
    if not has_masks and not (asked.by_name and has_shape):
        return None
    videos = split_videos(tree, training, "training")
    videos += [_masked(tree, testing, video) for video in split_videos(tree, testing, "testing")]
    evidence = f"testing/{_FRAME_MASKS}" if has_masks else "as asked for"
    return Found(reason=f"training/videos and testing/frames, {evidence}", videos=videos)


def _masked(tree: Tree, testing: str, video: SourceVideo) -> SourceVideo:
    """The video with its masks, if there are any."""
    file = tree.files.get(join(testing, _PIXEL_MASKS, f"{video.name}.npy"))
    if file is None:
        return video
    return video._replace(masks=SourceMasks(location=tree.source.location, form="npy", files=(file,)))


SHANGHAITECH = Dataset(
    name="shanghaitech",
    forms=(
        Form(
            looks_for="training/videos/*.avi and testing/frames/*/*.jpg with testing/test_frame_mask/*.npy",
            find=_find,
        ),
        repacked(_LABELS),
    ),
    label_names=_LABELS,
    label_folders=(join("testing", _FRAME_MASKS), _FRAME_MASKS),
)
