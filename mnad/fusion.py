"""A network for scoring only: BatchNorm in eval mode is linear, and can go into the convolution before it."""

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mnad.model import MNAD


def fuse(model: MNAD) -> MNAD:
    """A copy of a model in eval mode that gives the same, up to rounding, with one pass over memory less
    per layer. It cannot be trained, nor saved as a checkpoint.
    """
    fused = copy.deepcopy(model)
    for block in fused.modules():
        if isinstance(block, nn.Sequential):
            for index in range(len(block) - 1):
                convolution, norm = block[index], block[index + 1]
                if isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d) and isinstance(
                    norm, nn.BatchNorm2d
                ):
                    transposed = isinstance(convolution, nn.ConvTranspose2d)
                    block[index] = fuse_conv_bn_eval(convolution, norm, transpose=transposed)
                    block[index + 1] = nn.Identity()
    return fused
