"""Pictures: that they are there, of the right size, and show the labelled intervals."""

import cv2
import numpy as np

from mnad import FrameScores
from pipeline.evaluate.plots import score_curves
from pipeline.evaluate.scores import VideoScores, interesting, intervals


def video(labels: list[int] | None, count: int = 50) -> VideoScores:
    zeros = np.zeros(count)
    scores = FrameScores(
        psnr=zeros, feature_distance=zeros, point_score=zeros, memory_updated=np.zeros(count, bool)
    )
    truth = None if labels is None else np.resize(np.array(labels, bool), count)
    return VideoScores(
        name="v",
        frames=np.arange(4, 4 + count),
        scores=scores,
        anomaly=np.linspace(0, 1, count),
        labels=truth,
    )


def reddish(png: bytes) -> float:
    """Share of the picture's pixels that are shaded as abnormal."""
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).astype(int)
    return float(((image[..., 2] - image[..., 0]) > 30).mean())


def test_abnormal_intervals_are_frame_numbers_and_reach_the_end() -> None:
    assert intervals(video([0, 1, 1, 0, 1], 5)) == [(5, 7), (8, 9)]
    assert intervals(video(None)) == []


def test_shading_grows_with_the_abnormal_share() -> None:
    none, half, whole = (
        reddish(score_curves([video(labels)], "t")) for labels in ([0], [0] * 25 + [1] * 25, [1])
    )
    assert none < 0.01
    assert 0.35 < half / whole < 0.65


def test_videos_with_both_classes_come_first_but_stay_in_order() -> None:
    plain, both, unlabelled = video([0]), video([0, 1]), video(None)
    assert interesting([plain, unlabelled, both, both], 3) == [plain, both, both]


def test_one_row_per_video() -> None:
    heights = [
        cv2.imdecode(np.frombuffer(score_curves([video([0, 1])] * rows, "t"), np.uint8), 0).shape[0]
        for rows in (1, 3)
    ]
    assert heights[1] > heights[0] + 200
