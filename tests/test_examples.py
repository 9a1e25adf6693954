"""The programs under examples/ do what they say, each in a process of its own, on a small set."""

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.events.event import to_json
from pipeline.synthesize.config import SynthesizeConfig
from pipeline.synthesize.run import synthesize
from shards.codecs import Codec
from shards.manifest import load_manifest
from shards.storage import Storage
from tests.helpers.commands import ROOT, TIMEOUT
from tests.helpers.events import peak
from tests.helpers.receivers import receiver
from tests.helpers.shards import make_set, random_frames
from tests.helpers.statuspage import live_event

pytestmark = pytest.mark.slow

FRAMES, CLIPS = 40, 2


def run_example(
    name: str, *arguments: object, folder: Path, ignored: str | None = None, given: str = "", code: int = 0
) -> list[str]:
    """The lines that an example prints when it runs in `folder`; no warning but `ignored` is let pass.

    Args:
        name, arguments: of the example.
        folder: where it runs.
        ignored: a category of warnings.
        given: on standard input.
        code: with which it is to end.
    """
    warnings = ["-W", "error", *(["-W", f"ignore::{ignored}"] if ignored else [])]
    done = subprocess.run(
        [sys.executable, *warnings, str(ROOT / "examples" / name), *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        input=given,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """What train_and_evaluate makes of a drawn set, and what it prints."""
    folder = tmp_path_factory.mktemp("examples")
    config = SynthesizeConfig(
        out=str(folder / "videos"), training_clips=CLIPS, testing_clips=CLIPS, frames=FRAMES
    )
    synthesize(config)
    out = folder / "out"
    return out, run_example("train_and_evaluate.py", folder / "videos", out, 16, 1, folder=folder)


def test_every_example_is_run() -> None:
    source = Path(__file__).read_text()
    examples = [path.name for path in (ROOT / "examples").glob("*.py")]
    assert [name for name in examples if f'run_example("{name}"' not in source] == []


def test_the_stages_are_called_from_python(trained: tuple[Path, list[str]]) -> None:
    out, printed = trained
    windows = CLIPS * (FRAMES - 4)
    assert printed[0].startswith(f"{2 * CLIPS} videos, folder: ")
    assert printed[1].startswith(f"{windows // 4} steps, checkpoint {out}/run/checkpoints/")
    assert printed[2] == f"scores in {out}/evaluation/scores"
    assert printed[3].startswith("AUC ")
    assert pq.read_table(out / "evaluation" / "scores").num_rows == windows


def test_the_most_abnormal_moments_are_listed(trained: tuple[Path, list[str]], tmp_path: Path) -> None:
    out, _ = trained
    printed = run_example("most_abnormal.py", out / "evaluation", 2, folder=tmp_path)
    rows = pq.read_table(out / "evaluation" / "scores").to_pylist()
    top = max(rows, key=lambda row: row["anomaly_score"])
    assert len(printed) == 2
    assert printed[0].startswith(f"{top['video']} frame {top['frame']}: score {top['anomaly_score']:.3f}, ")
    assert printed[0].endswith("abnormal" if top["label"] else " normal")


def test_training_windows_are_streamed(trained: tuple[Path, list[str]], tmp_path: Path) -> None:
    out, _ = trained
    printed = run_example("stream_windows.py", out / "shards", folder=tmp_path)
    steps = CLIPS * (FRAMES - 4) // 4
    expected = [
        f"epoch {epoch}, step {step + 1} of {steps}: (4, 5, 3, 16, 16), loss "
        for epoch in range(2)
        for step in range(steps)
    ]
    assert len(printed) == len(expected)
    assert all(line.startswith(start) for line, start in zip(printed, expected, strict=True))


def test_frigate_is_told_of_an_alarm_that_has_just_begun(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with receiver(200, 500) as frigate:
        home = frigate.url.removesuffix("/events")

        def tell(code: int = 0, **changes: Any) -> None:
            line = to_json(live_event(camera="back yard", start=now, **changes))
            run_example("tell_frigate.py", home, folder=tmp_path, given=line, code=code)

        tell(type="new")
        tell(type="new", code=os.EX_TEMPFAIL)
        assert [path for path, _, _ in frigate.requests] == 2 * ["/api/events/back%20yard/unusual/create"]
        assert json.loads(frigate.requests[0][2])["duration"] > 0
        tell(type="end", end=now)
        tell(type="new", kind="camera_down", peak=None, threshold=None)
        now -= timedelta(hours=1)
        tell(type="new", peak=peak(time=now))
        assert len(frigate.requests) == 2


@pytest.mark.parametrize("codec", [Codec(), Codec(name="deflate"), Codec(name="jpeg", quality=95)], ids=str)
def test_stock_webdataset_reads_every_segment(codec: Codec, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    make_set(shards, {"training": [random_frames(70)], "testing": [random_frames(36)]}, codec=codec)
    # The stock reader leaves closing its files to the garbage collector.
    printed = run_example("read_with_webdataset.py", shards, folder=tmp_path, ignored="ResourceWarning")
    manifest = load_manifest(Storage(shards))
    expected = [
        f"video {video.name} from frame {segment.first}: uint8 ({segment.frames}, 16, 16, 3)"
        for video in manifest.videos
        for shard in video.shards
        for segment in shard.segments
    ]
    assert Counter(printed) == Counter(expected)
