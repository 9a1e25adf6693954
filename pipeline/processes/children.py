"""Python processes that the program starts of itself: they import what it imports, wherever they start.

`python -m` imports from the current folder before anything else, which may be one that was downloaded, with a
`click.py` in it. `-P` leaves it out; the folder that this code lies in comes from PYTHONPATH in its stead.
"""

import os
import sys
from pathlib import Path

_ROOT = str(Path(__file__).parents[2])


def module_command(module: str) -> list[str]:
    """The words that run a module of this program, as `python -m` would."""
    return [sys.executable, "-P", "-m", module]


def module_environment() -> dict[str, str]:
    """The environment that `module_command` needs: this process's, with this code before what it has."""
    found = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": found}
