"""Pictures of scored frames: real frame, prediction and error side by side."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mnad import Observed
from mnad.scoring import error_map
from shards.entries import Video
from shards.opencv import cv2

_PICTURE_SIDE = 128
"""The longest side of one of a picture's three parts, pixels."""
_SHORTEST_SIDE = 8
_QUALITY = 80
_ERROR_GAIN = 2.5
"""A difference of 40 % of the range is shown as the brightest error."""


def draw_pictures(video: Video, seen: Observed, rows: Tensor) -> list[bytes]:
    """JPEGs of some of a video's frames, in the proportions that the video has.

    Args:
        video: theirs.
        seen: of consecutive windows.
        rows: (P,) int64, which of those to draw.
    """
    strips = _strips(seen, rows, source_shape(video.source)).cpu().numpy()
    return [_jpeg(strip) for strip in strips]


def source_shape(facts: dict[str, Any]) -> tuple[int, int] | None:
    """Height and width of a video's first frame as it was decoded, from its record in the manifest."""
    try:
        _, height, width = facts["sizes"][0]
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    if not all(type(edge) is int and edge > 0 for edge in (height, width)):
        return None
    return height, width


def picture_size(stored: tuple[int, int], shape: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width of a picture: the proportions of `shape`, the detail of `stored` frames if it fits.

    Args:
        stored: height and width of stored frames.
        shape: of the video's frames; None for the same.
    """
    height, width = stored if shape is None else shape
    scale = max(stored[0] / height, stored[1] / width)
    scale = min(scale, _PICTURE_SIDE / max(height, width))
    return max(_SHORTEST_SIDE, round(scale * height)), max(_SHORTEST_SIDE, round(scale * width))


def _strips(seen: Observed, rows: Tensor, shape: tuple[int, int] | None) -> Tensor:
    """Pictures uint8 (P, h, 3 w, 3) BGR: target, frame, error; the error still gray."""
    target, frame = (((x[rows].float() + 1) * 127.5).clamp(0, 255) for x in (seen.target, seen.frame))
    # The fourth root brings a squared error times its own weight back to the scale of a pixel's difference.
    error = error_map(seen.error[rows]).sqrt().sqrt() * (255 * _ERROR_GAIN)
    size = picture_size((target.shape[-2], target.shape[-1]), shape)
    parts = [target, frame, error.clamp(0, 255)[:, None].expand_as(target)]
    if size != target.shape[-2:]:
        parts = [F.interpolate(part, size=size, mode="bilinear", antialias=True) for part in parts]
    return torch.cat(parts, dim=3).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _jpeg(strip: np.ndarray) -> bytes:
    third = strip.shape[1] // 3
    heat = cv2.applyColorMap(np.ascontiguousarray(strip[:, 2 * third :, 0]), cv2.COLORMAP_INFERNO)
    picture = np.concatenate([strip[:, : 2 * third], heat], axis=1)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes()
