"""Small trees in the shape in which the public datasets are distributed.

Each has two training and three testing videos of FRAMES frames; LABELS holds what is abnormal in the testing
ones, as [start, end), 0-based. Everything is there but the pixels: scenes are tiny.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.io

from tests.helpers.videos import scene, write_images, write_video

FRAMES = 12
SIZE = (24, 32)
LABELS: tuple[tuple[tuple[int, int], ...], ...] = (((4, 9),), (), ((0, 3), (10, 12)))


def frame_labels() -> np.ndarray:
    """(3, FRAMES) bool."""
    labels = np.zeros((len(LABELS), FRAMES), bool)
    for row, intervals in zip(labels, LABELS, strict=True):
        for start, end in intervals:
            row[start:end] = True
    return labels


def masks(number: int) -> np.ndarray:
    """(FRAMES, H, W) bool masks of a testing video; what is abnormal is marked somewhere."""
    result = np.zeros((FRAMES, *SIZE), bool)
    for frame in np.flatnonzero(frame_labels()[number]):
        result[frame, 3:9, frame : frame + 7] = True
    return result


def frames(number: int, *, is_testing: bool = False) -> np.ndarray:
    """A scene for a video."""
    return scene(FRAMES, size=SIZE, seed=number + 50 * is_testing)


def cell(arrays: list[np.ndarray]) -> np.ndarray:
    """A MATLAB cell row."""
    result = np.empty((1, len(arrays)), object)
    for index, array in enumerate(arrays):
        result[0, index] = array
    return result


def ucsd(root: Path, name: str = "UCSDped2") -> Path:
    """UCSD as distributed, with what file managers leave in it; masks for two of the three clips."""
    base = root / name
    for number in (1, 2):
        write_images(base / "Train" / f"Train{number:03d}", frames(number), first=1, pattern="{:03d}.tif")
    for number in (1, 2, 3):
        clip = base / "Test" / f"Test{number:03d}"
        write_images(clip, frames(number, is_testing=True), first=1, pattern="{:03d}.tif")
        (clip / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        (clip / "._001.tif").write_bytes(b"\0\5\x16\7")
        if number != 2:
            marks = 255 * np.repeat(masks(number - 1)[..., None], 3, 3).astype(np.uint8)
            write_images(base / "Test" / f"Test{number:03d}_gt", marks, first=1, pattern="{:03d}.bmp")
    lines = ["TestVideoFile = {};"]
    for intervals in LABELS:
        ranges = ", ".join(f"{start + 1}:{end}" for start, end in intervals)
        lines.append(f"TestVideoFile{{end+1}}.gt_frame = [{ranges}];")
    (base / "Test" / f"{name}.m").write_text("\n".join(lines) + "\n")
    return root


def repacked(root: Path, labels: Callable[[Path], object]) -> Path:
    """{training,testing}/frames/NN/000.jpg with the labels that `labels` writes."""
    for split, count in (("training", 2), ("testing", 3)):
        for number in range(1, count + 1):
            made = frames(number, is_testing=split == "testing")
            write_images(root / split / "frames" / f"{number:02d}", made, pattern="{:03d}.jpg")
    labels(root)
    return root


def repacked_npy(root: Path) -> Path:
    """As re-packed for Ped2: (1, frames)."""
    values = frame_labels().reshape(1, -1).astype(np.uint8)
    return repacked(root, lambda folder: np.save(folder / "frame_labels_ped2.npy", values))


def repacked_flat_npy(root: Path) -> Path:
    """As re-packed for ShanghaiTech: (frames,)."""
    values = frame_labels().reshape(-1).astype(np.float64)
    return repacked(root, lambda folder: np.save(folder / "frame_labels_shanghai.npy", values))


def repacked_mat(root: Path) -> Path:
    """As re-packed for Avenue: a cell of (2, intervals), 1-based inclusive."""
    cells = [np.array([[s + 1 for s, _ in row], [e for _, e in row]], np.float64) for row in LABELS]
    return repacked(root, lambda folder: scipy.io.savemat(folder / "avenue.mat", {"gt": cell(cells)}))


def avenue(root: Path) -> Path:
    """CUHK Avenue as distributed, the label archive unpacked beside the videos."""
    base = root / "Avenue Dataset"
    for number in (1, 2):
        write_video(base / "training_videos" / f"{number:02d}.avi", frames(number), codec="mpeg4")
    for number in (1, 2, 3):
        made = frames(number, is_testing=True)
        write_video(base / "testing_videos" / f"{number:02d}.avi", made, codec="mpeg4")
    avenue_labels(base)
    return root


def avenue_labels(base: Path) -> Path:
    """The label archive of CUHK Avenue."""
    folder = base / "ground_truth_demo" / "testing_label_mask"
    folder.mkdir(parents=True)
    for number in (1, 2, 3):
        planes = [plane.astype(np.uint8) for plane in masks(number - 1)]
        scipy.io.savemat(folder / f"{number}_label.mat", {"volLabel": cell(planes)}, do_compression=True)
    return base / "ground_truth_demo"


def shanghaitech(root: Path) -> Path:
    """ShanghaiTech as distributed: training as videos, testing as frames, masks per frame and pixel."""
    for number in (1, 2):
        write_video(root / "training" / "videos" / f"01_00{number}.avi", frames(number), codec="mpeg4")
    for folder in ("test_frame_mask", "test_pixel_mask"):
        (root / "testing" / folder).mkdir(parents=True)
    for number in (1, 2, 3):
        name = f"01_001{number}"
        made = frames(number, is_testing=True)
        write_images(root / "testing" / "frames" / name, made, pattern="{:03d}.jpg")
        values = frame_labels()[number - 1].astype(np.uint8)
        np.save(root / "testing" / "test_frame_mask" / f"{name}.npy", values)
        np.save(root / "testing" / "test_pixel_mask" / f"{name}.npy", masks(number - 1))
    return root


def any_videos(root: Path) -> Path:
    """{training,testing}/videos/*.mp4 with a CSV."""
    for split, count in (("training", 2), ("testing", 3)):
        for number in range(1, count + 1):
            made = frames(number, is_testing=split == "testing")
            write_video(root / split / "videos" / f"cam {number}.mp4", made)
    rows = [
        f"cam {number}.mp4,{start},{end}"
        for number, intervals in enumerate(LABELS, start=1)
        for start, end in intervals
    ]
    (root / "labels.csv").write_text("video,start,end\n" + "\n".join(rows) + "\n")
    return root
