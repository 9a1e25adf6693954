"""Videos, shards and segments whose rows lie in tables: each becomes an object when it is looked at."""

import bisect
import itertools
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, overload

import numpy as np

from shards.choices import Split
from shards.entries import Segment, Shard, Video
from shards.errors import CorruptShardError
from shards.jsonfile import parse_json
from shards.masks import Masks
from shards.names import record_key, video_order, video_stem
from shards.tables import Tables, runs_of, tables_of, text_column

Item = TypeVar("Item")


class Rows(Sequence[Item]):
    """A sequence whose items are made when they are asked for; equal to any sequence of the same items."""

    @abstractmethod
    def _make(self, number: int) -> Item:
        """The item of a number from 0 on."""

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Item, ...]: ...
    def __getitem__(self, index: int | slice) -> Item | tuple[Item, ...]:
        if isinstance(index, slice):
            return tuple(self._make(number) for number in range(len(self))[index])
        return self._make(range(len(self))[index])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} rows>"


class Made(Rows[Item]):
    """Rows by a function.

    Args:
        count: how many there are.
        make: gives the item of a number from 0 on.
    """

    def __init__(self, count: int, make: Callable[[int], Item]) -> None:
        self._count, self._item = count, make

    def __len__(self) -> int:
        return self._count

    def _make(self, number: int) -> Item:
        return self._item(number)


class Videos(Rows[Video]):
    """Videos of a set, whose rows lie in tables.

    Args:
        parts: the tables.
        part, row: (V,) of each video, the number of its tables and its row there; all of them in the order
            of a set if left out.
    """

    def __init__(
        self, parts: Sequence[Tables], part: np.ndarray | None = None, row: np.ndarray | None = None
    ) -> None:
        self.parts = tuple(parts)
        if part is None or row is None:
            part, row = _in_order(self.parts)
        self.part, self.row = part, row

    def __len__(self) -> int:
        return len(self.row)

    def _make(self, number: int) -> Video:
        return _video(self.parts[self.part[number]], int(self.row[number]))

    @staticmethod
    def of(videos: Sequence[Video]) -> "Videos":
        """Videos in the order in which they are given, in tables of their own."""
        return Videos([tables_of(videos)])

    @property
    def names(self) -> list[str]:
        """(V,) of the videos."""
        names: list[str] = self.gathered(lambda tables: np.array(tables.names, object), object).tolist()
        return names

    @property
    def titles(self) -> list[tuple[Split, str]]:
        """(V,) split and name of each video."""
        titles = [part.titles() for part in self.parts]
        return [titles[part][row] for part, row in zip(self.part.tolist(), self.row.tolist(), strict=True)]

    def sources(self) -> Iterator[dict[str, Any]]:
        """What each video was made from, as `Video.source`."""
        texts = [text_column(tables.videos, "source") for tables in self.parts]
        for part, row in zip(self.part.tolist(), self.row.tolist(), strict=True):
            yield _source(self.parts[part], row, texts[part][row])

    def source(self, number: int) -> dict[str, Any]:
        """What a video was made from, as `Video.source`."""
        tables, row = self.parts[self.part[number]], int(self.row[number])
        return _source(tables, row, tables.value("videos", "source", row))

    @property
    def source_texts(self) -> list[str]:
        """(V,) what each video was made from, in JSON as it is stored."""
        texts = self.gathered(lambda tables: np.array(text_column(tables.videos, "source"), object), object)
        found: list[str] = texts.tolist()
        return found

    @property
    def labelled(self) -> np.ndarray:
        """(V,) bool, whether each has labels."""
        return self.gathered(lambda tables: tables.is_given("abnormal"), bool)

    @property
    def frames(self) -> np.ndarray:
        """(V,) int64, of each video."""
        return self.gathered(lambda tables: tables.frames, np.int64)

    def select(self, chosen: np.ndarray) -> "Videos":
        """Those of the numbers in `chosen` (K,), or those where it is True (V,)."""
        return Videos(self.parts, self.part[chosen], self.row[chosen])

    def split(self, split: Split) -> "Videos":
        """Those of a split."""
        return self.select(self.gathered(lambda tables: tables.is_of(split), bool))

    def segments(self) -> tuple[np.ndarray, np.ndarray]:
        """(N,) the number of the video of each of their segments, and (N,) its row in that video's tables."""
        begins = self.gathered(lambda tables: tables.ranges[:-1], np.int64)
        counts = self.gathered(lambda tables: tables.ranges[1:], np.int64) - begins
        return np.repeat(np.arange(len(self), dtype=np.uint32), counts), runs_of(begins, counts)

    def gathered(self, values: Callable[[Tables], np.ndarray], dtype: Any) -> np.ndarray:
        """(V, …) of each video its value among those (rows, …) that a function gives for its tables."""
        parts = [values(tables) for tables in self.parts]
        found = np.zeros((len(self), *(parts[0].shape[1:] if parts else ())), dtype)
        for number, part in enumerate(parts):
            mine = self.part == number
            found[mine] = part[self.row[mine]]
        return found


_FEW = 20
"""Videos of a part that is in order for each that is brought into it: 2 to the power of 20 are a million."""


