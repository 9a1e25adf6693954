"""From frames to anomaly scores (paper section 3.4, equations 10 to 13), and the protocol that carries
the memory from frame to frame, in batches with the result of one frame at a time.

Dimension letters: B batch, C channels, H W height and width, N queries, M items, D features.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from mnad.memory import similarity, update
from mnad.model import MNAD

Distance = Callable[[Tensor, Tensor], Tensor]
"""A feature distance (B,) of queries (B, N, D), given the items (B, M, D) that each frame reads."""


@dataclass(frozen=True, kw_only=True)
class FrameScores:
    """Scores of consecutive windows, each about the window's last frame, on the CPU.

    Attributes:
        psnr: (B,) float64, dB; infinite where the frame is reproduced exactly.
        feature_distance: (B,) float64, mean squared error of the queries to their nearest items, or what
            another distance gave.
        point_score: (B,) float64, weighted squared error, pixels in [0, 1] (equation 13).
        memory_updated: (B,) bool, whether the frame went into the memory.
    """

    psnr: np.ndarray
    feature_distance: np.ndarray
    point_score: np.ndarray
    memory_updated: np.ndarray

    @classmethod
    def join(cls, parts: Sequence["FrameScores"]) -> "FrameScores":
        """One after another, at least one."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})

    def at(self, index: int) -> "FrameScores":
        """The scores of one window, B = 1."""
        return FrameScores(
            **{field.name: getattr(self, field.name)[index : index + 1] for field in fields(self)}
        )

    def first(self, count: int) -> "FrameScores":
        """The first `count` windows' scores."""
        return FrameScores(**{field.name: getattr(self, field.name)[:count] for field in fields(self)})


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What scoring saw of n consecutive windows of a batch, on the model's device.

    Attributes:
        first: index of the first of them in the batch.
        frame, target: (n, C, H, W) in [-1, 1], predicted or rebuilt, and real.
        error: (n, C, H, W) squared, pixels in [0, 1].
        queries: (n, N, D) float32, unit length.
        items: (n, M, D) the memory that each window read.
    """

    first: int
    frame: Tensor
    target: Tensor
    error: Tensor
    queries: Tensor
    items: Tensor


def squared_error(frame: Tensor, target: Tensor) -> Tensor:
    """Squared error per value, pixels mapped from [-1, 1] to [0, 1]; (..., C, H, W), float32."""
    return ((frame.float() - target.float()) / 2).square()


def psnr(error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB (equation 10) of squared errors (..., C, H, W); inf for no error."""
    return -10 * error.mean(dim=(-3, -2, -1)).double().log10()


def point_score(error: Tensor) -> Tensor:
    """Mean of squared errors (..., C, H, W) weighted by 1 - exp(-error) (equation 13); 0 for no error."""
    weight = -torch.expm1(-error)
    total = weight.sum(dim=(-3, -2, -1))
    weighted = (weight * error).sum(dim=(-3, -2, -1))
    return torch.where(total > 0, weighted / total, 0.0).double()


def error_map(error: Tensor) -> Tensor:
    """Where the point score comes from: squared errors (..., C, H, W) times their weights; (..., H, W)."""
    return (-torch.expm1(-error) * error).mean(dim=-3)


def feature_distance(queries: Tensor, items: Tensor) -> Tensor:
    """Mean squared error of queries (B, N, D) to their nearest items (equation 11), items (B, M, D); (B,)."""
    nearest = similarity(queries, items).argmax(dim=-1)
    recalled = items.gather(1, nearest[..., None].expand_as(queries))
    return (queries - recalled).square().mean(dim=(-2, -1)).double()


def min_max(values: np.ndarray, ends: Sequence[int] | np.ndarray = ()) -> np.ndarray:
    """Values mapped linearly to [0, 1] (equation 12), each group on its own; all 0 where they are all equal.

    An infinite value (the PSNR of a frame without any error) counts as the highest finite one.

    Args:
        values: (frames,) of all groups, one after the other, none of them empty.
        ends: (groups - 1,) where all groups but the last end.
    """
    if not len(values):
        return np.zeros_like(values)
    starts = np.array([0, *ends])
    finite, counts = np.isfinite(values), np.diff(starts, append=len(values))
    low = np.minimum.reduceat(np.where(finite, values, np.inf), starts)
    high = np.maximum.reduceat(np.where(finite, values, -np.inf), starts)
    return between(values, np.repeat(low, counts), np.repeat(high, counts))


