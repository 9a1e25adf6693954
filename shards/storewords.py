"""What the errors of object stores mean, and how much of their text may be shown."""

import re

_REFUSALS = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "INVALID_SIGNATURE", "SIGNATURE_DOES_NOT_MATCH")
"""Errors of object stores about who asks; the last is what a wrong secret gets where an answer has a body."""

_REASONS = (
    r"AWS Error [A-Z_]+(?: \(HTTP status \d+\))?(?: during \w+ operation)?|HTTP status \d+"
    r"|no whole answer within \d+ s|an answer of more than \d+ MiB"
    r"|curlCode: \d+(?:, [A-Za-z' ]+)?|(?<=Status\()[A-Z_]+"
)
"""What of an error's text is shown: codes of the stores' and libcurl's own, and what this project says."""


def is_final(message: str) -> bool:
    """Whether an object store's error stays the same however often it is asked."""
    status = re.search(r"HTTP status (\d+)", message)
    if status:
        return status[1].startswith("4") and status[1] not in ("408", "425", "429")
    return bool(re.search(rf"AWS Error ({'|'.join(_REFUSALS)})", message))


def reason(message: str) -> str:
    """What is known of an object store's error; the rest of its text may quote addresses and keys."""
    found = [match[0] for match in re.finditer(_REASONS, message)]
    return ", ".join(found) or "the store does not answer as it should"
