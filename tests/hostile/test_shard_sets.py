"""Shard sets from strangers: digests that are right for content that is not, sizes that are only claimed."""

import io
import json
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.choices import Split
from shards.codecs import Codec
from shards.digests import digest_of
from shards.errors import ShardError
from shards.limits import MOST_TABLE_BYTES
from shards.manifest import MANIFEST, load_manifest
from shards.masks import write_masks
from shards.names import video_stem
from shards.npy import npy_header
from shards.plan import epoch_plan
from shards.reader import SegmentReader
from shards.records import BLOCK, metadata, record
from shards.storage import Storage
from shards.stream import TrainingStream
from shards.verify import verify
from tests.helpers.forged import first_record, forge, replace_record, set_path
from tests.helpers.limits import limited
from tests.helpers.mutation import mutated_bytes, mutated_json
from tests.helpers.servers import nginx
from tests.helpers.shards import make_set, random_frames

CODECS = [Codec(), Codec(name="deflate"), Codec(name="jpeg", quality=90)]
FRAMES: dict[Split, np.ndarray] = {"training": random_frames(40, seed=1), "testing": random_frames(9, seed=2)}
CPU = torch.device("cpu")
SECONDS = 20
"""In which each attack is over, on a busy machine, the start of the process included."""
MEGABYTES = 256
"""Taken at most by sets of a few kilobytes."""

IMPORTS = """
import sys
from shards.errors import ShardError
from shards.manifest import load_manifest
from shards.masks import read_masks
from shards.reader import SegmentReader
from shards.storage import Storage
from shards.verify import verify
"""
READ_AND_VERIFY = """
storage = Storage(sys.argv[1])
manifest = load_manifest(storage)
problems = verify(storage, manifest, lambda video: None)
if not problems:
    raise RuntimeError("verify found nothing")
reader = SegmentReader(storage, manifest)
for split in ("training", "testing"):
    for located in manifest.segments(split, manifest.window):
        reader.read(located)
for video in manifest.videos:
    if video.masks is not None:
        for mask in read_masks(storage, video.masks, video.frames):
            pass
"""


@pytest.fixture(params=CODECS, ids=lambda codec: codec.name)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    make_set(tmp_path / "set", {split: [frames] for split, frames in FRAMES.items()}, codec=request.param)
    return tmp_path / "set"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    make_set(tmp_path / "set", {split: [frames] for split, frames in FRAMES.items()})
    return tmp_path / "set"


def refused(folder: Path | str, match: str = "") -> None:
    """Who verifies finds it, and who reads ends with one line, in little memory and time."""
    done = limited(READ_AND_VERIFY, folder, imports=IMPORTS, seconds=SECONDS)
    assert done.error is not None
    kind, text = done.error
    assert kind in ("ShardError", "NoSetError", "CorruptShardError", "StorageError", "TooLargeError"), text
    assert "\n" not in text
    assert match in text
    assert done.peak < MEGABYTES << 20


