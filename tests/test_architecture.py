"""Who may import whom, and which module owns which dependency."""

import ast
import functools
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path.relative_to(ROOT).as_posix()
    for top in ("mnad", "shards", "pipeline", "cli.py")
    for path in ([ROOT / top] if top.endswith(".py") else (ROOT / top).rglob("*.py"))
)

SCRIPTS = ("benchmarks", "studies")
STAGES = {
    "synthesize",
    "preprocess",
    "train",
    "calibrate",
    "evaluate",
    "score",
    "watch",
    "export",
    "sweep",
    "import_reference",
    "inspect",
}
ROOMS = {"processes", "terminal", "runs", "video", "scoring", "report", "events", "runtimes"}
"""What several stages use; a room imports no stage, and other rooms only."""
PARTS = {"preprocess": ("sources", "datasets", "labels"), "events": ("sinks",), "watch": ("web",)}
"""Folders inside a stage or room; each imports those before it, and none that come after."""

OWNERS = {
    "blake3": ("shards/digests.py",),
    "av": ("pipeline/video/",),
    "decord": ("pipeline/video/",),
    "PIL": ("pipeline/video/imageheaders.py", "pipeline/video/lettering.py"),
    "click": ("cli.py", "pipeline/terminal/"),
    "cv2": ("shards/opencv.py",),
    "webdataset": ("shards/verify.py",),
    "pyarrow": ("shards/bucket.py", "shards/tables.py", "pipeline/scoring/"),
    "sklearn": ("pipeline/scoring/curves.py",),
    "matplotlib": ("pipeline/report/plots.py",),
    "safetensors": ("pipeline/runs/checkpoint.py",),
    "onnx": ("pipeline/runtimes/with_onnx.py",),
    "onnxruntime": ("pipeline/runtimes/with_onnx.py", "pipeline/scoring/onnxruns.py"),
    "onnxscript": ("pipeline/runtimes/with_onnx.py",),
    "openvino": ("pipeline/runtimes/silent.py",),
    "nncf": ("pipeline/export/quantising.py",),
    "torch.export": ("pipeline/runtimes/",),
    "distributed": ("pipeline/preprocess/dask_engine.py",),
    "urllib3": ("shards/http.py", "shards/connections.py", "pipeline/events/sinks/webhook.py"),
    "aiohttp": ("pipeline/watch/web/",),
    "paho": ("pipeline/events/sinks/mqtt.py",),
    "torch.utils.tensorboard": ("pipeline/train/board.py",),
    "rich": ("pipeline/terminal/progress.py", "pipeline/terminal/tables.py"),
    "torch.distributed": ("pipeline/processes/distributed.py",),
    "torch.nn.parallel": ("pipeline/processes/distributed.py",),
}
"""Where a dependency may be imported: files, or folders that end in a slash."""


@functools.cache
def imports(source: str) -> frozenset[str]:
    """Full names of the modules that a source file imports, `from a import b` as `a.b`, and those that it
    imports by name, `import_module("a")`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / source).read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}: relative import"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found.update(str(arg.value) for arg in node.args if isinstance(arg, ast.Constant))
    return frozenset(found)


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


@pytest.mark.parametrize("source", [s for s in SOURCES if s.startswith("mnad/")])
def test_the_method_imports_only_torch_and_numpy(source: str) -> None:
    standard = ("bisect", "copy", "dataclasses", "typing", "collections", "itertools", "math")
    allowed = ("torch", "numpy", "mnad", *standard)
    assert [name for name in imports(source) if not any(is_in(name, a) for a in allowed)] == []


@pytest.mark.parametrize("source", [s for s in SOURCES if s.startswith("shards/")])
def test_shards_know_nothing_of_method_and_stages(source: str) -> None:
    assert [n for n in imports(source) if any(is_in(n, up) for up in ("mnad", "pipeline", "cli"))] == []


FACES = ("cli.py", "pipeline/api.py")
"""What a person or a program uses; they import stages, and nobody imports them."""


@pytest.mark.parametrize("source", [s for s in SOURCES if s.startswith("pipeline/") and s not in FACES])
def test_stages_never_import_one_another_nor_the_command_line(source: str) -> None:
    parts = source.split("/")
    own = parts[1] if len(parts) > 2 else None
    forbidden = ["cli", "pipeline.api", *(f"pipeline.{stage}" for stage in STAGES if stage != own)]
    assert [n for n in imports(source) if any(is_in(n, name) for name in forbidden)] == []


def test_each_folder_of_the_pipeline_is_a_stage_or_a_shared_room() -> None:
    folders = {path.parent.relative_to(ROOT / "pipeline") for path in (ROOT / "pipeline").rglob("*.py")}
    parts = {f"{stage}/{part}" for stage, within in PARTS.items() for part in within}
    assert {folder.as_posix() for folder in folders} - {"."} == STAGES | ROOMS | parts


@pytest.mark.parametrize("source", [s for s in SOURCES if s.count("/") == 3])
def test_the_parts_of_a_stage_import_those_before_them_alone(source: str) -> None:
    _, stage, part, _ = source.split("/")
    own = [f"pipeline.{stage}.{name}" for name in PARTS[stage]]
    later = own[own.index(f"pipeline.{stage}.{part}") + 1 :]
    assert [name for name in imports(source) if any(is_in(name, package) for package in later)] == []


@pytest.mark.parametrize("source", SOURCES)
def test_each_dependency_is_imported_by_its_owner_alone(source: str) -> None:
    foreign = [
        (name, dependency)
        for name in imports(source)
        for dependency, owners in OWNERS.items()
        if is_in(name, dependency)
        and not any(source == o or (o.endswith("/") and source.startswith(o)) for o in owners)
    ]
    assert foreign == []
    ours = ("torch", "numpy", "mnad", "shards", "pipeline", "cli", *sys.stdlib_module_names, *OWNERS)
    assert [name for name in imports(source) if not any(is_in(name, known) for known in ours)] == []


@pytest.mark.parametrize("dependency", OWNERS)
def test_each_owner_needs_what_it_owns(dependency: str) -> None:
    owners = OWNERS[dependency]
    users = [source for source in SOURCES if any(is_in(name, dependency) for name in imports(source))]
    assert [owner for owner in owners if not any(user.startswith(owner) for user in users)] == []


@pytest.mark.parametrize(
    "script", [path.relative_to(ROOT).as_posix() for top in SCRIPTS for path in (ROOT / top).glob("*.py")]
)
def test_benchmarks_and_studies_stand_on_their_own_feet(script: str) -> None:
    assert [name for name in imports(script) if is_in(name, "tests")] == []
    assert "sys.path" not in (ROOT / script).read_text()
