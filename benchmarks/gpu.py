"""Everything that only a GPU can show, in one command.

    python benchmarks/gpu.py PED2 [--out artifacts/gpu] [--size 256] [--epochs 60] [--only tests,step]

PED2 is a folder that `preprocess` reads, with frame labels. Each part runs as a process of its own within its
own time limit; what one of them fails at does not stop the others. Results are printed, and written as
gpu.json and gpu.md after each part; results of other parts that are there already, of the same machine, stay.
`--device cpu` tries the script itself where there is no GPU, best with a small `--size`. Packages that the
machine lacks are taken out of wheels/, where `make gpu-wheels` has put them.

tests     tests that need a CUDA device, and how far they find scores from the published implementation's
step      training samples/s and peak memory by batch, eager and compiled; share of the card's matrix peak
stream    windows/s out of shards onto the device, and training samples/s end to end
paper     PED2 at full size: preprocess, the paper's training, evaluation; times and AUC
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from gpu_wheels import WHEELS, unpacked

ROOT = Path(__file__).parents[1]
LIMITS = {"tests": 300, "step": 600, "stream": 300, "paper": 1500}
"""Seconds that each part may take."""


def run_part(name: str, options: str, environment: dict[str, str]) -> dict[str, Any]:
    """One part in a process of its own.

    Args:
        name: of the part.
        options: for it, as JSON.
        environment: of the process.
    """
    try:
        done = subprocess.run(
            [sys.executable, ROOT / "benchmarks/gpu_parts.py", name, options],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=LIMITS[name],
            check=True,
        )
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"failed": f"not done in {LIMITS[name]} s"}
    except subprocess.CalledProcessError as error:
        return {"failed": f"exit code {error.returncode}"}
    return result


def rows(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Nested results as rows of a table."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from rows(f"{prefix} · {key}" if prefix else key, inner)
    else:
        yield prefix, f"{value:.4g}" if isinstance(value, float) else str(value)


def write(results: dict[str, Any], out: Path) -> None:
    """Results as gpu.json and as a table, gpu.md."""
    (out / "gpu.json").write_text(json.dumps(results, indent=1) + "\n")
    table = ["| what | result |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows("", results))]
    (out / "gpu.md").write_text("\n".join(table) + "\n")


def main() -> None:
    """Run all parts, or those that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("ped2", type=lambda name: Path(name).absolute())
    parser.add_argument("--out", type=Path, default=ROOT / "artifacts/gpu")
    parser.add_argument("--wheels", type=Path, default=WHEELS)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 8, 16, 32, 64])
    parser.add_argument("--only", default=",".join(LIMITS))
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    machine = {"device": name, "torch": torch.__version__}
    arguments.out.mkdir(parents=True, exist_ok=True)
    kept = arguments.out / "gpu.json"
    results: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    if {key: results.get(key) for key in machine} != machine:
        results = machine  # of another machine: not to be mixed
    options = json.dumps(vars(arguments), default=str)
    with unpacked(arguments.wheels) as environment:
        environment["PYTHONPATH"] += f"{os.pathsep}{ROOT}"  # where the project is not installed
        for part in arguments.only.split(","):
            started = time.perf_counter()
            results[part] = run_part(part, options, environment)
            print(f"{part}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
            write(results, arguments.out)
    print((arguments.out / "gpu.md").read_text(), end="")
    if any("failed" in results[part] for part in arguments.only.split(",")):
        sys.exit(1)


if __name__ == "__main__":
    main()
