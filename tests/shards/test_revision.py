"""A set that grows, shrinks and changes day by day is the set that one run would have made."""

import itertools
import random
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards import packing, revision, rows
from shards.checks import check_tables
from shards.choices import Split
from shards.digests import digest_of
from shards.entries import Segment, Shard, Video
from shards.names import record_key, shard_name, video_order, video_stem
from shards.packing import Packing
from shards.records import END_OF_TAR
from shards.revision import revised
from shards.rows import Videos
from shards.tablefiles import part_of

LARGE, FULL = 400, 1500
"""Bytes of a video that shares no shard, and of a shard that takes no other; a record has 100 to 160."""


def video(number: int, version: int = 0) -> Video:
    """A video whose name, length and digests say its number and its version."""
    split: Split = "testing" if number % 3 == 0 else "training"
    name = f"camera {number}"
    stem = video_stem(split, name)
    size = 100 + 20 * (number % 4)
    segments = tuple(
        Segment(
            key=record_key(stem, 32 * index),
            offset=size * index,
            size=size,
            digest=f"{number:032x}{version:016x}{index:016x}",
            first=32 * index,
            frames=36,
            windows=32,
            channels=1 + 2 * (number % 2),
        )
        for index in range(1 + number % 3)
    )
    content = digest_of(bytes.fromhex(segment.digest) for segment in segments)
    bytes_ = size * len(segments) + len(END_OF_TAR)
    shard = Shard(name=shard_name(stem, 0, content), bytes=bytes_, segments=segments)
    return Video(
        name=name,
        split=split,
        frames=32 * len(segments) + 4,
        source={"digest": f"{number}.{version}"},
        shards=(shard,),
        abnormal=((0, 3),) if split == "testing" else None,
    )


def facts(videos: Iterable[Video]) -> list[tuple[Video, list[tuple[str, int, int]]]]:
    """Videos without where their records lie, and what these are."""
    return [
        (
            replace(each, shards=()),
            [(one.digest, one.size, one.first) for shard in each.shards for one in shard.segments],
        )
        for each in videos
    ]


class Store:
    """What lies in shards: their names, and in each the digests of records by offset."""

    def __init__(self) -> None:
        self._shards: dict[str, dict[int, str]] = {}

    def put(self, videos: Iterable[Video]) -> None:
        """Write videos as workers do."""
        for shard in (shard for each in videos for shard in each.shards):
            self._shards[shard.name] = {segment.offset: segment.digest for segment in shard.segments}

    def pack(self, packings: Iterable[Packing]) -> None:
        """Make shards from those that are there."""
        for one in packings:
            ends = itertools.accumulate((record.size for record in one.records), initial=0)
            for record in one.records:
                assert self._shards[record.shard][record.offset] == record.digest
            self._shards[one.name] = dict(zip(ends, [each.digest for each in one.records], strict=False))

    def check(self, videos: Videos) -> None:
        """Each record is where the tables say, and each shard is listed once, and wholly."""
        for tables in videos.parts:
            check_tables(tables)
        names = [name for tables in videos.parts for name in tables.shard_names()]
        assert len(names) == len(set(names))
        for shard in (shard for each in videos for shard in each.shards):
            found = [self._shards[shard.name][segment.offset] for segment in shard.segments]
            assert found == [segment.digest for segment in shard.segments]


