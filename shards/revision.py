"""What a set becomes when videos come, change or go: most of its tables stay as they are.

A part whose videos all stay keeps its files. What is new forms the last part, which takes in the parts before
it that are not much larger. So a set has few parts, each more than twice as large as all that come after it;
a row is written again as often as the set doubles; and a small set is always one part, the same as if it had
been made at once.
"""

from collections.abc import Container, Sequence

import numpy as np

from shards.choices import Split
from shards.entries import Video
from shards.packing import Packing, packed, with_gaps
from shards.rows import Videos
from shards.tables import Tables, joined, tables_of

SMALL = 4096
"""Videos of a part that is always taken in: 8 MB of tables for clips of 1,000 frames."""


def revised(
    videos: Videos | None,
    kept: Sequence[int],
    new: Sequence[Video],
    written: Container[tuple[Split, str]],
    *,
    compact: bool = False,
) -> tuple[Videos, list[Packing]]:
    """Some videos of a set, and others; and the shards that are to be made for it.

    Videos that were written share shards, as do those whose shard holds another that goes.

    Args:
        videos: of the set before, None if there was none.
        kept: numbers of those of its videos that stay as they are.
        new: all others of the set that is to be.
        written: split and name of those of them whose shards are new, too.
        compact: whether to bring all in one part and into shards as if they had been made at once.
    """
    chosen = np.array(kept, np.int64)
    before = videos.parts if videos is not None else ()
    staying: list[Tables] = []
    pool: list[tuple[Tables, np.ndarray]] = []
    for number, tables in enumerate(before):
        assert videos is not None
        rows = videos.row[chosen[videos.part[chosen] == number]]
        if len(rows) == len(tables):
            staying.append(tables)
        elif len(rows):
            pool.append((tables, rows))
    if new:
        pool.append((tables_of(new), np.arange(len(new))))
    if pool or (compact and len(staying) > 1):
        count = sum(len(rows) for _, rows in pool)
        while staying and (compact or len(staying[-1]) <= max(2 * count, SMALL)):
            taken = staying.pop()
            pool.insert(0, (taken, np.arange(len(taken))))
            count += len(taken)
        staying.append(joined(pool))
    packings: list[Packing] = []
    for place, tables in enumerate(staying):
        if compact:
            loose = np.ones(len(tables), bool)
        elif tables.part is None:
            loose = with_gaps(tables) | np.array([title in written for title in tables.titles()], bool)
        else:
            continue
        staying[place], more = packed(tables, loose)
        packings += more
    return Videos(sorted(staying, key=len, reverse=True)), packings
