"""benchmarks/gpu.py on a machine that has little and fetches nothing."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from gpu_wheels import PACKAGES, PRESENT, ROOT, unpacked
from tests.helpers import datasets

GATHERED = [name for package, needs in PACKAGES.items() for name in (package, *needs)]


def canonical(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def needs(names: Iterable[str]) -> set[str]:
    """The installed packages of these names, and all that they require."""
    found: set[str] = set()
    waiting = [canonical(name) for name in names]
    while waiting:
        name = waiting.pop()
        try:
            required = distribution(name).requires or ()
        except PackageNotFoundError:
            continue  # of another platform
        if name not in found:
            found.add(name)
            requirements = [Requirement(text) for text in required]
            waiting += [
                canonical(r.name) for r in requirements if not r.marker or r.marker.evaluate({"extra": ""})
            ]
    return found


def expose(folder: Path, names: Iterable[str]) -> None:
    """Link the installed files of packages into a folder."""
    for name in names:
        package = distribution(name)
        for top in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
            link = folder / top
            if not link.exists():
                link.symlink_to(str(package.locate_file(top)))


def test_what_is_gathered_misses_nothing_that_it_requires() -> None:
    assert needs(GATHERED) - needs(PRESENT) <= set(map(canonical, GATHERED))


def test_packages_are_found_in_wheels_while_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    with zipfile.ZipFile(tmp_path / "lent-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("lent.py", "VALUE = 7")
    with unpacked(tmp_path) as environment:
        folder, _, rest = environment["PYTHONPATH"].partition(os.pathsep)
        assert (Path(folder, "lent.py").read_text(), rest) == ("VALUE = 7", "elsewhere")
    assert not Path(folder).exists()
    (tmp_path / "lent-1.0-cp27-cp27-manylinux2014_x86_64.whl").touch()
    with pytest.raises(SystemExit, match=r"found a wheel for cp27, expected cp3\d+; make gpu-wheels"):
        unpacked(tmp_path).__enter__()


@pytest.mark.slow
def test_the_paper_part_runs_with_what_is_there_and_what_was_gathered(tmp_path: Path) -> None:
    """In a bare environment, to which the packages are lent one by one."""
    videos = datasets.shanghaitech(tmp_path / "videos")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    (site,) = (tmp_path / "bare/lib").glob("python*/site-packages")
    expose(site, needs(PRESENT) | needs(GATHERED))
    options = [
        f"--wheels={tmp_path}",
        "--device=cpu",
        "--size=16",
        "--epochs=1",
        "--only=tests,paper",
        f"--out={tmp_path}",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [tmp_path / "bare/bin/python", "benchmarks/gpu.py", videos, *options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert "skipped" in found["tests"]["pytest"]
    paper = found["paper"]
    assert np.isfinite(paper["training_samples_per_second"])
    for kind in ("fp32", "bf16"):
        assert 0 <= paper["auc"][kind] <= 1
        assert paper["evaluation_frames_per_second"][kind] > 0
