"""Sources made to do harm: each ends in time, in little memory, and opens nothing that it should not."""

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from pipeline.preprocess.sources.source import list_tree
from tests.helpers.commands import TIMEOUT
from tests.helpers.jobs import job_line
from tests.helpers.videos import scene, write_images, write_video

SECONDS = 30
MEGABYTES = 1500
_MEASURE = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([done.returncode, done.stderr, peak]))
"""


def outcome(source: Path) -> tuple[int, str, int]:
    """Exit code, standard error and peak megabytes of preprocess."""
    command = [sys.executable, "cli.py", "preprocess", str(source), f"{source}-shards", "--size", "32"]
    command += ["--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *command],
        check=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    code, errors, kilobytes = json.loads(done.stdout)
    return code, errors, kilobytes >> 10


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_bomb(folder: Path) -> None:
    """30000x30000 white pixels in less than a megabyte."""
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(30001 * 100)) for _ in range(300)) + packer.flush()
    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def webp_bomb(folder: Path) -> None:
    """An animation on a canvas of 16384x16384."""
    content = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + b"\xff\x3f\0" * 2
    content += b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    (folder / "a.webp").write_bytes(b"RIFF" + struct.pack("<I", len(content)) + content)


def tiff(pages: int, last: int, *, edge: int = 30000) -> bytes:
    """So many pages of edge x edge pixels, the last of which points on to `last`."""
    size = 2 + 12 * 8 + 4
    data = [b"II*\0" + struct.pack("<I", 8)]
    for page in range(pages):
        tags = [(256, edge), (257, edge), (258, 8), (259, 1), (262, 1), (273, 8), (278, edge), (279, 9)]
        following = last if page == pages - 1 else 8 + (page + 1) * size
        data.append(struct.pack("<H", 8) + b"".join(struct.pack("<HHII", tag, 4, 1, v) for tag, v in tags))
        data.append(struct.pack("<I", following))
    return b"".join(data)


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def nested_links(folder: Path) -> None:
    """Two links at each of 22 levels: four million ways to one video."""
    inner = folder
    for _ in range(22):
        (inner / "d").mkdir()
        (inner / "l").symlink_to("d")
        (inner / "m").symlink_to("d")
        inner /= "d"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (png_bomb, "30000x30000 (width x height), expected at most"),
        (webp_bomb, "a.webp: found"),
        (
            lambda f: (f / "a.pgm").write_bytes(b"P5 60000 60000 255\n"),
            "60000x60000 (width x height), expected",
        ),
        (lambda f: (f / "a.tif").write_bytes(tiff(1, 0)), "30000x30000 (width x height), expected"),
        (lambda f: (f / "a.tif").write_bytes(tiff(3, 8, edge=8)), "found 3 pages"),
        (lambda f: (f / "a.tif").write_bytes(tiff(40000, 0, edge=8)), "found more than 1000 pages"),
        (
            lambda f: (f / "a.y4m").write_bytes(b"YUV4MPEG2 W30000 H30000 F25:1 C420\nFRAME\n" + bytes(99)),
            "a.y4m",
        ),
        (lambda f: sparse(f / "a.png", 1 << 40), "a.png: found an image file of 1048576 MB"),
        (nested_links, "holds SOURCE"),
    ],
    ids=["png", "webp", "pgm", "tiff", "loop-of-pages", "many-pages", "y4m", "sparse", "links"],
)
def test_sizes_that_are_claimed_are_not_believed(
    make: Callable[[Path], object], expected: str, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    make(source)
    if make is nested_links:
        write_video(tmp_path / "source" / "a.mp4", scene(6))
    code, errors, megabytes = outcome(source)
    assert code == (0 if make is nested_links else 1)
    assert expected in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert megabytes < MEGABYTES


PLAYLISTS = {
    "concat": "ffconcat version 1.0\nfile {secret}\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "webvtt": "WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n",
}


@pytest.mark.parametrize("suffix", ["mp4", "ts", "mkv"])
@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("decoder", ["auto", "pyav"])
def test_playlists_are_not_opened_whatever_they_are_called(
    kind: str, suffix: str, decoder: str, tmp_path: Path
) -> None:
    write_video(tmp_path / "secret.ts", scene(6), codec="mpeg2video")
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / f"a.{suffix}").write_text(PLAYLISTS[kind].format(secret=tmp_path / "secret.ts"))
    (tmp_path / "source" / "secret.ts").symlink_to(tmp_path / "secret.ts")
    config = {"source": str(tmp_path / "source"), "shards": str(tmp_path / "shards"), "size": (32, 32)}
    with pytest.raises(SourceError, match=rf"a\.{suffix}: found \d+ bytes that are no video file"):
        preprocess(PreprocessConfig(**config, workers=1, decoder=decoder))  # type: ignore[arg-type]


def test_pictures_and_patterns_are_no_video(tmp_path: Path) -> None:
    write_images(tmp_path / "source", scene(3), pattern="{:03d}.png")
    for name, at in (("a.mp4", 0), ("%03d.mp4", 1)):
        (tmp_path / "source" / f"00{at}.png").rename(tmp_path / "source" / name)
    config = PreprocessConfig(source=str(tmp_path / "source"), shards=str(tmp_path / "shards"), size=(32, 32))
    with pytest.raises(SourceError, match="2 of 3 videos cannot be read"):
        preprocess(config)


def test_a_link_to_everything_is_not_followed(tmp_path: Path) -> None:
    write_video(tmp_path / "source" / "a.mp4", scene(6))
    (tmp_path / "source" / "root").symlink_to("/")
    tree = list_tree(str(tmp_path / "source"))
    assert (list(tree.files), tree.oddities.again) == (["a.mp4"], ["root"])


@pytest.mark.parametrize("suffix", [".png", ".jp2", ".mkv"])
def test_a_decoder_that_wants_too_much_memory_is_one_line(suffix: str, tmp_path: Path) -> None:
    """With little address space instead of much memory."""
    picture = np.zeros((3000, 4000, 3), np.uint8)
    if suffix == ".mkv":
        write_video(tmp_path / "source" / "a.mkv", [picture] * 3, codec="ffv1", pixels="bgr0")
    else:
        write_images(tmp_path / "source", [picture], pattern=f"a{suffix}")
    job = job_line(tmp_path / "source", tmp_path / "shards", size=(32, 32), decoder="pyav")
    program = (
        "from pipeline.preprocess import worker; from pipeline.processes import addressspace; "
        "addressspace.DECODING_SPACE = 8 << 20; worker.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "fetched")],
        input=job,
        check=True,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer.get("kind") == "SourceError", done.stdout + done.stderr
    assert f"a{suffix}: " in answer["error"]
    assert "\n" not in answer["error"]
