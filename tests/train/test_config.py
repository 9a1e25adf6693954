"""Options of training."""

import math
from typing import Any

import pytest
import torch

from pipeline.errors import ConfigError
from pipeline.preprocess.datasets import DATASETS
from pipeline.train.config import PRESETS, TrainConfig, train_config
from pipeline.train.step import learning_rate


def test_each_method_brings_the_settings_of_the_paper() -> None:
    pred = train_config(shards="s", run="r")
    recon = train_config(shards="s", run="r", method="recon")
    assert (pred.window, pred.lr, pred.loss_compact, pred.loss_separate) == (5, 2e-4, 0.1, 0.1)
    assert (recon.window, recon.lr, recon.loss_compact, recon.loss_separate) == (1, 2e-5, 0.01, 0.01)


def test_what_is_given_wins_over_the_method_and_none_is_not_given() -> None:
    config = train_config(shards="s", run="r", method="recon", lr=1e-3, loss_compact=None)
    assert (config.lr, config.loss_compact) == (1e-3, 0.01)


def test_defaults_of_the_class_are_those_of_its_default_method() -> None:
    assert TrainConfig(shards="s", run="r") == train_config(shards="s", run="r")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("method", "flow"),
        ("precision", "int8"),
        ("device", "tpu"),
        ("bn_init", "zeros"),
        ("memory_init", "zeros"),
        ("average", -1),
        ("window", 1),
        ("epochs", -1),
        ("batch_size", 0),
        ("accumulate", 0),
        ("lr", 0.0),
        ("lr", math.nan),
        ("loss_compact", -0.1),
        ("memory_items", 1),
        ("seed", -1),
        ("seed", 1 << 63),
        ("threads", 0),
        ("cache", "disk"),
        ("keep", 0),
    ],
)
def test_a_broken_rule_names_the_option_and_what_was_found(option: str, value: Any) -> None:
    with pytest.raises(ConfigError) as error:
        train_config(**{"shards": "s", "run": "r", option: value})
    assert f"--{option.replace('_', '-')}: found {value!r}, expected" in str(error.value)


def test_reconstruction_has_windows_of_one_frame() -> None:
    with pytest.raises(ConfigError, match="--window: found 5, expected 1"):
        train_config(shards="s", run="r", method="recon", window=5)


def test_the_learning_rate_is_that_of_cosine_annealing_per_epoch() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=60)
    for epoch in range(60):
        assert learning_rate(2e-4, epoch, 60) == pytest.approx(schedule.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        schedule.step()


def test_a_preset_is_the_papers_training_of_a_dataset_and_can_be_overridden() -> None:
    config = train_config("paper-shanghai-recon", shards="s", run="r", batch_size=8)
    assert (config.method, config.epochs, config.batch_size, config.lr) == ("recon", 10, 8, 2e-5)
    assert config.bn_init == "uniform"


@pytest.mark.parametrize("suffix", ["", "-recon"])
def test_a_preset_has_the_name_of_the_dataset_and_is_taken_by_its_earlier_one(suffix: str) -> None:
    names = {name.removesuffix("-recon").removeprefix("paper-") for name in PRESETS}
    assert names <= {dataset.name for dataset in DATASETS}
    now = train_config(f"paper-shanghaitech{suffix}", shards="s", run="r")
    assert train_config(f"paper-shanghai{suffix}", shards="s", run="r") == now
    assert now.epochs == 10


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="expected one of paper-ped2, paper-ped2-recon"):
        train_config("paper-ped3", shards="s", run="r")
