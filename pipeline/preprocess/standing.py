"""The videos of a source, by what a shard set holds of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pipeline.errors import SourceError
from pipeline.preprocess.jobs import Part
from pipeline.preprocess.sources.source import Source
from pipeline.preprocess.sources.videos import SourceVideo
from pipeline.preprocess.state import Kept, Key, State
from pipeline.terminal.progress import progress


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where each video of a source stands.

    Attributes:
        kept: those that the manifest has as they are.
        parts: those that were finished since it was written.
        missing: those that are to be decoded.
        leaving: how many videos of the manifest do not stay.
    """

    kept: Mapping[Key, Kept]
    parts: Mapping[Key, Part]
    missing: tuple[SourceVideo, ...]
    leaving: int

    @property
    def done(self) -> int:
        """How many videos need no decoding."""
        return len(self.kept) + len(self.parts)

    @property
    def waits(self) -> bool:
        """Whether small videos wait to be packed. One more shares its shard with nobody: it is written where
        it stays."""
        return len(self.missing) + len(self.parts) > 1 or self.leaving > 0

    def with_decoded(self, fresh: Mapping[Key, Part]) -> "Standing":
        """After what was missing has been decoded as far as it can be."""
        return replace(self, parts={**self.parts, **fresh}, missing=())


def standing(state: State, source: Source, videos: Iterable[SourceVideo]) -> Standing:
    """Hold the videos of a source against a set.

    Args:
        state: the set as earlier runs left it.
        source: is read where a stamp says that a file may have changed.
        videos: of the source.
    """
    kept, others = state.unchanged(source, videos)
    parts: dict[Key, Part] = {}
    missing: list[SourceVideo] = []
    known = state.known()
    quiet = not any(video.key in known for video in others)
    with progress("checking", len(others), "videos", quiet=quiet) as advance:
        for video in others:
            try:
                found = state.finished(source, video, lambda frames, expected: None)
            except SourceError:
                found = None  # what cannot be read is for the worker to report
            if isinstance(found, Kept):
                kept[video.key] = found
            elif found is not None:
                parts[video.key] = found
            else:
                missing.append(video)
            advance()
    leaving = len(state.numbers) - len(kept)
    return Standing(kept=kept, parts=parts, missing=tuple(missing), leaving=leaving)
