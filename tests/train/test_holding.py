"""What a run keeps aside is chosen once, recorded, and never trained on."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import cli
from pipeline.errors import CheckpointError, ConfigError
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.runs.header import Header, read_header
from pipeline.runs.layout import model_name
from pipeline.runs.trainedon import held_out_of
from pipeline.train.config import PRESETS, TrainConfig, train_config
from pipeline.train.holding import Holding, holding
from pipeline.train.run import train
from shards.codecs import Codec
from shards.entries import Geometry, Video
from shards.holdout import HeldOut
from shards.manifest import Manifest, load_manifest, write_manifest
from shards.rows import Videos
from shards.storage import Storage
from tests.helpers.commands import command, metrics, run
from tests.helpers.shards import make_set, smooth_frames


def clips(count: int, frames: int = 14) -> list[np.ndarray]:
    return [smooth_frames(frames, (16, 16), seed=seed) for seed in range(count)]


def config(folder: Path, **options: Any) -> TrainConfig:
    given = {"shards": str(folder / "shards"), "run": str(folder / "run"), "epochs": 1, "threads": 1}
    return train_config(**{**given, "precision": "fp32", **options})


def header(folder: Path, step: int = 0) -> Header:
    return read_header(Storage(folder / "run"), model_name(step), "x")


def give_rates(folder: Path, *rates: float | None) -> Manifest:
    """Write rates into the facts of a set's training videos, as `preprocess --rate` does."""
    storage = Storage(folder / "shards")
    manifest = load_manifest(storage)
    videos = [
        dataclasses.replace(video, source=video.source | {"rate": rate})
        for video, rate in zip(manifest.videos, rates, strict=True)
    ]
    return write_manifest(storage, dataclasses.replace(manifest, videos=Videos.of(videos)))


def holding_of(
    folder: Path,
    frames: list[int],
    dataset: str = "folder",
    rates: list[float | None] | None = None,
    **options: Any,
) -> Holding:
    """What a run in a folder would keep aside of videos of these lengths."""
    videos = tuple(
        Video(name=f"{number:02d}", split="training", frames=count, source={"rate": rate}, shards=())
        for number, (count, rate) in enumerate(zip(frames, rates or [10.0] * len(frames), strict=True))
    )
    manifest = Manifest(
        dataset=dataset,
        geometry=Geometry(height=16, width=16),
        codec=Codec(),
        window=5,
        videos=Videos.of(videos),
    )
    return holding(config(folder, **options), Storage(folder / "run"), manifest, videos)


@pytest.mark.parametrize(
    ("dataset", "frames", "options", "share"),
    [
        ("folder", [100] * 5, {}, 0.2),
        ("folder", [500], {}, 0.2),
        ("folder", [99] * 5, {}, 0.0),
        *((name, [200] * 16, {}, 0.0) for name in ("ped1", "ped2", "avenue", "shanghaitech")),
        ("ped2", [200] * 16, {"hold_out": 0.1}, 0.1),
        ("folder", [10] * 5, {"hold_out": 0.4}, 0.4),
        ("folder", [100] * 5, {"hold_out": 0}, 0.0),
        *(("folder", [100] * 5, {"preset": name}, 0.0) for name in PRESETS),
        ("folder", [100] * 5, {"preset": "paper-ped2", "hold_out": 0.2}, 0.2),
    ],
)
def test_a_fifth_of_ones_own_video_is_kept_aside_and_nothing_of_the_public_sets(
    dataset: str, frames: list[int], options: dict[str, Any], share: float, tmp_path: Path
) -> None:
    found = holding_of(tmp_path, frames, dataset, **options)
    assert found.share == share
    assert bool(found.held_out) == (share > 0)


@pytest.mark.parametrize(
    ("frames", "rates", "options", "notes"),
    [
        (
            [100] * 10,
            [10.0] * 10,
            {},
            [
                "--hold-out auto, which is 0.2 here: kept aside 2 of 10 training videos, 200 of 1000 frames: "
                "02, 09"
            ],
        ),
        (
            [10_000],
            [10.0],
            {"hold_out": 0.1},
            [
                "--hold-out 0.1: kept aside the end of 1 of 1 training videos, 1000 of 10000 frames, "
                "after a gap of 50 s"
            ],
        ),
        (
            [10_000, 400],
            [10.0, 30.0],
            {"hold_out": 0.2},
            [
                "--hold-out 0.2: kept aside the end of 2 of 2 training videos, 2080 of 10400 frames, "
                "after gaps of 40 to 600 frames",
                "no frame rate is recorded: the training videos run at 10 to 30 frames per second, more than "
                "10% apart",
            ],
        ),
        (
            [40],
            [None],
            {},
            [
                "--hold-out auto, which is 0 here: nothing is kept aside",
                "no frame rate is recorded: 1 of 1 training videos have none, such as 00; preprocess --rate "
                "gives one to folders of images",
            ],
        ),
        (
            [9],
            [25.0],
            {"hold_out": 0.5},
            ["--hold-out 0.5: nothing is kept aside, for every video is too short"],
        ),
        (
            [100] * 40,
            [10.0] * 40,
            {},
            [
                "--hold-out auto, which is 0.2 here: kept aside 8 of 40 training videos, 800 of 4000 frames: "
                "04, 07, 09, 11, 13 and 3 more"
            ],
        ),
    ],
)
def test_a_line_says_what_was_chosen(
    frames: list[int],
    rates: list[float | None],
    options: dict[str, Any],
    notes: list[str],
    tmp_path: Path,
) -> None:
    assert holding_of(tmp_path, frames, rates=rates, **options).notes == notes


