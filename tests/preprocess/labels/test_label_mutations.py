"""Damaged and hostile label files: labels or one line, within bounds of time and memory."""

import io
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings

from pipeline.errors import SourceError
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.labels.find import find_labels
from pipeline.preprocess.labels.masks import open_masks
from pipeline.preprocess.labels.scripts import SCRIPT_BYTES
from pipeline.preprocess.sources.source import list_tree
from pipeline.preprocess.sources.tree import SourceFile
from pipeline.preprocess.sources.videos import SourceMasks
from shards.entries import Video
from tests.helpers.commands import ROOT, untraced
from tests.helpers.datasets import FRAMES, LABELS, SIZE, cell, frame_labels, masks
from tests.helpers.mutation import mutated_bytes

NAMES = ("01", "02", "03")


def saved(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def mat(key: str, arrays: list[np.ndarray], *, is_compressed: bool) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {key: cell(arrays)}, do_compression=is_compressed)
    return buffer.getvalue()


def gt(*, is_compressed: bool) -> bytes:
    arrays = [np.array([[s + 1 for s, _ in row], [e for _, e in row]], np.float64) for row in LABELS]
    return mat("gt", arrays, is_compressed=is_compressed)


ROWS = [(name, s, e) for name, row in zip(NAMES, LABELS, strict=True) for s, e in row]
GOOD = {
    "flat.npy": saved(frame_labels().reshape(-1).astype(np.uint8)),
    "wide.npy": saved(frame_labels().reshape(1, -1).astype(np.float64)),
    "plain.mat": gt(is_compressed=False),
    "packed.mat": gt(is_compressed=True),
    "UCSD.m": "".join(
        f"TestVideoFile{{end+1}}.gt_frame = [{', '.join(f'{s + 1}:{e}' for s, e in row)}]; % {n}\n"
        for n, row in enumerate(LABELS)
    ).encode(),
    "intervals.csv": b"video,start,end\n" + b"".join(f"{n},{s},{e}\n".encode() for n, s, e in ROWS),
    "times.csv": b"Video;Start;End\n"
    + b"".join(f"{n};0:00:{s:02d}.0;0:00:{e:02d}\n".encode() for n, s, e in ROWS),
    "frames.csv": b"label\n" + b"".join(b"%d\n" % label for label in frame_labels().reshape(-1)),
    "named.csv": b"video\tframe\tlabel\n"
    + b"".join(
        f"{name}\t{frame}\t{int(label)}\n".encode()
        for name, row in zip(NAMES, frame_labels(), strict=True)
        for frame, label in enumerate(row)
    ),
}
EXAMPLES = 300


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source")
    (root / "testing").mkdir()
    for name in NAMES:
        (root / "testing" / f"{name}.mp4").write_bytes(b"x")
    return root


def labels_of(source: Path, given: Path) -> list[tuple[tuple[int, int], ...] | None]:
    tree = list_tree(str(source))
    layout = recognise(tree, "auto", "testing")
    labels = find_labels(tree, layout, str(given))[1]
    assert labels is not None
    facts = {"rate": 1.0, "even": True}
    found = labels.apply(
        [Video(name=n, split="testing", frames=FRAMES, source=facts, shards=()) for n in NAMES]
    )
    for intervals in found.values():
        assert all(0 <= start < end <= FRAMES for start, end in intervals)
    return [found.get(name) for name in NAMES]


@pytest.mark.parametrize("name", GOOD)
def test_the_good_files_are_labels(source: Path, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(GOOD[name])
    assert labels_of(source, tmp_path / name) == list(LABELS)


def outcome(read: Callable[[], object]) -> str:
    """`labels` or `refused`; another exception passes, and so does a message of several lines."""
    started = time.process_time()
    try:
        read()
    except SourceError as error:
        assert str(error).isprintable(), ascii(str(error))
        assert "pickle" not in str(error)
        return "refused"
    finally:
        assert time.process_time() - started < 5
    return "labels"


@pytest.mark.parametrize("name", GOOD)
def test_a_damaged_label_file_is_labels_or_one_line(source: Path, name: str, tmp_path: Path) -> None:
    outcomes: dict[str, int] = {"labels": 0, "refused": 0}

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(data=mutated_bytes(GOOD[name]))
    def damaged(data: bytes) -> None:
        (tmp_path / name).write_bytes(data)
        outcomes[outcome(lambda: labels_of(source, tmp_path / name))] += 1

    damaged()
    print(f"{name}: {outcomes}")
    assert outcomes["refused"] > 0 and sum(outcomes.values()) >= EXAMPLES


MASKS = {
    "planes.npy": saved(masks(0)),
    "turned.npy": saved(np.asfortranarray(masks(0))),
    "1_label.mat": mat("volLabel", list(masks(0).astype(np.uint8)), is_compressed=True),
    "2_label.mat": mat("volLabel", list(masks(0).astype(np.float64)), is_compressed=False),
}


def planes(folder: Path, name: str) -> np.ndarray:
    file = SourceFile(path=name, size=(folder / name).stat().st_size, modified=0)
    form: Literal["npy", "mat"] = "npy" if name.endswith(".npy") else "mat"
    found = open_masks(SourceMasks(location=str(folder), form=form, files=(file,)), FRAMES)
    seen = [plane for _, plane in zip(range(FRAMES + 1), found.planes, strict=False)]
    return np.stack(seen) if seen else np.zeros((0, *SIZE), bool)


@pytest.mark.parametrize("name", MASKS)
def test_damaged_masks_are_masks_or_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(MASKS[name])
    np.testing.assert_array_equal(planes(tmp_path, name), masks(0))
    outcomes: dict[str, int] = {"labels": 0, "refused": 0}

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(data=mutated_bytes(MASKS[name]))
    def damaged(data: bytes) -> None:
        (tmp_path / name).write_bytes(data)
        outcomes[outcome(lambda: planes(tmp_path, name))] += 1

    damaged()
    print(f"{name}: {outcomes}")
    assert outcomes["refused"] > 0


# --- bounds --------------------------------------------------------------------------------------------

LIMIT = 1_500_000_000
"""Bytes of address space."""
READ = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({LIMIT}, {LIMIT}))
from pipeline.errors import SourceError
from pipeline.preprocess.labels.find import find_labels
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.labels.masks import open_masks
from pipeline.preprocess.sources.source import list_tree
tree = list_tree(sys.argv[1])
try:
    layout, labels = find_labels(tree, recognise(tree, "auto", "testing"), sys.argv[2])
    print(type(labels).__name__)
    for video in layout.testing():
        if video.masks:
            print(sum(plane.any() for plane in open_masks(video.masks, {FRAMES}).planes))
