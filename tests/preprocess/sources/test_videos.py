"""Videos are called by the path of their file, as pathlib writes it."""

from pathlib import PurePosixPath

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.preprocess.sources.tree import SourceFile
from pipeline.preprocess.sources.videos import named
from shards.text import printable


@given(parts=st.lists(st.text("a.é ", min_size=1, max_size=5), min_size=1, max_size=3))
@example(["a", ".", "b.mp4"])
@example(["a", "", "b.mp4"])
@example(["a.", "b."])
@example(["..", ".mp4"])
def test_a_file_alone_is_called_by_its_path_without_its_suffix(parts: list[str]) -> None:
    path = "/".join(parts)
    pure = PurePosixPath(path.removeprefix("base").lstrip("/"))
    if not pure.name:
        return
    (video,) = named("training", "base", [SourceFile(path=f"base/{path}", size=1, modified=0)])
    assert video.name == printable(str(pure.with_suffix("")))


def test_files_that_differ_in_their_suffix_alone_keep_it() -> None:
    files = [SourceFile(path=path, size=1, modified=0) for path in ("x/a.mp4", "x/a.avi", "x/b.avi")]
    assert [video.name for video in named("testing", "x", files)] == ["a.mp4", "a.avi", "b"]
