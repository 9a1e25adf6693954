"""Options of `inspect` and `verify`."""

from dataclasses import dataclass
from typing import Annotated

from pipeline.config import manifest_digest_option
from pipeline.options import Argument, Option, check, described


@described
@dataclass(frozen=True, kw_only=True)
class InspectConfig:
    """What to show."""

    location: Annotated[
        str, Argument("SHARDS|RUN|CHECKPOINT", "A shard set, a run folder, or a checkpoint file.")
    ]
    sheet: Annotated[
        str | None,
        Option(
            "Where the contact sheet of a shard set is written; 'none' writes none.",
            "Contact sheet",
            metavar="FILE.png",
            default="contact-sheet.png in SHARDS",
        ),
    ] = None
    rows: Annotated[
        int, Option("Sample windows per split on the contact sheet.", "Contact sheet", least=1)
    ] = 8

    def __post_init__(self) -> None:
        check(self)


@described
@dataclass(frozen=True, kw_only=True)
class VerifyConfig:
    """What to check."""

    shards: Annotated[str, Argument("SHARDS", "The shard set to check, local or remote.")]
    manifest_digest: Annotated[str | None, manifest_digest_option("Set")] = None

    def __post_init__(self) -> None:
        check(self)
