"""Scores the newest windows of all cameras, one batch per model, and makes known what comes of it."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.scoring.instrument import Instrument
from pipeline.scoring.moments import moment_of
from pipeline.watch.assembler import Window
from pipeline.watch.camera import WatchedCamera
from pipeline.watch.slots import Slots
from pipeline.watch.view import View
from shards.entries import Geometry
from shards.windows import normalise

_WAIT_SECONDS = 0.25
_TICK_SECONDS = 0.5
_PATIENCE = 8.0
"""Seconds in which readers end: a camera is waited for five."""


Beat = Callable[[float], None]
"""Is told the time on the clock of this process."""


@dataclass(frozen=True, kw_only=True)
class Post:
    """A camera at its place in the engine.

    Attributes:
        camera: it.
        tool: what its frames are measured with.
        model: number of its model; cameras with the same are scored together.
        readers: its threads, not started.
    """

    camera: WatchedCamera
    tool: Instrument
    model: int
    readers: tuple[threading.Thread, ...]


class Engine:
    """All cameras.

    Args:
        posts: by the names of the cameras.
        slots: where their windows wait.

    Attributes:
        view: what others may know and do of it.
        slots: where windows wait.
    """

    def __init__(self, posts: Mapping[str, Post], slots: Slots) -> None:
        self._posts, self.slots = posts, slots
        self._items: dict[str, Tensor] = {}
        self._ticked = 0.0
        self.view = View({name: post.camera.face for name, post in posts.items()})

    def run(self, stop: threading.Event, beat: Beat | None = None) -> None:
        """Watch until it is stopped, or all files are at their end.

        Args:
            stop: ends it; events that are open are ended then.
            beat: is called now and then, from this thread.

        Raises:
            CheckpointError: a model gives something that is no number.
            StorageError: results cannot be written.
        """
        models = {name: post.model for name, post in self._posts.items()}
        most = {post.model: post.tool.batch for post in self._posts.values()}
        for post in self._posts.values():
            post.camera.feed.begin(time.monotonic())
            for reader in post.readers:
                reader.start()
        try:
            while not stop.is_set() and not self.slots.is_over:
                taken = self.slots.take(models, most, _WAIT_SECONDS)
                if taken:
                    self._score(taken)
                self._tick(beat)
                self._raise_failure()
            self._raise_failure()
        finally:
            self._close()

    def _score(self, taken: Sequence[tuple[str, Window]]) -> None:
        """Score at most one window per camera, of one model."""
        posts = [self._posts[name] for name, _ in taken]
        tool = posts[0].tool
        device = tool.gaze.boxes.keep.device
        stacked = np.stack([np.stack(window.frames) for _, window in taken])
        windows = normalise(
            torch.from_numpy(stacked).to(device), Geometry(height=tool.size[0], width=tool.size[1])
        )
        trained = tool.scorer.model.memory.items
        items = torch.stack([self._items.get(name, trained) for name, _ in taken])
        scores, seen, after = tool.scorer.apart(windows, items)
        for index, ((name, window), post) in enumerate(zip(taken, posts, strict=True)):
            if tool.scorer.memory != "frozen":
                self._items[name] = after[index]
            looks = post.tool.gaze.looks(seen.error[index : index + 1])
            moment = moment_of(window.last.frame, window.profile, looks, scores.at(index), 0, gap=window.gap)
            post.camera.see(window, moment, time.monotonic())

    def _tick(self, beat: Beat | None) -> None:
        now = time.monotonic()
        if now - self._ticked < _TICK_SECONDS:
            return
        self._ticked = now
        for post in self._posts.values():
            post.camera.tick(now)
        if beat is not None:
            beat(now)

    def _raise_failure(self) -> None:
        for post in self._posts.values():
            if post.camera.feed.failure is not None:
                raise post.camera.feed.failure

    def _close(self) -> None:
        for post in self._posts.values():
            post.camera.feed.stopping.set()
        with contextlib.ExitStack() as stack:  # each is closed, also if another one cannot be
            for post in self._posts.values():
                stack.callback(post.camera.close)
        deadline = time.monotonic() + _PATIENCE
        for post in self._posts.values():
            for reader in post.readers:
                if reader.is_alive():
                    reader.join(max(0.0, deadline - time.monotonic()))
