"""The anomaly score of an evaluation: which two values of a frame it weighs, by preset.

Both presets map the two to [0, 1] over the video and weigh them as the paper does (section 3.4). `published`
takes the PSNR and the feature distance. `robust` takes the local error in place of the PSNR, both under the
causal mean; docs/reproduction.md has the runs on which it was compared.
"""

from dataclasses import replace

import numpy as np

from mnad import normality
from mnad.evidence import causal_mean
from pipeline.errors import ReportError
from pipeline.runs.provenance import Preset
from pipeline.scoring.videoscores import VideoScores


def as_weighed(video: VideoScores, preset: Preset) -> VideoScores:
    """A video with what is weighed in the place of its PSNR (higher is more normal) and feature distance.

    Args:
        video: for `robust`, with seconds and local errors.
        preset: of the evaluation.

    Raises:
        ReportError: it has none.
    """
    if preset == "published":
        return video
    if video.seconds is None or video.local_error is None:
        raise ReportError(
            f"found no times or no local errors of video {video.name!r}, expected both, of which the preset "
            f"{preset} makes its score; run evaluate again"
        )
    parts = np.column_stack([-video.local_error, video.scores.feature_distance])
    error, distance = causal_mean(video.seconds, parts)[0].T
    return replace(video, scores=replace(video.scores, psnr=error, feature_distance=distance))


def anomaly(video: VideoScores, alpha: float, preset: Preset) -> np.ndarray:
    """Anomaly scores (F,) in [0, 1] of a whole video, higher for more abnormal, whatever it has as such.

    Args:
        video: as for `as_weighed`.
        alpha: weight of the PSNR, or of what is in its place.
        preset: of the evaluation.
    """
    scores = as_weighed(video, preset).scores
    return 1 - normality(scores.psnr, scores.feature_distance, alpha)
