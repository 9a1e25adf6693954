"""The pages that describe the code name what is there: modules, packages, imports, owners of dependencies."""

import re
from pathlib import Path

import pytest

from tests.test_architecture import OWNERS, ROOMS, ROOT, SOURCES, STAGES, imports

PAGE = ROOT / "docs" / "architecture.md"
PAGES = [PAGE, ROOT / "CONTRIBUTING.md", ROOT / "README.md", ROOT / "docs" / "security.md"]
TOP = {path.name for path in ROOT.iterdir()}


def quoted(text: str) -> list[str]:
    """What stands in backticks, in the order of the text."""
    return re.findall(r"`([^`\n]+)`", text)


def paths(text: str) -> list[str]:
    """Paths into the source tree: in backticks, and those of packages also in drawings."""
    in_backticks = [name for name in quoted(text) if "/" in name and name.split("/")[0] in TOP]
    return in_backticks + re.findall(r"(?<![\w/.])(?:pipeline|shards|mnad)/[\w/.]*\w", text)


def rows(first: str) -> list[list[str]]:
    """The rows of the page's tables whose first column is called `first`, as cells."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", PAGE.read_text(), re.M):
        header, _, *lines = [[cell.strip() for cell in line[1:-1].split("|")] for line in block.splitlines()]
        if header[0] == first:
            found += lines
    assert found, f"no table starts with the column {first}"
    return found


def imported(name: str) -> set[str]:
    """The packages of this project that a shared package of the pipeline imports, itself left out."""
    modules = [m.split(".") for s in SOURCES if s.startswith(f"pipeline/{name}/") for m in imports(s)]
    shared = {f"pipeline/{m[1]}/" for m in modules if m[0] == "pipeline" and m[1] in ROOMS - {name}}
    return shared | {f"{m[0]}/" for m in modules if m[0] in ("shards", "mnad")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    named = paths(page.read_text())
    assert named
    assert [path for path in named if not any(ROOT.glob(path))] == []


def test_the_page_lists_every_stage() -> None:
    assert sorted(row[0] for row in rows("stage")) == sorted(f"`pipeline/{name}/`" for name in STAGES)


def test_the_page_lists_every_shared_package_and_what_it_may_import() -> None:
    listed = {row[0]: set(quoted(row[2])) for row in rows("shared package")}
    assert listed.keys() == {f"`pipeline/{name}/`" for name in ROOMS}
    more = {name: imported(name) - listed[f"`pipeline/{name}/`"] for name in ROOMS}
    assert not any(more.values()), more


def test_the_page_lists_the_modules_that_belong_to_the_whole_pipeline() -> None:
    modules = {path.name for path in (ROOT / "pipeline").glob("*.py")} - {"__init__.py"}
    assert {row[0].strip("`").removeprefix("pipeline/") for row in rows("shared module")} == modules


def test_the_drawing_shows_every_stage_and_shared_package() -> None:
    drawing = PAGE.read_text().split("```")[1]
    assert [name for name in STAGES | ROOMS if not re.search(rf"\b{name}\b", drawing)] == []


def test_the_page_names_the_owner_of_each_dependency() -> None:
    listed = {row[0].strip("`"): tuple(quoted(row[1])) for row in rows("dependency")}
    assert listed == OWNERS
