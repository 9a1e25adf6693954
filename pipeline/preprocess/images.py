"""Image files and the resize that fixes the stored pixels: the owner of OpenCV in this stage."""

from collections.abc import Iterable, Iterator

import numpy as np

from pipeline.errors import SourceError
from shards.opencv import cv2


def use_one_thread() -> None:
    """Keep OpenCV to one thread: as many processes as there are cores run beside one another."""
    cv2.setNumThreads(1)


def decode_image(data: bytes, name: str) -> np.ndarray:
    """The image uint8 (H, W, 3) BGR, as `cv2.imread` gives it.

    Args:
        data: an image file.
        name: of the file, for messages.

    Raises:
        SourceError: it is not an image.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise SourceError(
            f"{name}: found {len(data)} bytes that are no image OpenCV reads; mend or remove the file, or "
            "leave the video out with --on-error skip"
        )
    return np.asarray(image, np.uint8)


def resized(
    frames: Iterable[np.ndarray], size: tuple[int, int], *, is_rgb: bool = False
) -> Iterator[np.ndarray]:
    """Frames uint8 (H, W, 3) brought to `size` (height, width) by bilinear interpolation in uint8, as BGR.

    Args:
        frames: of any size each.
        size: height and width, pixels.
        is_rgb: whether their channels have to be turned round; done last, where there are fewer pixels.
    """
    for frame in frames:
        small = cv2.resize(frame, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
        yield np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2BGR, small) if is_rgb else small, np.uint8)


def encode_png(image: np.ndarray) -> bytes:
    """A PNG file of an image uint8 (H, W, 3) BGR."""
    return bytes(cv2.imencode(".png", image)[1])


def write_text(image: np.ndarray, text: str) -> np.ndarray:
    """The image with a line of small white text; other signs than ASCII become question marks."""
    plain = text.encode("ascii", "replace").decode()
    at = (4, image.shape[0] - 5)
    return np.asarray(
        cv2.putText(image, plain, at, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (255, 255, 255)), np.uint8
    )
