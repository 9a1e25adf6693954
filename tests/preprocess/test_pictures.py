"""Image files of every kind: whole, damaged, of many pages, of more than 8 bits, and too large."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import ConfigError, SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.video.imageheaders import LARGEST_BYTES, LARGEST_PIXELS
from pipeline.video.images import decode_image
from shards.masks import read_masks
from shards.storage import Storage
from tests.helpers import datasets
from tests.helpers.mutation import mutated_bytes
from tests.helpers.preprocessing import run
from tests.helpers.shards import stored_frames
from tests.helpers.videos import scene, write_video

SIZE = (120, 160)


def detailed() -> np.ndarray:
    """A picture uint8 (H, W, 3) that no codec makes small."""
    noise = np.random.default_rng(1).integers(0, 255, (12, 16, 3), np.uint8)
    return np.asarray(cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def encoded(suffix: str, picture: np.ndarray | None = None, *parameters: int) -> bytes:
    ok, data = cv2.imencode(suffix, detailed() if picture is None else picture, parameters)
    assert ok
    return data.tobytes()


def gray16() -> np.ndarray:
    return (7000 + detailed()[:, :, 0].astype(np.uint16) * 2).astype(np.uint16)


FORMS = {
    "jpeg": encoded(".jpg"),
    "progressive": encoded(".jpg", None, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts": encoded(".jpg", None, cv2.IMWRITE_JPEG_RST_INTERVAL, 4),
    "png": encoded(".png"),
    "png16": encoded(".png", gray16()),
    "tiff": encoded(".tif", None, cv2.IMWRITE_TIFF_COMPRESSION, 1),
    "lzw": encoded(".tif", None, cv2.IMWRITE_TIFF_COMPRESSION, 5),
    "deflate": encoded(".tif", None, cv2.IMWRITE_TIFF_COMPRESSION, 8),
    "tiff16": encoded(".tif", gray16()),
    "bmp": encoded(".bmp"),
    "webp": encoded(".webp"),
    "jp2": encoded(".jp2"),
    "jp2-16": encoded(".jp2", gray16()),
    "ppm": encoded(".ppm"),
    "pgm16": encoded(".pgm", gray16()),
}


def gray_tiff(strip: bytes, compression: int = 1) -> bytes:
    """A TIFF of 120x160 gray pixels whose directory stands before its one strip, as some cameras write it."""
    tags = [(256, 160), (257, 120), (258, 8), (259, compression), (262, 1), (273, 122), (277, 1), (278, 120)]
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in [*tags, (279, len(strip))]]
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + bytes(4) + strip


def chunk(kind: bytes, content: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def animated(form: str, pages: int = 5) -> bytes:
    pictures = [Image.fromarray(np.roll(detailed(), 3 * number, 1)) for number in range(pages)]
    file = io.BytesIO()
    pictures[0].save(file, form, save_all=True, append_images=pictures[1:])
    return file.getvalue()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source" / "cam").mkdir(parents=True)
    return tmp_path / "source"


def write_files(folder: Path, files: list[bytes], suffix: str) -> None:
    for number, data in enumerate(files):
        (folder / "cam" / f"{number:03d}{suffix}").write_bytes(data)


@pytest.mark.parametrize("form", FORMS)
def test_pixels_are_those_of_imread_and_nothing_is_called_damaged(form: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(FORMS[form])
    picture = decode_image(FORMS[form], form)
    np.testing.assert_array_equal(picture.pixels, cv2.imread(str(path)))
    assert picture.damage is None
    assert (picture.deep is not None) == ("16" in form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("part", [0.05, 0.33, 0.6, 0.9, 0.99])
def test_a_file_that_was_cut_is_never_taken_for_whole(form: str, part: float) -> None:
    with pytest.raises(SourceError, match=f"{form}: found"):
        decode_image(FORMS[form][: int(part * len(FORMS[form]))], form)


@pytest.mark.parametrize("form", ["jpeg", "restarts"])
@pytest.mark.parametrize("part", [0.2, 0.33, 0.6, 0.9])
def test_a_jpeg_that_was_cut_and_closed_is_damaged(form: str, part: float) -> None:
    cut = FORMS[form][: int(part * len(FORMS[form]))] + b"\xff\xd9"
    assert decode_image(cut, form).damage == "Corrupt JPEG data: premature end of data segment"


@pytest.mark.parametrize("part", [0.2, 0.4, 0.6, 0.8])
def test_a_progressive_jpeg_that_was_cut_within_a_scan_and_closed_is_never_taken_for_whole(
    part: float,
) -> None:
    cut = FORMS["progressive"][: int(part * len(FORMS["progressive"]))] + b"\xff\xd9"
    try:
        assert decode_image(cut, "cut").damage
    except SourceError as error:
        assert "OpenCV cannot decode" in str(error)


@pytest.mark.parametrize("compression", [1, 32773], ids=["plain", "packbits"])
@pytest.mark.parametrize("lost", [1, 5000])
def test_a_tiff_that_ends_within_its_pixels_is_never_taken_for_whole(compression: int, lost: int) -> None:
    pixels = detailed()[:, :, 0].tobytes()
    rows = [pixels[at : at + 80] for at in range(0, len(pixels), 80)]
    strip = pixels if compression == 1 else b"".join(bytes([79]) + row for row in rows)
    whole = gray_tiff(strip, compression)
    assert decode_image(whole, "whole").damage is None
    with pytest.raises(SourceError, match="cut: found"):
        decode_image(whole[:-lost], "cut")
    if compression == 32773:  # a strip that is all there, but holds too little
        assert "Not enough data" in str(decode_image(gray_tiff(strip[:-lost], compression), "short").damage)


def test_flipped_bits_that_a_checksum_covers_are_damage() -> None:
    for form, position in (("png", 5000), ("deflate", 5000)):
        data = bytearray(FORMS[form])
        data[position] ^= 4
        if form == "png":
            with pytest.raises(SourceError, match="CRC error"):
                decode_image(bytes(data), form)
        else:
            assert "ZIPDecode" in str(decode_image(bytes(data), form).damage)


def test_odd_metadata_and_bytes_too_many_are_no_damage() -> None:
    pixels = detailed()[:, :, 0]
    rows = b"".join(bytes([79]) + pixels.tobytes()[at : at + 80] for at in range(0, pixels.size, 80))
    excess = gray_tiff(rows[:-81] + bytes([127]) + rows[-80:] + bytes(48), 32773)
    profile = FORMS["png"][:33] + chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"none")) + FORMS["png"][33:]
    for data in (excess, profile, FORMS["jpeg"] + b"behind the end"):
        assert decode_image(data, "odd").damage is None
    np.testing.assert_array_equal(decode_image(excess, "odd").pixels[:, :, 0], pixels)


@pytest.mark.parametrize("position", [33, -12], ids=["before-the-pixels", "behind-them"])
def test_a_checksum_of_metadata_that_is_wrong_is_damage_too(position: int, source: Path) -> None:
    wrong = bytearray(chunk(b"tEXt", b"a\0b"))
    wrong[-1] ^= 1
    write_files(source, [FORMS["png"][:position] + bytes(wrong) + FORMS["png"][position:]], ".png")
    with pytest.raises(SourceError, match=r"000\.png: "):
        run(source)


@pytest.mark.parametrize("level", ["SILENT", "DEBUG"])
def test_damaged_images_are_an_error_that_names_them_or_counted(
    level: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENCV_LOG_LEVEL", level)
    files = [FORMS["deflate"]] * 12
    for number in (4, 5, 6):
        files[number] = files[number][:9000] + b"\0" + files[number][9001:]
    write_files(source, files, ".tif")
    with pytest.raises(
        SourceError, match=r"3 of 12 images cannot be used: 004\.tif, 005\.tif, 006\.tif; "
    ) as caught:
        run(source)
    assert "004.tif: damaged (TIFF_Error" in str(caught.value) or "004.tif: damaged (ZIPDecode" in str(
        caught.value
    )
    assert "--on-damage keep" in str(caught.value)
    summary = run(source, on_damage="keep")
    (video,) = summary.manifest.videos
    assert (video.frames, video.source["damaged_frames"], video.source["first_damaged"]) == (12, 3, 4)
    assert summary.notes == ("training/cam: kept with damage: 3 damaged frames",)


def test_an_image_of_which_nothing_can_be_decoded_is_an_error_also_with_keep(source: Path) -> None:
    write_files(source, [FORMS["png"], FORMS["png"][:9000], FORMS["png"]], ".png")
    with pytest.raises(
        SourceError, match=r"001\.png: found 9000 bytes that OpenCV cannot decode \(.*incomplete"
    ):
        run(source, on_damage="keep")


@pytest.mark.parametrize(("form", "suffix"), [("TIFF", ".tif"), ("PNG", ".png"), ("WEBP", ".webp")])
def test_files_with_several_pictures_are_refused(form: str, suffix: str, source: Path) -> None:
    write_files(source, [animated(form)], suffix)
    with pytest.raises(
        SourceError, match=rf"000\{suffix}: found 5 pages or pictures in one file, expected one"
    ):
        run(source)


def test_a_jpeg_with_a_preview_behind_it_is_one_picture() -> None:
    assert decode_image(animated("MPO", 2), "a").damage is None


def test_what_no_suffix_asks_for_is_no_image() -> None:
    pixels = np.zeros((4, 4), np.float32).tobytes()
    for data in (
        encoded(".gif"),
        b"Pf\n4 4\n-1.0\n" + pixels,
        encoded(".tif", np.zeros((4, 4), np.float32)),
        b"",
    ):
        with pytest.raises(SourceError, match=r"^a: found"):
            decode_image(data, "a")


def test_sixteen_bits_are_noted_with_the_levels_that_are_left(source: Path) -> None:
    write_files(source, [encoded(".png", gray16())] * 6, ".png")
    summary = run(source)
    facts = summary.manifest.videos[0].source["depth"]
    assert facts == {"bits": 16, "lowest": 7000, "highest": 7510, "levels": 3, "range": None}
    assert summary.notes == (
        "training/cam: its images have 16 bits, of which 13 are used: 7000 to 7510; the highest 8 bits are "
        "kept, in which 3 gray levels are left; --depth-range LOW:HIGH maps a range to all 256",
    )
    with pytest.raises(ConfigError, match="--depth-range None, now asked for auto"):
        run(source, depth_range="auto")


@pytest.mark.parametrize(("option", "found"), [("auto", (7000, 7510)), ((7100, 7300), (7100, 7300))])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_a_depth_range_is_mapped_to_all_levels(
    option: object, found: tuple[int, int], suffix: str, source: Path
) -> None:
    half = np.minimum(gray16(), 7300)  # auto looks at all pictures, not at the first
    write_files(source, [encoded(suffix, half), encoded(suffix, gray16())], suffix)
    run(source, depth_range=option, size=SIZE)
    stored = stored_frames(source.parent / "shards", "training", "cam")
    low, high = found
    for frame, values in zip(stored, (half, gray16()), strict=True):
        expected = np.floor((np.clip(values, low, high).astype(float) - low) * 255 / (high - low) + 0.5)
        np.testing.assert_array_equal(frame, np.repeat(expected.astype(np.uint8)[:, :, None], 3, 2))


def test_a_depth_range_leaves_8_bits_alone_and_refuses_what_it_cannot_map(
    source: Path, tmp_path: Path
) -> None:
    write_files(source, [encoded(".png")] * 2, ".png")
    for option in ("auto", (7000, 7510)):
        summary = run(source, depth_range=option, size=SIZE, shards=str(tmp_path / str(option)))
        assert "depth" not in summary.manifest.videos[0].source
        np.testing.assert_array_equal(stored_frames(tmp_path / str(option), "training", "cam")[0], detailed())
    (source / "cam" / "002.png").write_bytes(encoded(".png", gray16()))
    run(source, shards=str(tmp_path / "both"))
    with pytest.raises(
        SourceError, match=r"002\.png: found 16 bits per channel, other images .* another depth"
    ):
        run(source, depth_range="auto")
    write_video(tmp_path / "deep" / "a.mp4", scene(6), pixels="yuv420p10le")
    with pytest.raises(
        SourceError, match=r"a\.mp4: found a video file of 10 bits .*--depth-range maps images alone"
    ):
        run(tmp_path / "deep", depth_range="auto")


@pytest.mark.parametrize("option", [(5, 5), (-1, 5), (0, 70000)])
def test_depth_ranges_that_are_none_are_refused(option: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=r"--depth-range: .* with 0 <= LOW < HIGH <= 65535"):
        PreprocessConfig(source="a", shards="b", depth_range=option)


def test_an_image_too_large_is_refused_before_it_is_decoded(source: Path) -> None:
    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    write_files(source, [FORMS["png"], bomb + chunk(b"IEND", b"")], ".png")
    with pytest.raises(
        SourceError, match=rf"001\.png: found .*30000x30000 .*expected at most {LARGEST_PIXELS} pix"
    ):
        run(source)


def test_an_image_file_too_large_is_refused_before_it_is_read(source: Path) -> None:
    with (source / "cam" / "000.png").open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    with pytest.raises(
        SourceError, match=r"000\.png: found an image file of 576 MB, expected at most 576 MB"
    ):
        run(source)


def test_masks_keep_low_values_of_16_bits_and_must_not_be_damaged(tmp_path: Path) -> None:
    datasets.ucsd(tmp_path / "source")
    folder = next(path for path in sorted((tmp_path / "source").rglob("Test001_gt")))
    marks = np.zeros((*SIZE,), np.uint16)
    marks[3:9, 4:8] = 1
    files = sorted(folder.iterdir())
    for path in files:
        path.unlink()
        path.with_suffix(".png").write_bytes(encoded(".png", marks))
    summary = run(tmp_path / "source")
    video = summary.manifest.split("testing")[0]
    assert video.masks is not None
    stored = read_masks(Storage(tmp_path / "shards"), video.masks, video.frames)
    np.testing.assert_array_equal(next(stored), marks > 0)
    files[2].with_suffix(".png").write_bytes(FORMS["jpeg"][:3000] + b"\xff\xd9")
    with pytest.raises(
        SourceError, match=r"damaged \(Corrupt JPEG data.*go without masks with --labels none"
    ):
        run(tmp_path / "source", shards=str(tmp_path / "other"))


SMALL = {
    suffix: encoded(suffix, cv2.resize(detailed(), (48, 40)))
    for suffix in (".jpg", ".png", ".tif", ".bmp", ".webp", ".jp2", ".ppm")
} | {".tif16": encoded(".tif", gray16()[:40, :48].copy()), ".animated": animated("PNG", 2)}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_mutated_images_are_pictures_or_one_line_of_error(data: st.DataObject) -> None:
    good = SMALL[data.draw(st.sampled_from(sorted(SMALL)))]
    try:
        picture = decode_image(data.draw(mutated_bytes(good)), "name")
    except SourceError as error:
        assert str(error).startswith("name: found")
        assert "\n" not in str(error)
    else:
        assert picture.pixels.dtype == np.uint8
        assert picture.pixels.ndim == 3
