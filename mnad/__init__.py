"""The method of "Learning Memory-guided Normality for Anomaly Detection" (Park et al., CVPR 2020).

Nothing here reads or writes anything: networks, memory, losses and scoring arithmetic on tensors; for video
without labels local error, evidence, alarms and their rates.
Pixels are in [-1, 1]. Dimension letters used throughout:

    B batch   T frames of a window   C channels   H, W height and width
    N queries of a frame (H/8 * W/8)   M memory items   D features of a query or item
"""

from mnad.losses import Losses, training_losses
from mnad.memory import Memory
from mnad.model import MNAD, Output
from mnad.scoring import FrameScores, Observed, normality, score_apart, score_batch

__all__ = [
    "MNAD",
    "FrameScores",
    "Losses",
    "Memory",
    "Observed",
    "Output",
    "normality",
    "score_apart",
    "score_batch",
    "training_losses",
]
