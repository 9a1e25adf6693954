"""The images of a folder as the frames of a video: their order, by their names alone."""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import PurePosixPath

from pipeline.errors import SourceError
from shards.text import natural_key, printable

_NUMBER = re.compile(r"\d+")
_DECIMAL = re.compile(r"(.*?)(?<!\d)(?<!\d\.)(\d+)(?:\.(\d+))?(\D*)")
"""The last number of a name, with what stands behind a dot: `1700000000.05`, `cam2_12.5`, not `10.0.0.1`."""


def in_order(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The frames of a video in order: natural, or by value where their names are decimal numbers.

    Where most of the names differ only in their numbers, the others are not of the sequence: one stray file
    would shift every label after it. One camera may write `.jpg` and `.JPG`.

    Args:
        names: of the images in a folder, at least one, in natural order.

    Returns:
        Those of the sequence, and the others in natural order.
    """
    frames = _alike(names, r"\d+(?:\.\d+)?")
    if are_decimals([_stem(frame) for frame in frames]):
        frames.sort(key=lambda frame: _by_value(_stem(frame)))
    else:
        frames = _alike(names, r"\d+")
    kept = set(frames)
    return frames, [name for name in names if name not in kept]


def refuse_doubled(paths: Sequence[str], where: str, video: str) -> None:
    """Refuse each frame twice, as `001.jpg` and `001.png`: it would be a video that stops after each.

    Args:
        paths: of the images of one folder.
        where: these begin, for the message.
        video: what it is called, for the message.

    Raises:
        SourceError: two have the same name but for the suffix.
    """
    if len({path.rpartition(".")[2] for path in paths}) == 1:
        return
    seen: dict[str, str] = {}
    for path in paths:
        other = seen.setdefault(_stem(path), path)
        if other is not path:
            raise SourceError(
                f"{where}: found {printable(other)} and {printable(PurePosixPath(path).name)}, expected one "
                f"image of each name in {video}; move those of one kind out of the folder"
            )


def _alike(images: Sequence[str], number: str) -> list[str]:
    """The images whose names differ only in numbers, if they are most of them; else all."""
    shapes = [re.sub(number, "0", _stem(image)) + PurePosixPath(image).suffix.lower() for image in images]
    common, count = Counter(shapes).most_common(1)[0]
    if "0" not in common or 2 * count <= len(images):
        return [*images]
    return [image for image, shape in zip(images, shapes, strict=True) if shape == common]


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _by_value(stem: str) -> tuple[object, Decimal]:
    """Sorts by what stands before the decimal number, as the minute in `10-00-59.25`, then by the number."""
    match = _DECIMAL.fullmatch(stem)
    assert match is not None
    return natural_key(match[1]), Decimal(f"{match[2]}.{match[3] or 0}")


def are_decimals(stems: list[str]) -> bool:
    """Whether names with `1.05` hold decimal numbers, as of seconds, rather than two whole ones.

    A number that was printed as such has no zero at its end (`str(time.time())`), unless all have as many
    digits; of frames that are counted behind a dot, one in ten has: `cam1.9`, `cam1.10`. Other numbers may
    stand before it, as in `10-00-59.25` and `10-01-00.5`.
    """
    parts = [match.groups() for stem in stems if (match := _DECIMAL.fullmatch(stem))]
    fractions = [fraction for _, _, fraction, _ in parts if fraction is not None]
    words = {(_NUMBER.sub("0", before), after) for before, _, _, after in parts}
    if len(parts) < len(stems) or not fractions or len(words) > 1:
        return False
    if len({len(fraction) for fraction in fractions}) == 1 and len(fractions) == len(stems):
        return len({whole for _, whole, _, _ in parts}) > 1
    return not any(fraction.endswith("0") and len(fraction) > 1 for fraction in fractions)


def missing_numbers(names: list[str]) -> list[tuple[int, int]]:
    """Gaps in the whole numbers of a sequence of file names as (first, last) missing number.

    Names with numbers of 64 bits, which count no frames, have no gaps.
    """
    stems = [_stem(name) for name in names]
    if are_decimals(stems):
        return []
    found = [re.findall(r"\d+", stem) for stem in stems]
    numbers = [int(groups[-1]) for groups in found if groups]
    pairs = itertools.pairwise(numbers)
    return [(before + 1, after - 1) for before, after in pairs if before + 1 < after < 1 << 63]
