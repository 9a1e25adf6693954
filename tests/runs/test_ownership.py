"""Folders are known by what a command left in them."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings

from pipeline.config import MOST_BYTES, dump_config
from pipeline.errors import ConfigError
from pipeline.runs.ownership import (
    CONFIG,
    recorded_options,
    refuse_foreign_config,
    refuse_foreign_folder,
    refuse_links,
)
from pipeline.score.config import ScoreConfig
from pipeline.watch.plan import watch_config
from shards.errors import StorageError
from shards.storage import Storage
from tests.helpers.mutation import mutated_bytes

GOOD = b'[evaluate]\nshards = "/data/today"\nalpha = 0.6\nreport = true\n'


def test_the_options_of_a_command_are_found_under_its_name(tmp_path: Path) -> None:
    assert recorded_options(Storage(tmp_path / "nowhere"), "evaluate") is None
    (tmp_path / CONFIG).write_bytes(GOOD)
    assert recorded_options(Storage(tmp_path), "evaluate") == {
        "shards": "/data/today",
        "alpha": 0.6,
        "report": True,
    }
    assert recorded_options(Storage(tmp_path), "train") is None


@settings(max_examples=300)
@given(mutated_bytes(GOOD))
def test_a_damaged_config_is_no_crash(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    (folder / CONFIG).write_bytes(data)
    found = recorded_options(Storage(folder), "evaluate")
    assert found is None or isinstance(found, dict)


@pytest.mark.parametrize(
    "data", [b"evaluate = 3", b"x = " + b"[" * 100_000, b"[train]\n", b"[train]\n" + b"#" * 100_000, b""]
)
def test_what_is_not_of_the_command_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / CONFIG).write_bytes(data)
    for refuse in (refuse_foreign_config, refuse_foreign_folder):
        with pytest.raises(ConfigError, match="evaluate"):
            refuse(Storage(tmp_path), "evaluate")


def test_a_score_of_a_thousand_files_and_a_watch_of_many_cameras_know_their_folders(tmp_path: Path) -> None:
    videos = tuple(f"/mnt/recordings/{number:04}.mp4" for number in range(1000))
    many = ScoreConfig(videos=videos, checkpoint="run", out="out")
    cameras = "".join(f'[watch.cameras.c{number}]\nurl = "rtsp://c{number}/"\n' for number in range(300))
    (tmp_path / "cameras.toml").write_text(f'[watch]\ncheckpoint = "run"\nout = "out"\n{cameras}')
    plan = watch_config(config=str(tmp_path / "cameras.toml"))
    for command, text in (("score", dump_config("score", many)), ("watch", plan.recorded())):
        assert len(text) > MOST_BYTES
        (tmp_path / CONFIG).write_text(text)
        refuse_foreign_folder(Storage(tmp_path), command)
        with pytest.raises(ConfigError, match="of evaluate"):
            refuse_foreign_folder(Storage(tmp_path), "evaluate")
    (tmp_path / CONFIG).write_bytes(b"[score]\n#" + bytes(2 << 20))
    with pytest.raises(StorageError, match=r"config\.toml: found 2097161 bytes, expected at most 1048576"):
        refuse_foreign_folder(Storage(tmp_path), "score")


def test_an_empty_folder_and_leftovers_of_a_killed_process_are_nobodys(tmp_path: Path) -> None:
    refuse_foreign_folder(Storage(tmp_path / "nowhere"), "evaluate")
    (tmp_path / ".tmp-half").touch()
    refuse_foreign_folder(Storage(tmp_path), "evaluate")
    (tmp_path / "thesis.txt").touch()
    refuse_foreign_config(Storage(tmp_path), "evaluate")
    with pytest.raises(ConfigError, match=r"found files, but no config\.toml of evaluate"):
        refuse_foreign_folder(Storage(tmp_path), "evaluate")


def test_a_link_to_anywhere_is_refused_and_named(tmp_path: Path) -> None:
    (tmp_path / "scores").mkdir()
    (tmp_path / "maps").symlink_to("/nowhere")
    refuse_links(Storage(tmp_path), ("scores", "plots"))
    with pytest.raises(ConfigError, match="maps: found a link to /nowhere"):
        refuse_links(Storage(tmp_path), ("scores", "maps"))


def test_a_fifo_is_no_config(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / CONFIG)
    with pytest.raises(StorageError, match=r"config\.toml: cannot be read: Not a regular file"):
        recorded_options(Storage(tmp_path), "evaluate")