except SourceError as error:
    print("refused:", error)
"""
HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x100) + b"IM"
SIDE = 5792
"""Of the largest mask that is read."""


def npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    text = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text


def packed_masks() -> bytes:
    """3 GB of float64 masks in 3 MB."""

    def part(kind: int, data: bytes) -> bytes:
        return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)

    def head(kind: int, dims: tuple[int, int], name: bytes) -> bytes:
        return part(6, struct.pack("<II", kind, 0)) + part(5, struct.pack("<2i", *dims)) + part(1, name)

    size = 8 * SIDE * SIDE
    one = head(6, (SIDE, SIDE), b"") + struct.pack("<II", 9, size)
    all_of_it = head(1, (1, FRAMES), b"volLabel")
    packer = zlib.compressobj(9)
    length = len(all_of_it) + FRAMES * (8 + len(one) + size)
    pieces = [packer.compress(struct.pack("<II", 14, length) + all_of_it)]
    for _ in range(FRAMES):
        pieces.append(packer.compress(struct.pack("<II", 14, len(one) + size) + one))
        pieces += [packer.compress(bytes(size // 64)) for _ in range(64)]
    data = b"".join([*pieces, packer.flush()])
    return HEAD + struct.pack("<II", 15, len(data)) + data


HOSTILE: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "huge.npy": (lambda: npy_header("<f8", (10**12,)), 0, "found 0 bytes behind the header"),
    "sparse.npy": (lambda: npy_header("|u1", (1 << 40,)), 1 << 40, "expected at most"),
    "nested.npy": (lambda: b"\x93NUMPY\1\0\x28\x23" + b"(" * 9000, 0, "not an npy array"),
    "most.npy": (lambda: npy_header("<f8", (4 << 20,)), 32 << 20, "expected at most 33554432"),
    "most.csv": (lambda: b"0\n" * (4 << 20), 0, "ArrayLabels"),
    "many.csv": (lambda: b"video,start,end\n" + b"01,0,1\n" * (4 << 20), 0, "more than 1000000 intervals"),
    "names.csv": (
        lambda: b"video,frame,label\n" + b"".join(b"%d,0,1\n" % n for n in range(2_000_000)),
        0,
        "more than 100000 videos",
    ),
    "wide.csv": (lambda: b"1," * (8 << 20), 0, "a line of 65536 characters"),
    "opened.m": (lambda: b"TestVideoFile{end+1}.gt_frame = [" * 31_000, 0, "clip 1: found"),
    "spaces.m": (
        lambda: b"TestVideoFile{end+1}.gt_frame = [1" + b" " * (SCRIPT_BYTES - 100) + b":x];",
        0,
        "clip 1: found '1:x'",
    ),
    "colons.m": (
        lambda: b"TestVideoFile{end+1}.gt_frame = [" + b"1 :" * 300_000 + b"];",
        0,
        "clip 1: found '1:1:1",
    ),
    "01_label.mat": (packed_masks, 0, "MaskLabels\n0\n"),
    "01.npy": (lambda: npy_header("<f8", (FRAMES, SIDE, SIDE)), 8 * FRAMES * SIDE * SIDE, "MaskLabels\n0\n"),
    "02.npy": (
        lambda: npy_header("<f8", (FRAMES, 1 << 20, 1 << 20)),
        0,
        "expected (frames, H, W) of at most",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_read_or_refused_within_bounds(source: Path, name: str, tmp_path: Path) -> None:
    make, length, expected = HOSTILE[name]
    path = tmp_path / "given" / name
    path.parent.mkdir()
    data = make()
    with path.open("wb") as file:
        file.write(data)
        file.truncate(len(data) + length)
    given = path.parent if name in ("01.npy", "02.npy") else path
    started = time.monotonic()
    process = subprocess.run(
        [sys.executable, "-c", READ, str(source), str(given)],
        cwd=ROOT,
        env=untraced(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    path.unlink()
    assert process.returncode == 0, process.stderr
    print(f"{name}: {time.monotonic() - started:.1f} s")
    assert expected in process.stdout, process.stdout
