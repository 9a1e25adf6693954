"""Short texts as pictures, in the typeface that Pillow carries: the same on every machine."""

import functools

import numpy as np
from PIL import Image, ImageDraw, ImageFont


@functools.lru_cache(maxsize=256)
def lettering(text: str, size: int) -> np.ndarray:
    """How much of each pixel a line of text covers, uint8 (h, w) up to 255, which must not be written to.

    Args:
        text: of Latin letters, digits and common signs.
        size: of the typeface, pixels; `h` is the same for all texts of a size.
    """
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):  # a Pillow without FreeType, which no wheel is
        raise RuntimeError("Pillow was built without FreeType; install one with it")
    ascent, descent = font.getmetrics()
    picture = Image.new("L", (max(1, round(font.getlength(text))), ascent + descent))
    ImageDraw.Draw(picture).text((0, 0), text, fill=255, font=font)
    return np.asarray(picture)
