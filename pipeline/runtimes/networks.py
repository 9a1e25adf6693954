"""Encoder and decoder as programs that other runtimes take, and a model that they run."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from mnad import MNAD
from mnad.networks import STRIDE, WIDTHS
from pipeline.runtimes.program import MOST_BATCH

Run = Callable[[Sequence[Tensor]], list[Tensor]]
"""Runs a program on tensors, in order; what it gives holds until the same thread calls it again."""


class _Decoding(nn.Module):
    """The decoder with a list of arguments, which all runtimes have."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self._decoder = decoder

    def forward(self, features: Tensor, *skips: Tensor) -> Tensor:
        frame: Tensor = self._decoder(features, list(skips) or None)
        return frame


def programs(model: MNAD, size: tuple[int, int]) -> list[torch.export.ExportedProgram]:
    """Encoder and decoder of a model for frames of a size, in batches of any size.

    The first takes (B, C', H, W), and gives features and skips; the second takes features (B, 2D, H/8, W/8)
    and the skips, and gives (B, C, H, W). Both are in float32.

    Args:
        model: in eval mode, on the CPU, contiguous.
        size: height and width of frames.
    """
    batch = torch.export.Dim("batch", min=1, max=MOST_BATCH)
    channels = next(model.encoder.parameters()).shape[1]
    frames = torch.zeros(2, channels, *size)
    with torch.no_grad():
        _, skips = model.encoder(frames)
        grid = torch.zeros(2, 2 * WIDTHS[-1], size[0] // STRIDE, size[1] // STRIDE)
        passed = skips if model.task == "pred" else []
        return [
            torch.export.export(model.encoder, (frames,), dynamic_shapes=({0: batch},)),
            torch.export.export(
                _Decoding(model.decoder),
                (grid, *passed),
                dynamic_shapes=({0: batch}, *([tuple({0: batch} for _ in passed)] if passed else [])),
            ),
        ]


def run_by(model: MNAD, encoder: Run, decoder: Run) -> MNAD:
    """The model, whose encoder and decoder are run by what was made of their `programs`; it is changed."""
    model.encoder, model.decoder = _Encoder(encoder), _Decoder(decoder)  # type: ignore[assignment]
    return model


class _Encoder(nn.Module):
    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def forward(self, frames: Tensor) -> tuple[Tensor, list[Tensor]]:
        features, *skips = self._run([frames])
        return features, skips


class _Decoder(nn.Module):
    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def forward(self, features: Tensor, skips: Sequence[Tensor] | None = None) -> Tensor:
        (frame,) = self._run([features, *(skips or ())])
        return frame.clone()  # which sinks keep
