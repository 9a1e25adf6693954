"""The mean that a count of rare things allows, with confidence."""

import numpy as np
import torch


def upper_gamma(shape: np.ndarray, mean: np.ndarray | float) -> np.ndarray:
    """Q(shape, mean), the regularised upper incomplete gamma function, float64."""
    shapes, means = np.broadcast_arrays(shape, mean)
    result = torch.special.gammaincc(torch.tensor(shapes).double(), torch.tensor(means).double())
    return np.asarray(result.numpy(), np.float64)


def poisson_bound(count: np.ndarray, delta: float) -> np.ndarray:
    """The smallest μ with Q(count + 1, μ) <= δ: the mean above which so few have probability below δ.

    Args:
        count: (V,) at least 0, not only whole numbers.
        delta: in (0, 1).
    """
    low, high = np.zeros(len(count)), count + 1.0
    while (short := upper_gamma(count + 1, high) > delta).any():
        high[short] *= 2
    while ((low < (middle := (low + high) / 2)) & (middle < high)).any():
        enough = upper_gamma(count + 1, middle) <= delta
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high