def test_the_rate_is_that_of_the_videos_that_are_trained_on(tmp_path: Path) -> None:
    aside = holding_of(tmp_path, [100] * 10).held_out
    rates: list[float | None] = [
        30.0 if f"{n:02d}" in {part.video for part in aside} else 10.0 for n in range(10)
    ]
    found = holding_of(tmp_path, [100] * 10, rates=rates)
    assert found.held_out == aside
    assert found.rate == 10.0


def test_a_run_records_what_it_keeps_aside_and_the_rate(tmp_path: Path) -> None:
    make_set(tmp_path / "shards", {"training": clips(5)})
    give_rates(tmp_path, *[12.5] * 5)
    train(config(tmp_path, epochs=0, hold_out=0.2))
    found = header(tmp_path)
    assert len(found.held_out) == 2
    assert {(part.start, part.end, part.gap) for part in found.held_out} == {(0, 14, 0)}
    assert found.rate == 12.5
    assert found.origin["options"]["hold_out"] == 0.2
    assert held_out_of(load_checkpoint(str(tmp_path / "run")).origin) == found.held_out


def test_training_is_that_of_a_set_without_the_videos_kept_aside(tmp_path: Path) -> None:
    frames = clips(6)
    make_set(tmp_path / "shards", {"training": frames})
    options = {"hold_out": 0.3, "batch_size": 3, "epochs": 2, "log_every": 1}
    train(config(tmp_path, **options))
    aside = {int(part.video) - 1 for part in header(tmp_path, 26).held_out}
    assert len(aside) == 2
    rest = [clip for number, clip in enumerate(frames) if number not in aside]
    make_set(tmp_path / "alone/shards", {"training": rest})
    train(config(tmp_path / "alone", **options | {"hold_out": 0}))
    with_all, without = (load_checkpoint(str(folder / "run")) for folder in (tmp_path, tmp_path / "alone"))
    assert with_all.step == without.step == 26
    assert all(torch.equal(with_all.tensors[name], without.tensors[name]) for name in with_all.tensors)
    losses = [
        [(line["step"], line["total"]) for line in metrics(folder / "run")]
        for folder in (tmp_path, tmp_path / "alone")
    ]
    assert losses[0] == losses[1]


def test_a_run_goes_on_with_what_it_keeps_aside_and_with_nothing_else(tmp_path: Path) -> None:
    make_set(tmp_path / "shards", {"training": clips(5)})
    train(config(tmp_path, epochs=0, hold_out=0.4))
    before = header(tmp_path).held_out
    train(config(tmp_path, epochs=0))  # auto, which of so few frames would be nothing
    train(config(tmp_path, epochs=0, hold_out=0.4))
    assert header(tmp_path).held_out == before
    for share in (0, 0.2):
        with pytest.raises(CheckpointError, match=rf"--hold-out: found 0\.4, expected {share}") as error:
            train(config(tmp_path, epochs=0, hold_out=share))
        assert "kept aside" not in str(error.value), "which follows from it"


def as_before(folder: Path) -> None:
    """Make a run of no steps one of a version that could keep nothing aside."""
    run = Storage(folder / "run")
    checkpoint = load_checkpoint(str(folder / "run"))
    options = {name: value for name, value in checkpoint.origin["options"].items() if name != "hold_out"}
    data = {k: v for k, v in checkpoint.origin["data"].items() if k not in ("held_out", "rate")}
    origin = {**checkpoint.origin, "options": options, "data": data}
    run.write(model_name(0), dataclasses.replace(checkpoint, origin=origin).to_bytes())
    lines = (folder / "run/config.toml").read_text().splitlines(keepends=True)
    (folder / "run/config.toml").write_text("".join(line for line in lines if "hold_out" not in line))


