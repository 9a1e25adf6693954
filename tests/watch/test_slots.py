"""Windows between readers and scorer: the newest waits, each that is lost is counted, all have turns."""

import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.video.timed import TimedFrame
from pipeline.watch.assembler import Arrival, Assembler, Window
from pipeline.watch.slots import Slots

PICTURE = np.zeros((4, 6, 3), np.uint8)


def arrival(number: int, *, is_corrupt: bool = False, seconds: float | None = None) -> Arrival:
    frame = TimedFrame(
        number=number,
        seconds=number / 10 if seconds is None else seconds,
        picture=np.full((4, 6, 3), number % 256, np.uint8),
        is_corrupt=is_corrupt,
    )
    return Arrival(frame=frame, at=0.0, time=None)


def window(number: int, *, gap: bool = False) -> Window:
    return Window(frames=(PICTURE,) * 5, last=arrival(number), profile=None, gap=gap)


def test_a_newer_window_takes_the_place_and_what_broke_before_stays_broken() -> None:
    slots = Slots(["a"])
    slots.put("a", window(1, gap=True))
    slots.put("a", window(2))
    ((name, taken),) = slots.take({"a": 0}, {0: 8}, 0)
    assert (name, taken.last.frame.number, taken.gap) == ("a", 2, True)
    assert slots.counts("a") == (2, 1)
    assert slots.take({"a": 0}, {0: 8}, 0) == []


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=60))
def test_every_window_is_taken_or_counted_as_skipped(steps: list[tuple[str, bool]]) -> None:
    slots, taken = Slots("abcd"), Counter[str]()
    models = {"a": 0, "b": 0, "c": 1, "d": 1}
    for number, (name, is_put) in enumerate(steps):
        if is_put:
            slots.put(name, window(number))
        else:
            found = [each for each, _ in slots.take(models, {0: 2, 1: 1}, 0)]
            assert len({models[each] for each in found}) <= 1
            assert len(set(found)) == len(found)
            taken.update(found)
    for name in "abcd":
        formed, skipped = slots.counts(name)
        assert formed - skipped - taken[name] in (0, 1)


def test_with_too_many_cameras_each_has_its_turn() -> None:
    names = [f"camera{number}" for number in range(12)]
    slots, taken = Slots(names), Counter[str]()
    for round_ in range(300):
        for name in names:
            slots.put(name, window(round_))
        taken.update(name for name, _ in slots.take(dict.fromkeys(names, 0), {0: 3}, 0))
    fair = 300 * 3 / 12
    assert min(taken.values()) >= 0.8 * fair
    assert all(slots.counts(name)[1] + taken[name] in (299, 300) for name in names)


def test_a_file_waits_for_its_turn_and_loses_nothing() -> None:
    slots = Slots(["a"])
    numbers: list[int] = []

    def read() -> None:
        for number in range(20):
            slots.offer("a", window(number), lambda: False)
        slots.finish("a")

    thread = threading.Thread(target=read)
    thread.start()
    while not slots.is_over:
        numbers += [each.last.frame.number for _, each in slots.take({"a": 0}, {0: 8}, 1)]
    thread.join()
    assert numbers == list(range(20))


@pytest.mark.parametrize("harm", ["corrupt", "late", "profile"])
def test_a_window_never_reaches_over_a_break(harm: str) -> None:
    profiles = {"profile": lambda frame: "day" if frame.number < 8 else "night"}
    assembler = Assembler(5, (4, 6), profiles.get(harm, lambda frame: None))
    found = []
    for number in range(20):
        late = 5.0 if harm == "late" and number >= 8 else 0.0
        frame = arrival(number, is_corrupt=harm == "corrupt" and number == 8, seconds=number / 10 + late)
        found.append(assembler.push(frame))
    made = {each.last.frame.number: each for each in found if each is not None}
    first = 13 if harm == "corrupt" else 12
    assert sorted(made) == [4, 5, 6, 7, *range(first, 20)]
    assert [number for number, each in made.items() if each.gap] == [first]
    assert [int(small[0, 0, 0]) for small in made[first].frames] == list(range(first - 4, first + 1))
