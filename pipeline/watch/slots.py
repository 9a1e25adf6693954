"""Where windows wait to be scored: one place per camera, which a newer window takes."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from pipeline.watch.assembler import Window


@dataclass
class _Slot:
    window: Window | None = None
    since: float = 0.0
    formed: int = 0
    skipped: int = 0
    is_over: bool = False


class Slots:
    """One place per camera, between the threads that read cameras and the one that scores.

    Args:
        cameras: their names.
    """

    def __init__(self, cameras: Collection[str]) -> None:
        self._slots = {name: _Slot() for name in cameras}
        self._changed = threading.Condition()

    def put(self, camera: str, window: Window) -> None:
        """Leave a window; one that still waits is skipped, and what broke before it broke before this one."""
        with self._changed:
            slot = self._slots[camera]
            if slot.window is not None:
                slot.skipped += 1
                window = replace(window, gap=window.gap or slot.window.gap)
            self._fill(slot, window)

    def offer(self, camera: str, window: Window, is_stopped: Callable[[], bool]) -> None:
        """Leave a window as soon as the place is free: none of a file is skipped."""
        with self._changed:
            slot = self._slots[camera]
            while slot.window is not None and not is_stopped():
                self._changed.wait(0.1)
            if slot.window is None:
                self._fill(slot, window)

    def _fill(self, slot: _Slot, window: Window) -> None:
        if slot.window is None:
            slot.since = time.monotonic()
        slot.window = window
        slot.formed += 1
        self._changed.notify_all()

    def finish(self, camera: str) -> None:
        """No window of a camera comes any more."""
        with self._changed:
            self._slots[camera].is_over = True
            self._changed.notify_all()

    def take(
        self, model: Mapping[str, int], most: Mapping[int, int], seconds: float
    ) -> list[tuple[str, Window]]:
        """At most one window per camera, of one model, those that have waited longest first.

        Args:
            model: of each camera.
            most: windows that each model takes at a time.
            seconds: to wait for one; after that there may be none.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting() or self.is_over, seconds)
            waiting = self._waiting()
            if not waiting:
                return []
            chosen = model[waiting[0]]
            taken = []
            for name in [each for each in waiting if model[each] == chosen][: most[chosen]]:
                slot = self._slots[name]
                assert slot.window is not None
                taken.append((name, slot.window))
                slot.window = None
            self._changed.notify_all()
            return taken

    def _waiting(self) -> list[str]:
        names = [name for name, slot in self._slots.items() if slot.window is not None]
        return sorted(names, key=lambda name: self._slots[name].since)

    @property
    def is_over(self) -> bool:
        """Whether no window waits, and none comes any more."""
        return all(slot.is_over and slot.window is None for slot in self._slots.values())

    def counts(self, camera: str) -> tuple[int, int]:
        """How many windows there were of a camera, and how many of them were skipped."""
        with self._changed:
            slot = self._slots[camera]
            return slot.formed, slot.skipped
