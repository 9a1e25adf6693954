"""The MATLAB scripts in which UCSD distributes labels, in time linear in their length."""

import re
from itertools import pairwise

from pipeline.errors import SourceError
from pipeline.preprocess.labels.names import shown

SCRIPT_BYTES = 1 << 20
"""Room for 50,000 ranges; Ped1's script takes 2 kB."""
_ROW = "TestVideoFile{end+1}."
_FIELD = "gt_frame"
_RANGE = re.compile(r"([0-9]{1,9})(?::([0-9]{1,9}))?")
_EXPECTED = "expected ranges of frames such as [61:180] or [5:90, 140:200]"


def read_script(data: bytes, where: str) -> list[list[tuple[int, int]]]:
    """The abnormal ranges of each clip, 1-based and inclusive as they are written.

    Args:
        data: lines such as `TestVideoFile{end+1}.gt_frame = [5:90, 140:200];`.
        where: the file, for messages.

    Raises:
        SourceError: there are no such lines, or one is written in another way.
    """
    parts = _code(data.decode("latin-1")).split(_FIELD)
    if len(parts) == 1:
        raise SourceError(f"{where}: no line like {_ROW}{_FIELD} = [61:180];")
    rows = []
    for number, (before, after) in enumerate(pairwise(parts), start=1):
        clip = f"{where}: clip {number}"
        if not before.endswith(_ROW):
            raise SourceError(
                f"{clip}: found {shown(before[-30:] + _FIELD)}, expected {_ROW}{_FIELD} = [61:180];"
            )
        rows.append(_ranges(after, clip))
    return rows


def _code(text: str) -> str:
    """The script without comments, and with lines that go on joined."""
    lines = []
    depth = 0
    for line in text.splitlines():
        mark = line.strip()
        depth += (mark == "%{") - (mark == "%}" and depth > 0)
        if depth or mark == "%}":
            continue
        code, goes_on, _ = line.partition("%")[0].partition("...")
        lines.append(code + (" " if goes_on else "\n"))
    return "".join(lines)


def _ranges(text: str, clip: str) -> list[tuple[int, int]]:
    """What stands in the brackets at the beginning of a text."""
    before, opened, rest = text.partition("[")
    inside, closed, behind = rest.partition("]")
    behind = behind.partition("\n")[0]
    if before.strip() != "=" or not (opened and closed) or behind.strip()[:1] not in ("", ";"):
        raise SourceError(f"{clip}: found {shown(text.partition(chr(10))[0].strip())}, {_EXPECTED}")
    plain = " ".join(inside.split()).replace(" :", ":").replace(": ", ":")
    ranges = []
    for item in re.split("[,; ]", plain):
        match = _RANGE.fullmatch(item)
        if match:
            ranges.append((int(match[1]), int(match[2] or match[1])))
        elif item:
            raise SourceError(f"{clip}: found {shown(item)} in [{shown(plain)[1:-1]}], {_EXPECTED}")
    return ranges
