"""Secrets of the environment in options: `${NAME}` stands for what the variable NAME holds.

Options keep the text with the names, so that files and messages never hold what they stand for.
"""

import os
import re

from pipeline.errors import ConfigError

_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def revealed(text: str, what: str) -> str:
    """A text with what its names stand for; for whoever opens it, and nobody else.

    Args:
        text: of an option.
        what: the option, for the message.

    Raises:
        ConfigError: a variable is not there.
    """

    def value(found: re.Match[str]) -> str:
        held = os.environ.get(found[1])
        if not held:
            raise ConfigError(
                f"{what}: found no variable {found[1]} in the environment, expected one; set it, for "
                f"${{{found[1]}}} stands for it"
            )
        return held

    return _NAME.sub(value, text)


def is_name(text: str) -> bool:
    """Whether a text is one `${NAME}` and nothing else."""
    return _NAME.fullmatch(text) is not None
