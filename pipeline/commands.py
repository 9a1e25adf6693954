"""Commands as separate processes: how a stage uses another without importing it."""

import os
import subprocess
import sys
from pathlib import Path

from pipeline.errors import CommandError
from shards.locations import shown

_LAUNCHED = ("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
"""What torchrun tells a process of a group; a command started from one is alone."""


def run_command(*arguments: str) -> None:
    """Run a command of this program, `run_command("evaluate", shards, run)`, to its end.

    What it prints is seen.

    Raises:
        CommandError: it failed.
    """
    root = str(Path(__file__).parent.parent)
    environment = {name: value for name, value in os.environ.items() if name not in _LAUNCHED}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    code = subprocess.run([sys.executable, "-m", "cli", *arguments], env=environment, check=False).returncode
    if code:
        raise CommandError(f"{' '.join(map(shown, arguments))}: exit code {code}; its own message says why")
