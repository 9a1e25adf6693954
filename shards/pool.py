"""Segments held on a device, and the windows cut from them there.

Dimension letters: B batch, T frames of a window, F frames of a segment, C channels, H W height and width.
"""

import numpy as np
import torch
from torch import Tensor


class SegmentPool:
    """Slots for segments, allocated once.

    On the CPU a segment is read straight into its slot. For another device it lands in pinned memory, from
    where it is copied while the host goes on. Nothing here waits for the device.

    Args:
        slots: segments held at a time.
        shape: (F, H, W, C) of the longest segment.
        window: T.
        device: where they are held.
    """

    def __init__(
        self, slots: int, shape: tuple[int, int, int, int], *, window: int, device: torch.device
    ) -> None:
        self.slots = slots
        self._window = window
        self._device = device
        self._frames = _empty((slots, *shape), device)
        self._batch = _empty((0, window, *shape[1:]), device)

    def landing(self, slot: int, frames: int) -> Tensor:
        """Host memory uint8 (F, H, W, C) for the frames of a segment on their way to `slot`."""
        if self._device.type == "cpu":
            return self._frames[slot, :frames]
        # From torch's cache of pinned memory, which gives a block out again only after its copy is done.
        return torch.empty((frames, *self._frames.shape[2:]), dtype=torch.uint8, pin_memory=True)

    def arrive(self, slot: int, landed: Tensor) -> None:
        """Bring to `slot` what was put into its landing."""
        if self._device.type != "cpu":
            self._frames[slot, : len(landed)].copy_(landed, non_blocking=True)

    def gather(self, slots: np.ndarray, starts: np.ndarray) -> Tensor:
        """Windows uint8 (B, T, H, W, C), valid until the next call.

        Args:
            slots: (B,) where each window's segment is.
            starts: (B,) its first frame within the segment.
        """
        _, longest, *frame = self._frames.shape
        if len(self._batch) != len(slots):
            self._batch = _empty((len(slots), self._window, *frame), self._device)
        if self._device.type == "cpu":
            # One copy per window. Indexing operators of torch would start threads of their own, beside those
            # that read.
            held, batch = self._frames.numpy(), self._batch.numpy()
            for row, (slot, start) in enumerate(zip(slots.tolist(), starts.tolist(), strict=True)):
                batch[row] = held[slot, start : start + self._window]
        else:
            rows = (slots * longest + starts)[:, None] + np.arange(self._window)
            index = torch.from_numpy(rows.ravel()).pin_memory().to(self._device, non_blocking=True)
            torch.index_select(self._frames.flatten(0, 1), 0, index, out=self._batch.flatten(0, 1))
        return self._batch


def _empty(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Memory for bytes. NumPy asks the kernel for huge pages, torch does not: batches came 10 % slower."""
    if device.type == "cpu":
        return torch.from_numpy(np.empty(shape, np.uint8))
    return torch.empty(shape, dtype=torch.uint8, device=device)
