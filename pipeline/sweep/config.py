"""Options of a sweep."""

from dataclasses import dataclass

from pipeline.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """One sweep.

    Attributes:
        shards: the set to train on and to evaluate on.
        out: a folder; the run of seed N is its `seed-N`.
        seeds: of the runs.
        train_options: given to each `train`, such as `--epochs 8`.
    """

    shards: str
    out: str
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    train_options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            found = ",".join(map(str, self.seeds))
            raise ConfigError(f"--seeds: found {found!r}, expected different numbers, each at least 0")
        if "--seed" in self.train_options:
            raise ConfigError("--seed: found among the options of train, expected --seeds of the sweep")


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds from `5` (0 to 4), `0,3,7`, or `5,` (5 alone).

    Raises:
        ConfigError: `text` is neither.
    """
    try:
        numbers = [int(part) for part in text.removesuffix(",").split(",")]
    except ValueError:
        raise ConfigError(f"--seeds: found {text!r}, expected a number of seeds or a list 0,3,7") from None
    return tuple(numbers) if "," in text else tuple(range(numbers[0]))