def test_a_run_of_before_goes_on_and_keeps_nothing_aside(tmp_path: Path) -> None:
    make_set(tmp_path / "shards", {"training": clips(5, frames=104)})
    train(config(tmp_path, epochs=0, hold_out=0))
    as_before(tmp_path)
    assert header(tmp_path).held_out == ()
    with pytest.raises(CheckpointError, match=r"--hold-out: found 0\.0, expected 0\.2"):
        train(config(tmp_path, epochs=0, hold_out=0.2))
    train(config(tmp_path, epochs=0))  # of a new run, auto would be a fifth of these 520 frames
    train(config(tmp_path / "new", shards=str(tmp_path / "shards"), epochs=0))
    assert len(header(tmp_path / "new").held_out) == 2
    assert load_checkpoint(str(tmp_path / "run")).step == 0
    assert "hold_out = 0.0" in (tmp_path / "run/config.toml").read_text()


def test_another_gap_is_another_training(tmp_path: Path) -> None:
    make_set(tmp_path / "shards", {"training": clips(1, frames=60)})
    train(config(tmp_path, epochs=0, hold_out=0.4))
    assert header(tmp_path).held_out == (HeldOut(video="01", start=36, end=60, gap=12),)
    assert header(tmp_path).rate is None
    give_rates(tmp_path, 0.1)
    message = (
        r"frames kept aside: found \['01 36:60 after a gap of 12'\], "
        r"expected \['01 36:60 after a gap of 6'\]"
    )
    with pytest.raises(CheckpointError, match=message):
        train(config(tmp_path, epochs=0))


def test_a_share_that_cannot_be_read_back_is_named(tmp_path: Path) -> None:
    make_set(tmp_path / "shards", {"training": clips(5)})
    train(config(tmp_path, epochs=0))
    file = tmp_path / "run/config.toml"
    file.write_text(file.read_text().replace("hold_out = 0.0", 'hold_out = "auto"'))
    with pytest.raises(
        ConfigError, match=r"run/config.toml: found hold_out 'auto', expected auto, or a share"
    ):
        train(config(tmp_path, epochs=0))
    train(config(tmp_path, epochs=0, hold_out=0))


@pytest.mark.parametrize("given", [-0.1, 0.6, "half", "nan", True, None, 10**400])
def test_what_is_no_share_is_refused(given: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"--hold-out: found .*, expected auto, or a share of the frames from"
    ):
        TrainConfig(shards="a", run="b", hold_out=given)


def test_too_much_kept_aside_is_an_error_with_its_remedy(tmp_path: Path) -> None:
    make_set(tmp_path / "shards", {"training": clips(2)})
    message = (
        r"found 2 training windows of 5 frames, expected at least 8, .*; lower --batch-size or --hold-out"
    )
    with pytest.raises(ConfigError, match=message):
        train(config(tmp_path, hold_out=0.4, batch_size=8))
    assert not (tmp_path / "run").exists()


@pytest.mark.ddp
@pytest.mark.slow
def test_two_processes_keep_the_same_aside_and_say_it_once(tmp_path: Path) -> None:
    make_set(tmp_path / "shards", {"training": clips(6)})
    train(config(tmp_path, epochs=0, hold_out=0.3))
    words = ("train", tmp_path / "shards", tmp_path / "two/run", "--batch-size", 2, "--hold-out", 0.3)
    done = run(command(*words, "--epochs", 1, processes=2))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("kept aside 2 of 6 training videos") == 1
    assert header(tmp_path / "two", 10).held_out == header(tmp_path).held_out


def test_the_command_says_it_and_inspect_shows_it(tmp_path: Path) -> None:
    make_set(tmp_path / "shards", {"training": clips(5)})
    give_rates(tmp_path, *[15.0] * 5)
    words = ["train", str(tmp_path / "shards"), str(tmp_path / "run"), "--epochs", "0", "--hold-out", "0.2"]
    result = CliRunner().invoke(cli.main, words)
    assert result.exit_code == 0, result.output
    names = [part.video for part in header(tmp_path).held_out]
    line = f"--hold-out 0.2: kept aside 2 of 5 training videos, 28 of 70 frames: {', '.join(names)}\n"
    assert result.stderr.startswith(line)
    shown = CliRunner().invoke(cli.main, ["inspect", str(tmp_path / "run")])
    assert shown.exit_code == 0, shown.output
    assert "16x16 BGR, 15 per second" in shown.stdout
    assert "kept aside from training" in shown.stdout
    assert all(f"│ {name} " in shown.stdout for name in names)
    assert shown.stdout.count("0 to 13") == 2


def test_the_range_of_16_bit_images_is_that_of_the_videos_that_are_trained_on() -> None:
    videos = [
        Video(name=name, split="training", frames=9, shards=(), source={"depth": {"range": [7, 9 + more]}})
        for more, name in enumerate("ab")
    ]
    aside = (HeldOut(video="b", start=0, end=9),)
    assert Holding(asked=0.5, share=0.5, videos=videos, held_out=aside).depth == (7, 9)
    assert Holding(asked=0.0, share=0.0, videos=videos, held_out=()).depth == "several"
