"""Pictures: that they are there, of the right size, and show the labelled intervals."""

import dataclasses

import cv2
import numpy as np

from mnad import FrameScores
from pipeline.report.plots import Timeline, precision_recall, roc, score_curves
from pipeline.runs.evaluation import Metrics
from pipeline.scoring.curves import compute_curves
from pipeline.scoring.ranking import Ranking
from pipeline.scoring.videoscores import VideoScores, interesting, intervals


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


FIGURES = Metrics(
    auc=0.75, auc_global=None, auc_raw=None, auc_macro=None, average_precision=0.8, equal_error_rate=0.3
)


def decoded(png: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture.astype(int)


def resolution(png: bytes) -> float:
    """Dots per inch, as the file says."""
    at = png.index(b"pHYs") + 4
    return int.from_bytes(png[at : at + 4], "big") * 0.0254


def reddish(png: bytes) -> float:
    """Share of the picture's pixels that are shaded as abnormal."""
    image = decoded(png)
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
    heights = [decoded(score_curves([video([0, 1])] * rows, "t")).shape[0] for rows in (1, 3)]
    assert heights[1] > heights[0] + 200


BLUE = (29, 78, 216)


def test_pictures_for_papers_are_a_column_wide_at_300_dpi() -> None:
    scored = video([0, 0, 1])
    assert scored.labels is not None
    curves = compute_curves(Ranking.of(scored.anomaly, scored.labels))
    assert curves is not None
    pictures = [
        roc(curves, FIGURES),
        precision_recall(curves, FIGURES, 1 / 3),
        Timeline(0.5).draw(video([0])),
    ]
    for png in pictures:
        assert decoded(png).shape[1] == 1050
        assert round(resolution(png)) == 300


def test_a_timeline_drawn_after_another_is_as_if_drawn_alone() -> None:
    long, short = video([0, 1], 500), video([0] * 40 + [1] * 10)
    reused = Timeline(0.5)
    assert reused.draw(long) != reused.draw(short)
    assert reused.draw(short) == Timeline(0.5).draw(short)
    assert reused.draw(video(None)) == Timeline(0.5).draw(video(None))


def test_a_timeline_shades_the_truth_and_draws_the_threshold() -> None:
    normal, half = (reddish(Timeline(None).draw(video(labels))) for labels in ([0], [0] * 25 + [1] * 25))
    assert half > normal + 0.2
    ink = (31, 36, 48)
    plain, dashed = (decoded(Timeline(threshold).draw(video([0]))) for threshold in (None, 0.25))
    rows = np.flatnonzero((np.abs(dashed[..., ::-1] - np.array(ink)).max(axis=-1) < 60).sum(axis=1) > 300)
    height = 0.26 + 0.61 * (0.25 + 0.03) / 1.06  # of the score 0.25, in the figure
    assert abs(rows.mean() / len(dashed) - (1 - height)) < 0.01
    assert not (np.abs(plain[..., ::-1] - np.array(ink)).max(axis=-1) < 60).sum(axis=1).max() > 300


def test_a_timeline_of_a_million_frames_shows_its_only_peak() -> None:
    long = video([0], 1_000_000)
    flat = np.full(1_000_000, 0.1)
    flat[400_000] = 1.0
    image = decoded(Timeline(None).draw(dataclasses.replace(long, anomaly=flat)))
    blue = np.abs(image[..., ::-1] - np.array(BLUE)).max(axis=-1) < 60
    above = np.flatnonzero(blue[100:200].all(axis=0)) / image.shape[1]
    assert len(above)
    assert abs(above.mean() - (0.125 + 0.4 * 0.855)) < 0.01


def test_a_very_long_name_leaves_the_legend_alone() -> None:
    long = dataclasses.replace(video([0]), name="camera-" * 20 + "7")
    other = dataclasses.replace(video([0]), name="elsewhere-" + "camera-" * 20 + "7")
    assert Timeline(0.5).draw(long) == Timeline(0.5).draw(other)  # the end of a name tells videos apart
