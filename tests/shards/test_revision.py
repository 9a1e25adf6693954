"""A set that grows, shrinks and changes day by day is the set that one run would have made."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards import manifest, revision
from shards.choices import Split
from shards.manifest import Segment, Shard, Video, Videos
from shards.names import record_key, video_order, video_stem
from shards.revision import revised, united
from shards.tablefiles import part_of


def video(number: int, version: int = 0) -> Video:
    """A video whose name, length and digests say its number and its version."""
    split: Split = "testing" if number % 3 == 0 else "training"
    name = f"camera {number}"
    stem = video_stem(split, name)
    segments = tuple(
        Segment(
            key=record_key(stem, 32 * index),
            offset=100 * index,
            size=100,
            digest=f"{number:032x}{version:016x}{index:016x}",
            first=32 * index,
            frames=36,
            windows=32,
            channels=1 + 2 * (number % 2),
        )
        for index in range(1 + number % 3)
    )
    shard = Shard(name=f"{stem}-{version}", bytes=100 * len(segments), segments=segments)
    return Video(
        name=name,
        split=split,
        frames=32 * len(segments) + 4,
        source={"digest": f"{number}.{version}"},
        shards=(shard,),
        abnormal=((0, 3),) if split == "testing" else None,
    )


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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(revision, "SMALL", small)
        patch.setattr(manifest, "_FEW", few)
        for day in range(days):
            gone = {n for n in known if rng.random() < 0.1}
            changed = {n for n in known if rng.random() < 0.1} - gone
            fresh = set(rng.sample(range(200), rng.randint(0, 20))) - known.keys()
            wanted = {n: known[n] for n in known if n not in gone | changed}
            new = [video(n, day) for n in sorted(changed | fresh)]
            names = {each.name for each in wanted.values()}
            kept = [n for n, each in enumerate(videos or ()) if each.name in names]
            videos = revised(videos, kept, new)
            known = wanted | dict(zip(sorted(changed | fresh), new, strict=True))
            assert videos == in_order(list(known.values()))
            sizes = [len(part) for part in videos.parts]
            assert sum(sizes) == len(known)
            assert sizes == sorted(sizes, reverse=True)
            assert len(sizes) < 9 and (small < 4096 or len(sizes) < 2)
    assert videos is not None
    fresh_made = revised(None, [], in_order(list(known.values())))
    assert [part_of(part) for part in united(videos).parts] == [part_of(part) for part in fresh_made.parts]
    assert videos.names == fresh_made.names
    assert videos.frames.tolist() == fresh_made.frames.tolist()


NAMES = st.text(max_size=12) | st.sampled_from(('"', "\\", "a\\", 'file": "x', '"file": "x"', "é\n"))


@given(
    sources=st.lists(st.dictionaries(st.sampled_from(("file", "first", "z")), NAMES), min_size=1, max_size=4)
)
def test_the_files_of_videos_are_those_of_their_sources(sources: list[dict[str, str]]) -> None:
    videos = Videos.of([replace(video(n), source=source) for n, source in enumerate(sources)])
    assert videos.files == [source.get("file") for source in sources]
    assert list(videos.sources()) == sources
    assert videos.labelled.tolist() == [each.abnormal is not None for each in videos]


def test_one_video_more_leaves_the_tables_of_a_large_set_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision, "SMALL", 10)
    before = revised(None, [], [video(n) for n in range(100)])
    after = revised(before, range(100), [video(100)])
    assert after.parts[0] is before.parts[0]
    assert [len(part) for part in after.parts] == [100, 1]
    again = revised(after, range(101), [video(101)])
    assert [len(part) for part in again.parts] == [100, 2]
    assert revised(again, range(102), []).parts == again.parts
