"""Packages that a GPU machine may lack, as wheels: gathered here, unpacked there.

    python benchmarks/gpu_wheels.py [--python 3.12]

Where nothing can be fetched, a machine with the packages in PRESENT runs gpu.py with this checkout, the
wheels and video, which travel together: their sum is printed, and may not be more than LIMIT.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
WHEELS = ROOT / "wheels"
PRESENT = ("torch", "numpy", "opencv-python-headless", "scikit-learn", "pyarrow", "click")
"""What a GPU machine has, with all that these need."""
PACKAGES = {
    "av": (),  # decodes all video
    "webdataset": ("braceexpand", "PyYAML"),
    "safetensors": (),
    "blake3": (),
    "pillow": (),
    "urllib3": (),
    "rich": ("markdown-it-py", "mdurl", "Pygments"),
    "pytest": ("iniconfig", "packaging", "pluggy"),
    "pytest-timeout": (),
}
"""What else gpu.py imports, and what that needs."""
PLATFORMS = (
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
)
LIMIT = 64 << 20
PED2_BYTES = 13_000_000
"""Ped2 as video."""


def gather(python: str) -> None:
    """Download the wheels for a Python version `3.N` on Linux x86_64 into WHEELS, in the tested versions."""
    WHEELS.mkdir(exist_ok=True)
    for old in WHEELS.glob("*.whl"):
        old.unlink()
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--no-deps"]
    words += ["--constraint", str(ROOT / "constraints.txt"), "--dest", str(WHEELS)]
    words += ["--implementation", "cp", "--python-version", python]
    words += [word for platform in PLATFORMS for word in ("--platform", platform)]
    words += [name for package, needs in PACKAGES.items() for name in (package, *needs)]
    subprocess.run(words, check=True)


def checkout_bytes() -> int:
    """Of all files that git tracks or does not ignore."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return sum((ROOT / name).lstat().st_size for name in names if name and (ROOT / name).is_file())


@contextlib.contextmanager
def unpacked(wheels: Path) -> Iterator[dict[str, str]]:
    """An environment in which Python finds what is in the wheels of a folder, and installs nothing.

    Exits where a wheel is for another Python than this one.
    """
    own = f"cp{sys.version_info.major}{sys.version_info.minor}"
    with tempfile.TemporaryDirectory(prefix="wheels-") as folder:
        for path in sorted(wheels.glob("*.whl")):
            built_for = re.search(r"-(cp\d+)-\1-", path.name)
            if built_for and built_for[1] != own:
                version = ".".join(map(str, sys.version_info[:2]))
                sys.exit(
                    f"error: {path}: found a wheel for {built_for[1]}, expected {own}; "
                    f"make gpu-wheels GPU_PYTHON={version}"
                )
            zipfile.ZipFile(path).extractall(folder)
        paths = (folder, os.environ.get("PYTHONPATH", ""))
        yield {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def main() -> None:
    """Gather the wheels, and print what has to travel."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = ".".join(map(str, sys.version_info[:2]))
    parser.add_argument("--python", default=here, metavar="3.N", help="of the GPU machine (this one's)")
    gather(parser.parse_args().python)
    sizes = {
        "checkout": checkout_bytes(),
        "wheels": sum(path.stat().st_size for path in WHEELS.glob("*.whl")),
        "Ped2": PED2_BYTES,
    }
    total = sum(sizes.values())
    for name, size in {**sizes, "together": total}.items():
        print(f"{name:<9}{size / 2**20:6.1f} MiB")
    if total > LIMIT:
        sys.exit(
            f"error: {WHEELS}: found {total} bytes together, expected at most {LIMIT}; leave out packages"
        )


if __name__ == "__main__":
    main()