def between(values: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    """Values mapped linearly, `low` to 0, `high` and what is above it to 1; 0 where low is not below high."""
    differ = np.less(low, high)
    span = np.where(differ, np.subtract(high, low), 1)
    scaled: np.ndarray = np.where(differ, (np.minimum(values, high) - low) / span, 0)
    return scaled


def normality(
    psnr: np.ndarray, feature_distance: np.ndarray, alpha: float, ends: Sequence[int] | np.ndarray = ()
) -> np.ndarray:
    """How normal each frame of a normalisation group (a video, say) is, in [0, 1].

    Args:
        psnr, feature_distance: (frames,) of one group, or of several, one after the other.
        alpha: weight of the PSNR against the feature distance.
        ends: where all groups but the last end.

    Returns:
        (frames,): alpha * minmax(PSNR) + (1 - alpha) * (1 - minmax(distance)).
    """
    return weighed(min_max(psnr, ends), min_max(feature_distance, ends), alpha)


def weighed(psnr: np.ndarray, feature_distance: np.ndarray, alpha: float) -> np.ndarray:
    """How normal frames (frames,) are whose PSNR and distance were mapped to [0, 1]."""
    return alpha * psnr + (1 - alpha) * (1 - feature_distance)


def memories(items: Tensor, queries: Tensor, decisions: list[bool]) -> Iterator[Tensor]:
    """The memory (M, D) that each of B frames reads, and the one after the last: B + 1 tensors.

    Args:
        items: (M, D) before the first frame.
        queries: (B, N, D).
        decisions: for each frame, whether it updates the memory.
    """
    yield items
    for frame, decision in zip(queries, decisions, strict=True):
        if decision:
            items = update(items, frame)
        yield items


@torch.no_grad()
def score_batch(
    model: MNAD,
    windows: Tensor,
    items: Tensor,
    threshold: float,
    *,
    guess: bool = True,
    distance: Distance = feature_distance,
    observe: Callable[[Observed], None] | None = None,
) -> tuple[FrameScores, Tensor]:
    """Score consecutive windows as if one at a time: read, decode, update if the point score is low.

    Encoding does not depend on the memory. Given guessed decisions, each frame's memory follows without
    decoding; the batch is decoded once with a memory per frame, and the decisions that come out are
    compared with the guesses. All frames up to and including the first wrong guess saw the right memory
    and are final; the rest is decoded again, guessing the decisions just computed.

    Args:
        model: in eval mode.
        windows: (B, T, C, H, W) in [-1, 1], consecutive.
        items: (M, D) the memory before the first window.
        threshold: a frame whose point score is below it updates the memory; -inf never does.
        guess: the decision guessed for every frame at first; the last frame's is a good one.
        distance: gives the feature distances.
        observe: is told what is final, in order; each window once.

    Returns:
        The scores, and the items after the last window.
    """
    inputs, target = model.split(windows)
    encoded = model.encode(inputs)
    guesses = [guess] * len(windows)
    parts: list[FrameScores] = []
    done = 0
    while done < len(windows):
        rest = slice(done, None)
        queries = encoded.queries[rest]
        history = list(memories(items, queries, guesses))
        read = torch.stack(history[:-1])
        frame = model.decode(encoded.select(rest), read)
        error = squared_error(frame, target[rest])
        scores = _scores(error, distance(queries, read), threshold)
        decisions: list[bool] = scores.memory_updated.tolist()
        wrong = [i for i, (a, b) in enumerate(zip(decisions, guesses, strict=True)) if a != b]
        final = wrong[0] + 1 if wrong else len(decisions)
        parts.append(scores.first(final))
        if observe is not None:
            seen = slice(done, done + final)
            observe(
                Observed(
                    first=done,
                    frame=frame[:final],
                    target=target[seen],
                    error=error[:final],
                    queries=queries[:final],
                    items=read[:final],
                )
            )
        if wrong:
            last = encoded.queries[done + final - 1]
            items = update(history[final - 1], last) if decisions[final - 1] else history[final - 1]
        else:
            items = history[-1]
        guesses = decisions[final:]
        done += final
    return FrameScores.join(parts), items


@torch.no_grad()
def score_apart(
    model: MNAD,
    windows: Tensor,
    items: Tensor,
    threshold: float,
    *,
    distance: Distance = feature_distance,
) -> tuple[FrameScores, Observed, Tensor]:
    """Score windows of different videos in one pass, each with a memory of its own.

    Args:
        model: in eval mode.
        windows: (B, T, C, H, W) in [-1, 1].
        items: (B, M, D) the memory before each.
        threshold, distance: as in `score_batch`.

    Returns:
        The scores, what was seen, and the items (B, M, D) after each window.
    """
    inputs, target = model.split(windows)
    encoded = model.encode(inputs)
    frame = model.decode(encoded, items)
    error = squared_error(frame, target)
    scores = _scores(error, distance(encoded.queries, items), threshold)
    updated = torch.from_numpy(scores.memory_updated).to(items.device)[:, None, None]
    after = torch.where(updated, update(items, encoded.queries), items) if updated.any() else items
    seen = Observed(first=0, frame=frame, target=target, error=error, queries=encoded.queries, items=items)
    return scores, seen, after


def _scores(error: Tensor, distance: Tensor, threshold: float) -> FrameScores:
    table = torch.stack([psnr(error), distance, point_score(error)])
    psnrs, distances, points = table.cpu().numpy()  # the one transfer of a pass
    return FrameScores(
        psnr=psnrs, feature_distance=distances, point_score=points, memory_updated=points < threshold
    )
