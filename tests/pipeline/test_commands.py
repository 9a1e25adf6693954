"""Commands run by commands."""

import subprocess
import sys

import pytest

from pipeline.processes.children import module_environment
from tests.helpers.commands import TIMEOUT

# In a process of its own: an interrupt that goes astray would end the one that runs the tests.
CODE = """
import signal, subprocess
from pipeline.errors import CommandError
from pipeline.processes.commands import run_command

signal.signal(signal.SIGINT, signal.default_int_handler)

class Child:
    def __init__(self, *_, **__):
        pass

    def send_signal(self, number):
        print("passed on", signal.Signals(number).name)

    def wait(self):
        signal.raise_signal(signal.SIGINT)
        return {code}

subprocess.Popen = Child
try:
    run_command("evaluate", "SET")
except KeyboardInterrupt:
    print("stopped")
except CommandError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("code", "prints"),
    [
        pytest.param("0", "stopped", id="who ends well is followed by what was to stop"),
        pytest.param("-signal.SIGKILL", "evaluate SET: ended by SIGKILL", id="who was killed is said to be"),
    ],
)
def test_who_is_stopped_while_a_command_runs_passes_it_on_and_stops_after_it(code: str, prints: str) -> None:
    words = [sys.executable, "-P", "-c", CODE.replace("{code}", code)]
    done = subprocess.run(words, env=module_environment(), capture_output=True, text=True, timeout=TIMEOUT)
    assert done.stdout == f"passed on SIGINT\n{prints}\n", done.stderr