def refused_at_the_door(folder: Path) -> str:
    with pytest.raises(ShardError, match=r"(manifest\.json|\.arrows): ") as caught:
        load_manifest(Storage(folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- strings that become paths


@pytest.mark.parametrize(
    "value",
    [
        *("../../escape", "/dev/zero", "x/../../y", "..", "", ".", "training-a-00000000-0000.tar\n"),
        *("training-a-00000000-0000.tar\0", "training-é-00000000-0000.tar", "a" * 64, "A" * 64),
        *("a" * 63, "\u0661" * 64, 7, None, ["training-a-00000000-0000.tar"]),
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    "path",
    [
        ("videos", 0, "shards", 0, "name"),
        ("videos", 0, "shards", 0, "segments", 0, "digest"),
        ("videos", 0, "masks", "name"),
        ("videos", 0, "masks", "digest"),
    ],
    ids=lambda path: "-".join(map(str, path)),
)
def test_no_string_of_a_manifest_leads_out_of_its_folder(
    raw: Path, path: tuple[str | int, ...], value: Any
) -> None:
    if value in ("a" * 64, "A" * 64) and path[-1] == "digest":
        pytest.skip("is a digest, whose case the tables do not know")
    with_masks(raw)
    forge(raw, lambda record: set_path(record, path, value))
    refused_at_the_door(raw)


def with_masks(folder: Path) -> None:
    """Give the first video masks."""
    video = load_manifest(Storage(folder)).videos[0]
    marks = np.zeros((video.frames, 8, 16), bool)
    marks[3:5, 2:4] = True
    _, masks = write_masks(Storage(folder), video_stem(video.split, video.name), marks)
    row = {**vars(masks), "marked": [list(pair) for pair in masks.marked]}
    forge(folder, lambda record: set_path(record, ("videos", 0, "masks"), row))
    assert load_manifest(Storage(folder)).videos[0].masks == masks


@pytest.mark.parametrize("what", ["shard", "masks", "manifest"])
@pytest.mark.parametrize("kind", ["zeros", "pipe", "folder", "elsewhere"])
def test_devices_and_pipes_in_place_of_files_are_refused_at_once(raw: Path, what: str, kind: str) -> None:
    with_masks(raw)
    pattern = {"shard": "*.tar", "masks": "*.masks.npz", "manifest": MANIFEST}[what]
    path = next(raw.glob(pattern))
    size = path.stat().st_size
    path.unlink()
    if kind == "zeros":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        (raw.parent / "secret").write_bytes(os.urandom(size))
        path.symlink_to(raw.parent / "secret")
    refused(raw, path.name)


# -- members that nobody asked for


def extra(record_: bytes, name: str, content: bytes = b"x" * 700, kind: bytes = tarfile.REGTYPE) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.type = len(content), 0o644, kind
    return record_ + entry.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % BLOCK)


MEMBERS: dict[str, Callable[[bytes, str], bytes]] = {
    "a pickle after": lambda data, key: extra(data, f"{key}.pyd"),
    "a pickle before": lambda data, key: extra(b"", f"{key}.a.pyd") + data,
    "a second json": lambda data, key: extra(data, f"{key}.json"),
    "an empty one": lambda data, key: extra(data, f"{key}.cls", b""),
    "of another key": lambda data, key: extra(data, "other.pyd"),
    "a link": lambda data, key: extra(data, f"{key}.txt", b"", tarfile.SYMTYPE),
    "a long name": lambda data, key: extra(data, "././@LongLink", b"x" * 200, tarfile.GNUTYPE_LONGNAME),
    "an extended header": lambda data, key: extra(b"", f"{key}.x", b"12 path=a.b\n", tarfile.XHDTYPE) + data,
    "zeros after": lambda data, key: data + bytes(BLOCK),
    "the order": lambda data, key: reordered(data, key),
    "a wrong checksum": lambda data, key: data[:150] + b"7" + data[151:],
    "an owner": lambda data, key: data[:265] + b"root" + data[269:],
    "something in the padding": lambda data, key: data[:-1] + b"x",
}


def reordered(data: bytes, key: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        second = tar.getmembers()[1].offset
    return data[second:] + data[:second]


@pytest.mark.parametrize("change", MEMBERS.values(), ids=MEMBERS.keys())
def test_only_the_members_that_belong_to_a_record_are_taken(
    folder: Path, change: Callable[[bytes, str], bytes]
) -> None:
    data, segment = first_record(folder, 1)
    forged = change(data, segment.key)
    assert forged != data
    replace_record(folder, forged, video=1)
    storage = Storage(folder)
    manifest = load_manifest(storage)
    with pytest.raises(ShardError, match=segment.key):
        for located in manifest.segments("training", 5):
            SegmentReader(storage, manifest).read(located)
    (problem,) = verify(storage, manifest, lambda video: None)
    assert segment.key in problem


# -- sizes that are only claimed


def claim(*path: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: set_path(manifest, path, value)


SEGMENT = ("videos", 1, "shards", 0, "segments", 0)
CLAIMS = {
    "height": claim("geometry", "height", value=10**6),
    "width of 2**60": claim("geometry", "width", value=2**60),
    "window": claim("window", value=10**9),
    "frames of a video": claim("videos", 1, "frames", value=10**12),
    "frames of a segment": claim(*SEGMENT, "frames", value=10**9),
    "windows of a segment": claim(*SEGMENT, "windows", value=10**9),
    "size of a segment": claim(*SEGMENT, "size", value=10**12),
    "bytes of a shard": claim("videos", 1, "shards", 0, "bytes", value=10**12),
    "labels": claim("videos", 0, "abnormal", value=[[0, 10**15]]),
}


@pytest.mark.parametrize("change", CLAIMS.values(), ids=CLAIMS.keys())
def test_what_a_manifest_claims_must_fit_together(folder: Path, change: Callable[[Any], None]) -> None:
    forge(folder, change)
    refused(folder, ": ")


@pytest.mark.parametrize("codec", ["raw", "deflate", "jpeg"])
def test_a_kilobyte_of_json_cannot_claim_gigabytes_of_frames(tmp_path: Path, codec: str) -> None:
    make_set(tmp_path, {"training": [random_frames(36)]}, codec=next(c for c in CODECS if c.name == codec))

    def change(manifest: dict[str, Any]) -> None:
        manifest["geometry"] |= {"height": 3000, "width": 3000}
        (shard,) = manifest["videos"][0]["shards"]
        size = {"raw": 36 * 3000 * 3000 * 3 + 3072, "deflate": 942_000, "jpeg": 942_080}[codec]
        shard["segments"][0] |= {"size": size}
        shard["bytes"] = size + 1024

    forge(tmp_path, change)
    refused(tmp_path)


def test_a_kilobyte_of_json_cannot_claim_gigabytes_of_tables(
    raw: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    record = json.loads((raw / MANIFEST).read_bytes())
    record["parts"][0]["segments"] |= {"rows": 1 << 26, "bytes": MOST_TABLE_BYTES}
    (raw / MANIFEST).write_text(json.dumps(record))
    refused(raw, "segments-")
    with nginx(raw, tmp_path_factory.mktemp("nginx")) as port:
        refused(f"http://127.0.0.1:{port}", "segments-")


KINDS_OF_MESSAGES = """
folder = Path(sys.argv[1])
files = json.loads((folder / "manifest.json").read_bytes())["parts"][0]
for table in TABLES:
    good, rows = next(folder.glob(f"{table}-*")).read_bytes(), files[table]["rows"]
    decoded(table, good, rows)
    for start in (8, 16 + struct.unpack_from("<i", good, 4)[0]):  # of the schema, and of the rows
        root = start + struct.unpack_from("<I", good, start)[0]
        fields = root - struct.unpack_from("<i", good, root)[0]
        at = root + struct.unpack_from("<H", good, fields + 6)[0]  # field 1 of a message is its kind
        for kind in {*range(256)} - {good[at]}:
            try:
                decoded(table, good[:at] + bytes([kind]) + good[at + 1 :], rows)
            except ValueError:
                continue
            raise RuntimeError(f"{table}: {kind} was taken")
"""


def test_a_table_of_another_kind_of_message_is_refused(raw: Path) -> None:
    """Arrow follows a message of no kind to where no memory is, and the process dies."""
    imports = "import json, struct, sys\nfrom pathlib import Path\nfrom shards.tables import TABLES, decoded"
    assert limited(KINDS_OF_MESSAGES, raw, imports=imports, seconds=SECONDS).error is None


def test_masks_that_are_only_claimed_are_refused(raw: Path) -> None:
    with_masks(raw)
    claims = ("height", 10**6), ("width", 2**40), ("bytes", 0), ("bytes", 3 * 10**9), ("marked", [[0, 10**9]])
    for field, value in claims:
        before = (raw / MANIFEST).read_bytes()
        forge(raw, claim("videos", 0, "masks", field, value=value))
        refused_at_the_door(raw)
        (raw / MANIFEST).write_bytes(before)


def npz(bits: bytes, width: bytes = b"", compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("bits.npy", bits)
        archive.writestr("width.npy", width)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["bomb", "claims", "short", "lzma", "pickle", "no zip", "one more"])
def test_mask_files_hold_what_the_manifest_says(raw: Path, kind: str) -> None:
    with_masks(raw)
    masks = load_manifest(Storage(raw)).videos[0].masks
    assert masks is not None
    head = npy_header((9, 8, 2))
    pickled = (
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '|O', 'fortran_order': False, 'shape': (9, 8, 2), }".ljust(118)
    )
    data = {
        "bomb": npz(head + bytes(1 << 28)),
        "claims": npz(npy_header((2**31, 2**20, 2**8)) + bytes(144)),
        "short": npz(head + bytes(100)),
        "lzma": npz(head + bytes(144), compression=zipfile.ZIP_LZMA),
        "pickle": npz(pickled + bytes(144)),
        "no zip": b"PK\x05\x06" + bytes(40),
        "one more": npz(head + bytes(144)) + npz(b"", b""),
    }[kind]
    (raw / masks.name).write_bytes(data)
    forge(raw, claim("videos", 0, "masks", "bytes", value=len(data)))
    forge(raw, claim("videos", 0, "masks", "digest", value=digest_of([data])))
    refused(raw, masks.name)


def jpeg(height: int, width: int, *, marker: int = 0xC0, quality: int = 90, trailer: bytes = b"") -> bytes:
    """A JPEG of 16x16 whose header states another size, or another coding."""
    encoded = cv2.imencode(".jpg", FRAMES["training"][0], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    at = encoded.index(b"\xff\xc0")
    size = struct.pack(">HH", height, width)
    return (
        encoded[:at] + bytes([0xFF, marker]) + encoded[at + 2 : at + 5] + size + encoded[at + 9 :] + trailer
    )


BOMBS = {
    "larger": jpeg(30_000, 30_000),
    "taller": jpeg(32, 16),
    "progressive": jpeg(16, 16, marker=0xC2),
    "arithmetic": jpeg(16, 16, marker=0xC9),
    "cut": jpeg(16, 16)[:-40],
    "two headers": jpeg(16, 16).replace(b"\xff\xda", jpeg(30_000, 30_000)[160:] + b"\xff\xda", 1),
    "not one": b"\xff\xd8" + bytes(600) + b"\xff\xd9",
    "a png": cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1].tobytes(),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_jpeg_has_the_size_of_the_set(tmp_path: Path, bomb: bytes) -> None:
    frames: dict[Split, list[np.ndarray]] = {split: [frames] for split, frames in FRAMES.items()}
    make_set(tmp_path, frames, codec=CODECS[2])
    _, segment = first_record(tmp_path)
    good = jpeg(16, 16)
    members = {f"{index:04d}.jpg": [bomb if index == 4 else good] for index in range(9)}
    facts = metadata(video="01", first=0, frames=9, channels=3)
    replace_record(tmp_path, b"".join(record(segment.key, {**members, "json": [facts]})), channels=3)
    refused(tmp_path, segment.key)


@pytest.mark.parametrize("kind", ["bomb", "short", "second", "noise", "after", "huge head"])
def test_a_deflated_segment_unpacks_to_its_frames(tmp_path: Path, kind: str) -> None:
    frames: dict[Split, list[np.ndarray]] = {split: [frames] for split, frames in FRAMES.items()}
    make_set(tmp_path, frames, codec=CODECS[1])
    _, segment = first_record(tmp_path)
    head = npy_header((9, 16, 16, 3))
    size = 9 * 16 * 16 * 3
    data = {
        "bomb": gzipped(head + bytes(size), 1 << 24),
        "short": gzipped(head + bytes(size - 1)),
        "second": gzipped(head + bytes(size)) * 2,
        "noise": bytes(range(256)) * 4,
        "after": gzipped(head + bytes(size)) + b"x",
        "huge head": gzipped(b"\x93NUMPY\x02\x00" + b"\xff" * 4 + bytes(size)),
    }[kind]
    facts = metadata(video="01", first=0, frames=9, channels=3)
    replace_record(tmp_path, b"".join(record(segment.key, {"json": [facts], "npy.gz": [data]})))
    refused(tmp_path)


def gzipped(start: bytes, zeros: int = 0) -> bytes:
    """A gzip stream of some bytes, and then of many zeros."""
    stream = zlib.compressobj(9, wbits=31)
    return stream.compress(start) + stream.compress(bytes(zeros)) + stream.flush()


def test_sparse_files_are_read_no_further_than_they_should(raw: Path) -> None:
    shard = next(raw.glob("*.tar"))
    size = shard.stat().st_size
    os.truncate(shard, 1 << 40)
    manifest = load_manifest(Storage(raw))
    (problem,) = verify(Storage(raw), manifest, lambda video: None)
    assert f"found {1 << 40} bytes, expected {size}" in problem
    assert outcome(raw, sources_of(raw)) == "refused"
    os.truncate(shard, 0)
    os.truncate(shard, size)
    refused(raw, shard.name)
    manifest_size = (raw / MANIFEST).stat().st_size
    for larger in (1 << 40, 1 << 27):
        os.truncate(raw / MANIFEST, larger)
        refused(raw, MANIFEST)
        os.truncate(raw / MANIFEST, manifest_size)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 10**6,
        b'{"a":' * 10**5,
        b'{"format": "mnad-shards", "version": 3, "window": 1' + b"0" * 5000 + b"}",
        b'{"format": "mnad-shards", "version": 3, "parts": [' + b"[]," * 10**6 + b"[]]}",
        b'{"format": "mnad-shards", "version": 3, "parts": [' + b"[]," * (12 << 20) + b"[]]}",
        b'{"format": "mnad-shards", "version": NaN}',
        b'{"format": "mnad-shards\\ud800", "version": 2}',
    ],
    ids=["lists", "mappings", "digits", "many", "very many", "nan", "surrogate"],
)
def test_json_that_is_made_to_hurt_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(text)
    refused(tmp_path, MANIFEST)


# -- numbers that would be wrong in silence


def test_two_videos_of_one_name_are_refused(tmp_path: Path) -> None:
    make_set(tmp_path, {"testing": [FRAMES["testing"]] * 2})
    forge(tmp_path, claim("videos", 1, "name", value="01"))
    assert "lists the video 'testing/01' 2 times" in refused_at_the_door(tmp_path)


def test_two_videos_of_one_shard_are_refused(tmp_path: Path) -> None:
    make_set(tmp_path, {"testing": [FRAMES["testing"]] * 2})

    def change(manifest: dict[str, Any]) -> None:
        manifest["videos"][1]["shards"] = manifest["videos"][0]["shards"]

    forge(tmp_path, change)
    assert "lists the shard" in refused_at_the_door(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("scale", 255.0), ("offset", 0.0), ("channel_order", "RGB"), ("channels", 1), ("scale", "127.5")],
)
def test_frames_that_no_model_was_made_for_are_refused(raw: Path, field: str, value: object) -> None:
    forge(raw, claim("geometry", field, value=value))
    assert "/ 127.5 + -1.0" in refused_at_the_door(raw)


@pytest.mark.parametrize("version", [1, 2])
def test_a_set_of_an_older_version_is_told_so(raw: Path, version: int) -> None:
    forge(raw, claim("version", value=version))
    assert refused_at_the_door(raw).endswith("made by an older version, expected 3; preprocess again")


# -- anything else


def outcome(folder: Path, sources: dict[str, np.ndarray]) -> str:
    """`right` if all that can be read is what was stored; else there is one line of a ShardError."""
    storage = Storage(folder)
    try:
        manifest = load_manifest(storage)
        reader = SegmentReader(storage, manifest)
        for split in ("training", "testing"):
            for located in manifest.segments(split, manifest.window):
                first = located.segment.first
                frames = reader.read(located)
                if manifest.codec.name != "jpeg":
                    stored = sources[located.shard][first : first + len(frames)]
                    assert np.array_equal(frames, stored[..., : frames.shape[3]])
        stream = TrainingStream(storage, manifest, "training", window=manifest.window, device=CPU)
        plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4)
        assert sum(1 for _ in stream.stored_batches(plan)) == plan.steps
        problems = verify(storage, manifest, lambda video: None)
    except ShardError as error:
        problems = [str(error)]
    assert not any("\n" in problem for problem in problems)
    return "refused" if problems else "right"


def sources_of(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: FRAMES[split] for split in FRAMES for path in folder.glob(f"{split}-*.tar")}


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_changed_manifest_gives_the_right_frames_or_one_line(raw: Path, data: st.DataObject) -> None:
    good = (raw / MANIFEST).read_bytes()
    try:
        changed = data.draw(st.one_of(mutated_json(json.loads(good)), mutated_bytes(good)), label="manifest")
        (raw / MANIFEST).write_bytes(changed)
        outcome(raw, sources_of(raw))
    finally:
        (raw / MANIFEST).write_bytes(good)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_shard_gives_the_right_frames_or_one_line(folder: Path, data: st.DataObject) -> None:
    path = sorted(folder.glob("*.tar"))[data.draw(st.integers(0, 1))]
    good = path.read_bytes()
    try:
        changed = data.draw(mutated_bytes(good))
        path.write_bytes(changed)
        assert outcome(folder, sources_of(folder)) == ("right" if changed == good else "refused")
    finally:
        path.write_bytes(good)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_record_with_right_digests_gives_frames_or_one_line(
    folder: Path, data: st.DataObject
) -> None:
    good, segment = first_record(folder)
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    try:
        replace_record(folder, data.draw(mutated_bytes(good)))
        storage = Storage(folder)
        try:
            manifest = load_manifest(storage)
            (located,) = manifest.segments("testing", 5)
            frames = SegmentReader(storage, manifest).read(located)
            assert frames.shape == (segment.frames, 16, 16, 3)
            verify(storage, manifest, lambda video: None)
        except ShardError as error:
            assert "\n" not in str(error)
    finally:
        for path, content in before.items():
            path.write_bytes(content)