def in_order(videos: list[Video]) -> list[Video]:
    return sorted(videos, key=lambda each: video_order(each.split, each.name))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    days=st.integers(1, 12),
    small=st.sampled_from((0, 3, 4096)),
    few=st.sampled_from((0, 2, 1000)),
)
def test_any_history_gives_the_videos_of_one_run(seed: int, days: int, small: int, few: int) -> None:
    rng = random.Random(seed)
    known: dict[int, Video] = {}
    videos: Videos | None = None
    store = Store()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "SMALL_BYTES", LARGE - 1)
        patch.setattr(packing, "SHARED_BYTES", FULL)
        patch.setattr(revision, "SMALL", small)
        patch.setattr(rows, "_FEW", few)
        for day in range(days):
            gone = {n for n in known if rng.random() < 0.1}
            changed = {n for n in known if rng.random() < 0.1} - gone
            fresh = set(rng.sample(range(200), rng.randint(0, 20))) - known.keys()
            wanted = {n: known[n] for n in known if n not in gone | changed}
            new = [video(n, day) for n in sorted(changed | fresh)]
            names = {each.name for each in wanted.values()}
            kept = [n for n, each in enumerate(videos or ()) if each.name in names]
            store.put(new)
            titles = {(each.split, each.name) for each in new}
            # Others may come along whose frames stay: their labels are new.
            relabelled = [n for n in kept if rng.random() < 0.1]
            assert videos is not None or not relabelled
            moved = [videos[n] for n in relabelled] if videos is not None else []
            staying = [n for n in kept if n not in relabelled]
            videos, packings = revised(videos, staying, [*new, *moved], titles)
            store.pack(packings)
            store.check(videos)
            known = wanted | dict(zip(sorted(changed | fresh), new, strict=True))
            assert facts(videos) == facts(in_order(list(known.values())))
            sizes = [len(part) for part in videos.parts]
            assert sum(sizes) == len(known)
            assert sizes == sorted(sizes, reverse=True)
            assert len(sizes) < 9 and (small < 4096 or len(sizes) < 2)
        assert videos is not None
        compact, packings = revised(videos, range(len(videos)), [], (), compact=True)
        store.pack(packings)
        store.check(compact)
        all_of_them = in_order(list(known.values()))
        titles = {(each.split, each.name) for each in all_of_them}
        at_once, _ = revised(None, [], all_of_them, titles)
        again = revised(compact, range(len(compact)), [], (), compact=True)
    assert [part_of(part) for part in compact.parts] == [part_of(part) for part in at_once.parts]
    assert compact.names == at_once.names
    assert compact.frames.tolist() == at_once.frames.tolist()
    assert again[0].parts == compact.parts and again[1] == []


NAMES = st.text(max_size=12) | st.sampled_from(('"', "\\", "a\\", 'file": "x', '"file": "x"', "é\n"))


@given(
    sources=st.lists(st.dictionaries(st.sampled_from(("file", "first", "z")), NAMES), min_size=1, max_size=4)
)
def test_videos_have_the_sources_that_they_were_made_of(sources: list[dict[str, str]]) -> None:
    videos = Videos.of([replace(video(n), source=source) for n, source in enumerate(sources)])
    assert [videos.source(number) for number in range(len(sources))] == sources
    assert list(videos.sources()) == sources
    assert videos.labelled.tolist() == [each.abnormal is not None for each in videos]


def test_one_video_more_leaves_the_tables_of_a_large_set_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision, "SMALL", 10)
    before, _ = revised(None, [], [video(n) for n in range(100)], ())
    after, _ = revised(before, range(100), [video(100)], ())
    assert after.parts[0] is before.parts[0]
    assert [len(part) for part in after.parts] == [100, 1]
    again, _ = revised(after, range(101), [video(101)], ())
    assert [len(part) for part in again.parts] == [100, 2]
    assert revised(again, range(102), [], ())[0].parts == again.parts


def test_small_videos_share_shards_and_one_more_moves_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "SMALL_BYTES", 1000)
    many = [video(n) for n in range(1, 1001)]
    titles = {(each.split, each.name) for each in many}
    monkeypatch.setattr(packing, "SHARED_BYTES", 20_000)
    before, packings = revised(None, [], many, titles)
    shards = {shard.name: shard.bytes for each in before for shard in each.shards}
    records = sum(segment.size for each in many for segment in each.shards[0].segments)
    assert records / 20_000 <= len(shards) <= records / 19_000 + 2  # in each split the last one is not full
    assert max(shards.values()) <= 20_000 + len(END_OF_TAR)
    assert {one.name for one in packings} == shards.keys()
    one = video(1001)
    after, packings = revised(before, range(1000), [one], {(one.split, one.name)})
    assert packings == []
    assert {shard.name for each in after for shard in each.shards} == {*shards, one.shards[0].name}
