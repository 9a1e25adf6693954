"""One at a time in a folder, and nothing left of a lock when its holder is gone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import BusyError
from pipeline.processes.locking import sole
from shards.errors import StorageError
from shards.storage import Storage
from tests.helpers.commands import ROOT

HOLD = (
    "import subprocess, sys, time\n"
    "from pipeline.processes.locking import sole\n"
    "from shards.storage import Storage\n"
    "with sole('evaluation', Storage(sys.argv[1])):\n"
    "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "    print(child.pid, flush=True); time.sleep(60)"
)


def test_a_second_one_is_refused_in_one_line_and_a_later_one_is_not(tmp_path: Path) -> None:
    folder = Storage(tmp_path / "new" / "folder")
    with sole("evaluation", folder):
        with pytest.raises(BusyError) as error, sole("evaluation", Storage(tmp_path / "new/../new/folder")):
            pass
        with sole("evaluation", Storage(tmp_path / "new")):
            pass
    found = str(error.value)
    assert found.startswith(f"{tmp_path}/new/../new/folder: found another evaluation under way in it")
    assert "\n" not in found
    with sole("evaluation", folder):
        pass
    assert list(Path(folder.path("")).iterdir()) == []


def test_sigkill_frees_it_though_a_child_lives_on(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(BusyError), sole("evaluation", Storage(tmp_path)):
            pass
        holder.kill()
        holder.wait()
        os.kill(child, 0)  # is there
        with sole("evaluation", Storage(tmp_path)):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "file/inside"):
        folder = Storage(tmp_path / name)
        with pytest.raises(StorageError, match=rf"{name}: cannot be written: "), sole("training", folder):
            pass
