"""What commands print, and where: foreign text cannot control a terminal, and broken outputs are one line."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cli import main
from shards.storage import Storage
from shards.text import plain
from tests.helpers.commands import ROOT, TIMEOUT
from tests.helpers.forged import forge
from tests.helpers.shards import make_set, random_frames
from tests.helpers.videos import write_images

HOSTILE = "\x1b]52;c;AAAA\x07\x1b[2J\u202egpj.\x9b\r\nerror: [/red]"
"""Sets the clipboard, clears the screen, writes from right to left, begins a line, ends rich's markup."""


def invoke(*arguments: object) -> str:
    """Both outputs of a command."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.output + result.stderr


def assert_harmless(text: str) -> None:
    for line in text.splitlines():
        assert plain(line) == line
    assert "\nerror: [/red]" not in text


@pytest.fixture
def hostile_set(tmp_path: Path) -> Path:
    """A shard set with a video of a hostile name."""
    folder = tmp_path / "set"
    make_set(folder, {"training": [random_frames(9)], "testing": [random_frames(9)]})
    forge(folder, lambda record: [video.update(name=HOSTILE) for video in record["videos"]])
    return folder


def test_names_in_a_shard_set_do_not_reach_the_terminal(hostile_set: Path, tmp_path: Path) -> None:
    text = invoke("inspect", hostile_set, "--sheet", "none")
    assert r"\x1b]52;c;AAAA" in text.replace("\n", "")
    assert_harmless(text)
    text = invoke("verify", hostile_set)
    assert "holds" in text or "found" in text
    assert_harmless(text)
    assert_harmless(invoke("evaluate", hostile_set, tmp_path / HOSTILE.replace("/", "")))


def test_names_of_files_and_folders_do_not_reach_the_terminal(tmp_path: Path) -> None:
    source = tmp_path / HOSTILE.replace("/", "")
    write_images(source / "Train" / "a\x1b[2J", random_frames(9))
    write_images(source / "Test" / "\u202eb\nc", random_frames(9))
    shards = tmp_path / "set\x1b]0;title\x07"
    text = invoke("preprocess", source, shards, "--size", "16", "--workers", "1")
    assert "decoded    2 videos" in text
    for arguments in (("inspect", shards), ("verify", shards), ("inspect", source), ("verify", source)):
        text += invoke(*arguments)
    assert_harmless(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "{}", "out"),
        ("report", "{}"),
        ("import-reference", "{}", "{}", "out"),
        ("preprocess", "{}", "out"),
        ("synthesize", "{}"),
        ("{}",),
        ("inspect", "x", "--{}"),
        ("inspect", "x", "--rows", "{}"),
        ("preprocess", "x", "out", "--size", "{}"),
        ("sweep", "x", "out", "--seeds", "{}"),
        ("--config", "{}", "inspect", "x"),
    ],
)
def test_what_is_given_comes_back_in_harmless_messages(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "synthesize":
        (tmp_path / HOSTILE.replace("/", "")).mkdir()
        (tmp_path / HOSTILE.replace("/", "") / "file").touch()
    text = invoke(*(argument.replace("{}", HOSTILE.replace("/", "")) for argument in arguments))
    assert "rror: " in text
    assert_harmless(text)


def test_progress_on_a_terminal_shows_foreign_text_as_it_is_without_controls() -> None:
    program = (
        "from pipeline.terminal.progress import progress\n"
        "with progress('work', 1, 'things') as advance: advance(1, '[/red] \\x1b]52;c;AAAA\\x07 \\u202e')"
    )
    controller, terminal = os.openpty()
    process = subprocess.run(
        [sys.executable, "-c", program], stderr=terminal, cwd=ROOT, env={**os.environ, "COLUMNS": "160"}
    )
    os.close(terminal)
    shown = os.read(controller, 1 << 16).decode()
    os.close(controller)
    assert process.returncode == 0
    assert r"[/red] \x1b]52;c;AAAA\x07 \u202e" in shown
    assert "\x1b]52" not in shown


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command line with `inspect` for the program's inspect of the set in `folder`."""
    own = f"{sys.executable} {ROOT / 'cli.py'} inspect {folder} --sheet none"
    return subprocess.run(
        ["bash", "-c", line.replace("inspect", own)], capture_output=True, text=True, timeout=TIMEOUT
    )


def test_outputs_that_break_are_one_line_and_closed_ones_none(tmp_path: Path) -> None:
    make_set(tmp_path, {"training": [random_frames(9)] * 300})
    full = shell("inspect >/dev/full", tmp_path)
    assert full.returncode == 1
    assert full.stderr == (
        "error: standard output: cannot be written: No space left on device; make room, or send it "
        "elsewhere\n"
    )
    enough = shell("inspect | head -1; exit ${PIPESTATUS[0]}", tmp_path)
    assert (len(enough.stdout.splitlines()), enough.stderr) == (1, "")
    assert shell("inspect >&-", tmp_path).stderr == ""
    closed = shell("inspect 2>&- >&-", tmp_path)
    assert (closed.returncode, closed.stdout, closed.stderr) == (0, "", "")
    help_ = shell("inspect --help >/dev/full", tmp_path)
    assert (help_.returncode, help_.stderr.count("\n")) == (1, 1)


def test_a_message_of_which_standard_error_takes_nothing_still_ends_with_its_code(tmp_path: Path) -> None:
    result = shell("inspect 2>/dev/full", tmp_path / "nowhere")
    assert result.returncode == 1


def test_lone_bytes_in_names_are_written_down_as_escapes(tmp_path: Path) -> None:
    source, shards = (tmp_path / os.fsdecode(name) for name in (b"source\xe9", b"set\xff"))
    write_images(source / "training" / os.fsdecode(b"cam\xe9"), random_frames(9))
    text = invoke("preprocess", source, shards, "--size", "16", "--workers", "1")
    assert "1 videos" in text
    recorded = tomllib.loads((shards / "config.toml").read_text(encoding="utf-8"))
    assert recorded["preprocess"]["source"] == rf"{tmp_path}/source\xe9"
    text = invoke("inspect", shards)
    assert r"training/cam\xe9" in text
    assert r"set\xff/contact-sheet.png" in text
    assert Storage(shards).exists("contact-sheet.png")


@pytest.mark.slow
def test_every_folder_may_have_a_name_that_is_not_unicode(tmp_path: Path) -> None:
    shards, run, out, sweep = (
        tmp_path / os.fsdecode(name) for name in (b"s\xe9", b"r\xe9", b"o\xe9", b"w\xe9")
    )
    frames = [random_frames(9)]
    make_set(shards, {"training": frames, "testing": frames}, labels=[np.arange(9) > 5])
    options = ("--batch-size", "1", "--epochs", "1", "--device", "cpu")
    assert "5 steps" in invoke("train", shards, run, *options)
    for arguments in (("--maps",), ("--maps", "--out", out)):
        assert "AUC" in invoke("evaluate", shards, run, *arguments, "--device", "cpu")
    record = json.loads((out / "metrics.json").read_bytes())
    assert record["provenance"]["shards"] == rf"{tmp_path}/s\xe9"
    assert r"report: " in invoke("report", out)
    assert (run / r"evaluation-s\xe9" / "report.html").exists()
    assert r"evaluation-s\xe9" in invoke("inspect", run)
    assert "AUC: " in invoke("sweep", shards, sweep, *options, "--seeds", "1")
