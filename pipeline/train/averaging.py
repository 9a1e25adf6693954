"""A model whose weights are the running average of another's over its last steps."""

import copy

import torch
import torch.nn.functional as F

from mnad import MNAD


class WeightAverage:
    """Averages weights, BatchNorm statistics and memory items of a model in training.

    Args:
        model: that is trained; the average starts as a copy of it.
        steps: about how many of the last steps count: the mean over the first `steps`, then an exponential
            average with weight 1 / steps of the latest.
    """

    def __init__(self, model: MNAD, steps: int) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.done = 0
        self._steps = steps
        pairs = zip(self.model.state_dict().values(), model.state_dict().values(), strict=True)
        # What is no float is BatchNorm's count of batches, which nothing uses here.
        floats = [(own, theirs) for own, theirs in pairs if own.is_floating_point()]
        self._own, self._theirs = [own for own, _ in floats], [theirs for _, theirs in floats]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the model as it is now; does not wait for the device."""
        self.done += 1
        torch._foreach_lerp_(self._own, self._theirs, 1 / min(self.done, self._steps))
        self.model.memory.items.copy_(F.normalize(self.model.memory.items, dim=-1))
