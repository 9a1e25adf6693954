"""Pages in a real browser, which tests start and end."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

SCREENSHOTS = Path(__file__).parents[2] / "artifacts" / "screenshots"
_CHROMIUM = shutil.which("chromium")


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A running browser; without one on this machine the test is skipped."""
    if _CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


def opened(browser: Any, path: Path, *, width: int, scheme: str, **options: Any) -> tuple[Page, list[str]]:
    """A page of a file, and what the browser complains about, requests to a network included."""
    size = {"width": width, "height": 850}
    page = browser.new_context(viewport=size, color_scheme=scheme, **options).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if "http" in request.url[:5] else None)
    page.goto(path.as_uri())
    return page, complaints
