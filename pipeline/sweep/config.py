"""Options of a sweep."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from pipeline.config import DEVICE, Device
from pipeline.errors import ConfigError
from pipeline.options import Argument, Custom, Option, check, described, wrong


def _parse_seeds(given: Any) -> tuple[int, ...]:
    """Seeds from `5` (0 to 4), `0,3,7`, `5,` (5 alone), 5 or [0, 3, 7]."""
    if isinstance(given, list | tuple):
        return tuple(int(seed) for seed in given)
    text = str(given)
    numbers = [int(part) for part in text.removesuffix(",").split(",")]
    return tuple(numbers) if "," in text else tuple(range(numbers[0]))


SEEDS = Custom(
    notation="N or LIST",
    parse=_parse_seeds,
    expected="a number of seeds or a list 0,3,7",
    show=lambda seeds: ",".join(map(str, seeds)),
)
"""How --seeds is written."""


GIVEN = {"--seed": "--seeds", "--device": "--device", "--shards": "SHARDS", "--run": "OUT"}
"""What the sweep gives each training itself, and what of the sweep it comes from."""


@described
@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """One sweep."""

    shards: Annotated[str, Argument("SHARDS", "The shard set to train on and to evaluate on.")]
    out: Annotated[str, Argument("OUT", "The folder of the sweep; the run of seed N is OUT/seed-N.")]
    train_options: Annotated[
        tuple[str, ...],
        Argument(
            "[TRAIN OPTIONS]",
            "Options for each training, such as --epochs 8.",
            is_many=True,
            is_passed_on=True,
        ),
    ] = ()
    seeds: Annotated[
        tuple[int, ...],
        Option(
            "How many seeds are run, counted from 0, or a list such as 0,3,7 (a single seed as '5,').",
            "Runs",
            custom=SEEDS,
        ),
    ] = (0, 1, 2, 3, 4)

    device: Annotated[Device, replace(DEVICE, heading="Runs")] = "auto"

    def __post_init__(self) -> None:
        check(self)
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise wrong(self, "seeds", "different numbers, each at least 0")
        for option in self.train_options:
            name = option.partition("=")[0]
            if name in GIVEN:
                raise ConfigError(
                    f"{name}: found among the options of train, expected {GIVEN[name]} of the sweep"
                )
