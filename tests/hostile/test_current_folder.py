"""A current folder full of traps, as one that was downloaded may be: nothing in it is ever imported.

Every command is started there as installed, and those that start processes from a checkout, too. Both are
copies, of which each process that runs leaves a line, so that it is seen that children run the code of their
parent and no other.
"""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from cli import main
from tests.helpers import published
from tests.helpers.commands import ROOT, TIMEOUT, untraced

CODE = ("cli.py", "mnad", "pipeline", "shards")
OWN = {"cli", "mnad", "pipeline", "shards", "sitecustomize", "usercustomize"}
SPRUNG, SEEN = "TRAPS_SPRUNG", "CODE_SEEN"
"""Environment variables that name the files to which traps and the program leave lines."""
_TRAP = "import posix\nposix.write(posix.open(posix.environ[b'TRAPS_SPRUNG'], 0o2101, 0o600), b'{}\\n')\n"
_WITNESS = (
    "\nimport os\nwith open(os.environ['CODE_SEEN'], 'a') as _seen:\n    _seen.write(__file__ + '\\n')\n"
)


def copied(folder: Path) -> Path:
    """This program's code in `folder`, with a line from each process that imports it."""
    for name in CODE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    with (folder / "pipeline/__init__.py").open("a") as file:
        file.write(_WITNESS)
    return folder


def checkout(folder: Path) -> tuple[list[str], Path]:
    """How to start a checkout from elsewhere, and where its code lies."""
    folder.mkdir()
    return [sys.executable, str(copied(folder) / "cli.py")], folder


def installed(folder: Path) -> tuple[list[str], Path]:
    """How to start the program as it is installed in an environment of its own, and where its code lies."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    copied(packages)
    with (packages / "dependencies.pth").open("w") as file:
        file.writelines(f"{path}\n" for path in sys.path if path.endswith("-packages"))
    script = folder / "bin/mnad"
    script.write_text("import sys\nfrom cli import main\nsys.exit(main())\n")
    return [str(folder / "bin/python"), str(script)], packages


@pytest.fixture(scope="module")
def traps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a module of every name there is, and files that other parts of a process look for.

    matplotlib takes its style from one of them, which asks for LaTeX; who loads one of the libraries fails.
    """
    folder = tmp_path_factory.mktemp("traps")
    for name in {*sys.stdlib_module_names, *packages_distributions(), *OWN}:
        if name.isidentifier():
            (folder / f"{name}.py").write_text(_TRAP.format(name))
    (folder / "matplotlibrc").write_text("text.usetex: True\n")
    for name in ("libc.so.6", "libm.so.6", "libz.so.1"):
        (folder / name).write_text("not a library")
    return folder


@dataclass(frozen=True)
class Started:
    """What a command that was started in the folder of traps did.

    Attributes:
        error: what it printed on standard error, if it failed.
        sprung: names of the traps that ran.
        code: the file of each process that ran this program's code.
    """

    error: str
    sprung: list[str]
    code: list[str]


def start(words: list[str], traps: Path, marks: Path) -> Started:
    """Run a command in the folder of traps."""
    sprung, seen = marks / "sprung", marks / "seen"
    for path in (sprung, seen):
        path.write_text("")
    theirs = ("PYTHON", "LD_LIBRARY_PATH")
    environment = {name: value for name, value in untraced().items() if not name.startswith(theirs)}
    environment |= {SPRUNG: str(sprung), SEEN: str(seen)}
    done = subprocess.run(
        words, cwd=traps, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    return Started(
        error=done.stderr if done.returncode else "",
        sprung=sprung.read_text().split(),
        code=seen.read_text().splitlines(),
    )


def commands(folder: Path) -> Iterator[tuple[list[str], int]]:
    """Every command, in an order in which each finds what it reads, and its processes."""
    videos, shards, run = (str(folder / name) for name in ("videos", "shards", "run"))
    few = ["--method", "recon", "--memory-items", "2"]
    yield ["synthesize", videos, "--training-clips", "1", "--testing-clips", "1", "--frames", "40"], 1
    yield ["preprocess", videos, shards, "--size", "16", "--workers", "1"], 2
    yield ["verify", shards], 1
    yield ["inspect", shards], 1
    yield ["train", shards, run, *few, "--epochs", "1", "--validate", shards, "--every", "1"], 2
    yield ["evaluate", shards, run], 1
    yield ["report", f"{run}/evaluation-shards"], 1
    clip = str(folder / "videos/training/videos/01.mp4")
    yield ["calibrate", run, clip, "--on-training-video", "--alarms-per-hour", "10000"], 2
    yield ["score", clip, "--checkpoint", run, "--out", str(folder / "scored")], 3
    yield ["watch", clip, "--checkpoint", run, "--out", str(folder / "watched")], 3
    yield ["events", str(folder / "scored")], 1
    yield ["feedback", run, str(folder / "watched")], 1
    yield ["doctor", clip, "--checkpoint", run, "--seconds", "0.5"], 2
    yield ["export", run, str(folder / "exported"), "--format", "torch"], 1
    yield ["sweep", shards, str(folder / "sweep"), "--seeds", "1", *few, "--epochs", "0"], 3
    (folder / "model.pt").write_bytes(published.save(published.state_dict("recon")))
    (folder / "keys.pt").write_bytes(published.save(published.keys()))
    names = [str(folder / name) for name in ("model.pt", "keys.pt", "imported.safetensors")]
    yield ["import-reference", *names], 1


@pytest.mark.slow
@pytest.mark.parametrize("place", [installed, checkout])
def test_no_command_imports_from_the_current_folder(
    place: Callable[[Path], tuple[list[str], Path]], traps: Path, tmp_path: Path
) -> None:
    program, code = place(tmp_path / "program")
    tried = set()
    for words, processes in commands(tmp_path):
        tried.add(words[0])
        if place is checkout and processes == 1 and words[0] != "synthesize":  # which makes the videos
            continue
        started = start([*program, *words], traps, tmp_path)
        assert started.sprung == [], words
        assert started.error == "", words
        assert started.code == [str(code / "pipeline/__init__.py")] * processes, words
    assert tried == set(main.commands)


def test_the_traps_are_armed(traps: Path, tmp_path: Path) -> None:
    started = start([sys.executable, "-m", "cli"], traps, tmp_path)
    assert "cli" in started.sprung
