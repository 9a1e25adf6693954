"""Encoder and decoder of the paper (section 3.1, figure 2): a U-Net, or the same without skips.

Dimension letters: B batch, C channels, H W height and width, D features.
The encoder halves the resolution three times; with 256x256 frames a query covers 8x8 pixels.
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

BatchNormInit = Literal["ones", "uniform"]

WIDTHS = (64, 128, 256, 512)
"""Channels at full, half, quarter and eighth resolution."""
STRIDE = 2 ** (len(WIDTHS) - 1)
"""Pixels per query along each axis; frame height and width are multiples of it."""


def conv_block(channels_in: int, channels_out: int) -> nn.Sequential:
    """Twice (3x3 convolution, BatchNorm, ReLU)."""
    return nn.Sequential(
        *_conv_norm_relu(channels_in, channels_out), *_conv_norm_relu(channels_out, channels_out)
    )


def _conv_norm_relu(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    ]


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


class Encoder(nn.Module):
    """Frames to one feature vector per 8x8 patch, with the features of the levels above for skips."""

    def __init__(self, channels_in: int) -> None:
        super().__init__()
        full, half, quarter, eighth = WIDTHS
        self.levels = nn.ModuleList(
            [conv_block(channels_in, full), conv_block(full, half), conv_block(half, quarter)]
        )
        # The last level ends without BatchNorm and ReLU, so that queries can point anywhere on the sphere.
        self.bottleneck = nn.Sequential(*_conv_norm_relu(quarter, eighth), _conv(eighth, eighth))
        self.pool = nn.MaxPool2d(2)

    def forward(self, frames: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Encode.

        Args:
            frames: (B, C, H, W) float in [-1, 1]; C counts all input frames' channels.

        Returns:
            Features (B, D, H/8, W/8) and the skips (B, 64, H, W), (B, 128, H/2, W/2), (B, 256, H/4, W/4).
        """
        skips = []
        features = frames
        for level in self.levels:
            features = level(features)
            skips.append(features)
            features = self.pool(features)
        return self.bottleneck(features), skips


class Decoder(nn.Module):
    """Memory-augmented features (2D channels) to a frame in [-1, 1].

    With `skips` (prediction) each level sees the encoder's features of its resolution before its own;
    without (reconstruction) the upsampling keeps the width that the skip would have brought.
    """

    def __init__(self, channels_out: int, *, skips: bool) -> None:
        super().__init__()
        full, half, quarter, eighth = WIDTHS
        self.bottleneck = conv_block(2 * eighth, eighth)
        self.upsample = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(
                    below, above if skips else below, 3, stride=2, padding=1, output_padding=1
                ),
                nn.BatchNorm2d(above if skips else below),
                nn.ReLU(inplace=True),
            )
            for below, above in pairwise(reversed(WIDTHS))
        )
        self.levels = nn.ModuleList([conv_block(eighth, quarter), conv_block(quarter, half)])
        self.output = nn.Sequential(
            *_conv_norm_relu(half, full), *_conv_norm_relu(full, full), _conv(full, channels_out), nn.Tanh()
        )

    def forward(self, features: Tensor, skips: list[Tensor] | None = None) -> Tensor:
        """Decode.

        Args:
            features: (B, 2D, H/8, W/8), queries beside what the memory gave for them.
            skips: the encoder's, highest resolution first; None for reconstruction.

        Returns:
            (B, channels_out, H, W) in [-1, 1].
        """
        features = self.bottleneck(features)
        for depth, (upsample, level) in enumerate(
            zip(self.upsample, [*self.levels, self.output], strict=True)
        ):
            features = upsample(features)
            if skips is not None:
                features = torch.cat([skips[-1 - depth], features], dim=1)
            features = level(features)
        return features


def initialise_batch_norm(
    module: nn.Module, init: BatchNormInit, generator: torch.Generator | None = None
) -> None:
    """Set BatchNorm weights to 1, or draw them from U(0, 1) as PyTorch before 1.2, and so the paper, did."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            if init == "uniform":
                nn.init.uniform_(layer.weight, generator=generator)
            else:
                nn.init.ones_(layer.weight)
