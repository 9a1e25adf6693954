"""Options of `report`."""

from dataclasses import dataclass
from typing import Annotated

from pipeline.options import Argument, Option, check, described


@described
@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """What to show."""

    evaluations: Annotated[
        tuple[str, ...], Argument("EVALUATION...", "Folders that evaluate wrote.", is_many=True)
    ]
    out: Annotated[
        str | None,
        Option(
            "The file to write.",
            "Input and output",
            metavar="FILE.html",
            default="report.html in the evaluation; comparison.html for several",
        ),
    ] = None

    def __post_init__(self) -> None:
        check(self)
