"""The owner of Pillow: what the header of an image file says, before anything is decoded."""

import io
import itertools
import warnings

from PIL import Image, UnidentifiedImageError

from pipeline.errors import SourceError

FORMATS = ("BMP", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Formats as Pillow names them; whatever else OpenCV can read (GIF, EXR, AVIF, …) no suffix asks for."""
LARGEST_PIXELS = 1 << 26
"""Pixels of the largest image that is decoded: 8192x8192, twice a frame of 8K. A worker that decodes one
holds 0.6 or 0.7 GB at its peak for PNG, TIFF and WebP, 1.2 GB for JPEG 2000 and for a PNG of 16 bits."""
LARGEST_BYTES = 8 * LARGEST_PIXELS + (64 << 20)
"""Bytes of the largest image file that is read: so many pixels of four 16-bit channels, uncompressed."""
_MOST_PAGES = 1000
"""Pages that are counted; Pillow's time for a page grows with the pages before it."""

Image.MAX_IMAGE_PIXELS = None  # LARGEST_PIXELS takes its place, with a message of our own


def check_size(size: int, name: str) -> None:
    """Refuse an image file of more bytes than any image has that is decoded.

    Args:
        size: of the file.
        name: of it, for messages.

    Raises:
        SourceError: it is larger.
    """
    if size > LARGEST_BYTES:
        raise SourceError(
            f"{name}: found an image file of {size >> 20} MB, expected at most {LARGEST_BYTES >> 20} MB; "
            "make it smaller, or leave the video out with --on-error skip"
        )


def check_header(data: bytes, name: str) -> None:
    """Refuse what is not one image of a bearable size.

    Args:
        data: an image file.
        name: of the file, for messages.

    Raises:
        SourceError: it is no image of a known format, is too large, or holds several pages or pictures.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                width, height = image.size
                pages = _pages(image)
    except Exception as error:  # parsers of broken files raise whatever Python has
        reason = "" if isinstance(error, UnidentifiedImageError) else f" ({' '.join(str(error).split())})"
        raise SourceError(
            f"{name}: found {len(data)} bytes that are no image of a known format (BMP, JPEG, JPEG 2000, "
            f"PNG, PGM, PPM, TIFF or WebP){reason}; mend or remove the file, or leave the "
            "video out with --on-error skip"
        ) from error
    if width * height > LARGEST_PIXELS:
        raise SourceError(
            f"{name}: found an image of {width}x{height} (width x height), expected at most {LARGEST_PIXELS} "
            "pixels; make it smaller, or leave the video out with --on-error skip"
        )
    if pages > 1:
        found = f"more than {_MOST_PAGES}" if pages > _MOST_PAGES else str(pages)
        raise SourceError(
            f"{name}: found {found} pages or pictures in one file, expected one frame per file; save each as "
            "a file of its own, or make a video of them"
        )


def _pages(image: Image.Image) -> int:
    """Pictures in a file: pages of a TIFF, frames of an animated PNG or WebP.

    A JPEG counts as one, whatever previews and gain maps a camera has put behind it.
    """
    if image.format != "TIFF":
        return int(getattr(image, "n_frames", 1)) if image.format in ("PNG", "WEBP") else 1
    for page in itertools.count(1):
        try:
            image.seek(page)
        except EOFError:
            return page
        except Exception:  # the next page is there, but broken
            return page + 1
        if page == _MOST_PAGES:
            break
    return _MOST_PAGES + 1
