"""What may pass is tried again; what will not is said at once."""

from types import SimpleNamespace

import pytest

import shards.retry
from shards.errors import StorageError
from shards.retry import PAUSES, RefusedError, retrying


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of them in earnest."""
    made: list[float] = []
    monkeypatch.setattr(shards.retry, "time", SimpleNamespace(sleep=made.append))
    return made


class Failing:
    """Raises the given errors in turn, then returns 7."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return 7


def test_what_works_is_done_once(pauses: list[float]) -> None:
    action = Failing()
    assert (retrying(action, "file"), action.calls, pauses) == (7, 1, [])


def test_failures_that_pass_are_overcome_with_growing_random_pauses(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    action = Failing(*[ConnectionResetError("reset")] * len(PAUSES))
    assert retrying(action, "file") == 7
    assert len(pauses) == len(PAUSES)
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(pauses, PAUSES, strict=True))
    assert "file: reset; trying again" in caplog.text


def test_failures_that_stay_end_in_an_error_without_secrets(pauses: list[float]) -> None:
    action = Failing(*[OSError("cannot\nreach secret")] * 99)
    with pytest.raises(StorageError, match=r"file: failed 6 times, the last time with: cannot reach \*\*\*;"):
        retrying(action, "file", lambda text: text.replace("secret", "***").replace("\n", " "))
    assert action.calls == len(PAUSES) + 1


@pytest.mark.parametrize("error", [RefusedError("no ranges"), PermissionError("denied")])
def test_refusals_are_final(pauses: list[float], error: Exception) -> None:
    action = Failing(error)
    with pytest.raises(StorageError, match=f"file: {error}; check the location and credentials"):
        retrying(action, "file")
    assert (action.calls, pauses) == (1, [])


@pytest.mark.parametrize("error", [FileNotFoundError("gone"), ValueError("a bug")])
def test_what_is_missing_and_what_is_a_bug_passes_through(pauses: list[float], error: Exception) -> None:
    with pytest.raises(type(error)):
        retrying(Failing(error), "file")
    assert pauses == []
