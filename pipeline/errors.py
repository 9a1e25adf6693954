"""Errors that are the user's to mend: one line naming file, found, expected and remedy.

    Exception
    +- UserError             exit code 1
    |  +- ConfigError        exit code 2: options that contradict each other or reality
    |  +- SourceError        a dataset, video or label file that cannot be used
    |  +- CheckpointError    a checkpoint that cannot be used
    |  +- CalibrationError   a calibration that cannot be used, or cannot be made of what there is
    |  +- TrainingError      training that cannot go on
    |  +- CommandError       a command that a stage started failed
    |  +- PeerError          another process failed, and says why
    |  +- LostContactError   another process is gone without a word
    |  +- BusyError          another process works in the same folder
    |  +- ReportError        an evaluation that cannot be shown, or whose files contradict each other
    |  +- OutputError        standard output that cannot be written
    +- shards.ShardError     exit code 1
       +- CorruptShardError
       +- StorageError       a location that cannot be read or written

The command line prints these as one line; of several processes that fail alike, one does. So it does with an
OSError and a MemoryError that nothing closer has put into words. Anything else is a programming error and
keeps its traceback.
"""

from shards.errors import CorruptShardError, ShardError

__all__ = [
    "BusyError",
    "CalibrationError",
    "CheckpointError",
    "CommandError",
    "ConfigError",
    "CorruptShardError",
    "LostContactError",
    "OutputError",
    "PeerError",
    "ReportError",
    "ShardError",
    "SourceError",
    "TrainingError",
    "UserError",
    "missing_package",
]


class UserError(Exception):
    """Base of all errors that the user can mend."""

    exit_code = 1


class ConfigError(UserError):
    """Options that contradict each other or reality."""

    exit_code = 2


class SourceError(UserError):
    """A dataset, video or label file that cannot be used."""


class CheckpointError(UserError):
    """A checkpoint that cannot be used."""


class CalibrationError(UserError):
    """A calibration that cannot be used, or cannot be made of what there is."""


class TrainingError(UserError):
    """Training that cannot go on."""


class PeerError(UserError):
    """Work that all processes do together failed in another one, which says why.

    Args:
        message: for who calls a stage; the command line is silent.
        exit_code: of the other process.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class LostContactError(UserError):
    """Another process is gone without a word."""


class CommandError(UserError):
    """A command that a stage started as a process of its own failed."""


class BusyError(UserError):
    """Another process works in the same folder."""


class ReportError(UserError):
    """An evaluation that cannot be shown, or whose files contradict each other."""


class OutputError(UserError):
    """Standard output that cannot be written."""


def missing_package(asked: str, package: str, extra: str) -> ConfigError:
    """What is raised where something is asked for whose package, of an optional extra, is not installed."""
    return ConfigError(
        f"{asked}: found no package {package}, expected it; install it: pip install 'mnad[{extra}]'"
    )