def _in_order(parts: Sequence[Tables]) -> tuple[np.ndarray, np.ndarray]:
    """The part and the row (V,) of all videos, in the order of a set."""
    part = np.repeat(np.arange(len(parts)), [len(tables) for tables in parts])
    row = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(tables)) for tables in parts)])
    if len(parts) < 2:  # in order when it was written
        return part, row
    titles = [key for tables in parts for key in tables.titles()]
    starts = np.cumsum([0, *(len(tables) for tables in parts)]).tolist()

    def order_of(number: int) -> tuple[object, ...]:
        return video_order(*titles[number])

    order = [*range(len(parts[0]))]
    for start, end in itertools.pairwise(starts[1:]):
        # To find the places of a few in a part that is in order takes fewer keys than to sort all.
        if _FEW * (end - start) < len(order):
            places = [bisect.bisect_right(order, order_of(new), key=order_of) for new in range(start, end)]
            order = np.insert(np.array(order), places, range(start, end)).tolist()
        else:
            order = sorted(range(end), key=order_of)
    found = np.array(order)
    return part[found], row[found]


def _video(tables: Tables, row: int) -> Video:
    split, name = tables.title(row)
    abnormal, masks = (tables.value("videos", column, row) for column in ("abnormal", "masks"))
    if masks is not None:
        masks = Masks(**masks | {"digest": masks["digest"].hex(), "marked": _pairs(masks["marked"])})
    return Video(
        name=name,
        split=split,
        frames=int(tables.frames[row]),
        source=_source(tables, row, tables.value("videos", "source", row)),
        shards=ShardsOf(tables, row),
        abnormal=None if abnormal is None else _pairs(abnormal),
        label_source=tables.value("videos", "label_source", row),
        masks=masks,
    )


def _pairs(intervals: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((start, end) for start, end in intervals)


def _source(tables: Tables, row: int, text: str) -> dict[str, Any]:
    where = f"{tables.where}: video {tables.names[row]!r:.80}"
    try:
        source = parse_json(text.encode(), where)
        if not isinstance(source, dict):
            raise ValueError(f"{where}: found {text!r:.80}, expected what the video was made from")
    except ValueError as error:
        raise CorruptShardError(f"{error}; preprocess again") from None
    return source


class ShardsOf(Rows[Shard]):
    """The shards of one video, with its own segments; looked for when they are asked for.

    Args:
        tables: of the video.
        row: its row there.
    """

    def __init__(self, tables: Tables, row: int) -> None:
        self._tables, self._video = tables, row

    @cached_property
    def _cuts(self) -> list[int]:
        """The first segment of each shard, and the end of the last."""
        begin, end = self._tables.ranges[self._video : self._video + 2].tolist()
        shards = self._tables.column("shard")[begin:end]
        cuts = begin + 1 + np.flatnonzero(shards[1:] != shards[:-1])
        return [begin, *cuts.tolist(), end] if end > begin else [begin]

    def __len__(self) -> int:
        return len(self._cuts) - 1

    def _make(self, number: int) -> Shard:
        begin, end = self._cuts[number : number + 2]
        row = int(self._tables.column("shard")[begin])
        stem = video_stem(*self._tables.title(self._video))
        return Shard(
            name=self._tables.value("shards", "name", row),
            bytes=int(self._tables.shard_bytes[row]),
            segments=Made(end - begin, lambda segment: segment_of(self._tables, stem, begin + segment)),
        )


def segment_of(tables: Tables, stem: str, row: int) -> Segment:
    """A segment of a video with that stem, see `shards.names.video_stem`."""
    names = ("offset", "size", "first", "frames", "windows", "channels")
    numbers = {name: int(tables.column(name)[row]) for name in names}
    return Segment(
        key=record_key(stem, numbers["first"]), digest=tables.column("digest")[row].tobytes().hex(), **numbers
    )


@dataclass(frozen=True, kw_only=True)
class Located:
    """A segment with its surroundings: what a reader needs, for windows of its own T.

    Attributes:
        video: index into the split's videos.
        shard: name of the tar.
        segment: as in the manifest.
        windows: windows of the reader's T that are read from this segment.
    """

    video: int
    shard: str
    segment: Segment
    windows: int


class Segments(Rows[Located]):
    """Segments of a split, as columns; each is made into a `Located` when it is asked for.

    Args:
        videos: of the split.
        video: (N,) the number of each segment's video.
        row: (N,) its row in the tables of that video.
        windows: (N,) int64, windows of the reader's T that are read from it.
    """

    def __init__(self, videos: Videos, video: np.ndarray, row: np.ndarray, windows: np.ndarray) -> None:
        self.video, self.windows = video, windows
        self._videos, self._row = videos, row

    def __len__(self) -> int:
        return len(self._row)

    def _make(self, number: int) -> Located:
        video, row = int(self.video[number]), int(self._row[number])
        tables = self._videos.parts[self._videos.part[video]]
        stem = video_stem(*tables.title(int(self._videos.row[video])))
        return Located(
            video=video,
            shard=tables.value("shards", "name", int(tables.column("shard")[row])),
            segment=segment_of(tables, stem, row),
            windows=int(self.windows[number]),
        )

    def column(self, name: str) -> np.ndarray:
        """(N,) int64, a column of the table of segments; `digest` is (N, 32) uint8."""
        found = np.zeros((len(self), 32), np.uint8) if name == "digest" else np.zeros(len(self), np.int64)
        part = self._videos.part[self.video]
        for number, tables in enumerate(self._videos.parts):
            mine = part == number
            found[mine] = tables.column(name)[self._row[mine]]
        return found

    def select(self, chosen: np.ndarray, windows: np.ndarray | None = None) -> "Segments":
        """Those of the numbers in `chosen` (K,), or those where it is True (N,).

        Args:
            chosen: which.
            windows: (N,) that are read from each, if not as before.
        """
        windows = self.windows if windows is None else windows
        return Segments(self._videos, self.video[chosen], self._row[chosen], windows[chosen])
