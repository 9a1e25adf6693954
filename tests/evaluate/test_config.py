"""Where results go if nobody says."""

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.evaluate.config import EvaluateConfig
from pipeline.scoring.choices import Wanted

BUCKET = "s3://key:secret@bucket"
QUERY = "?scheme=http&endpoint_override=127.0.0.1:8333"


@pytest.mark.parametrize(
    ("checkpoint", "expected"),
    [
        ("run/", "run/evaluation-set"),
        ("run/checkpoints/model-00000003.safetensors", "run/evaluation-set"),
        ("models/best.safetensors", "models/evaluation-set"),
        ("best.safetensors", "./evaluation-set"),
        ("/best.safetensors", "/evaluation-set"),
        (f"{BUCKET}/run{QUERY}", f"{BUCKET}/run/evaluation-set{QUERY}"),
        (f"{BUCKET}/run/checkpoints/m.safetensors{QUERY}", f"{BUCKET}/run/evaluation-set{QUERY}"),
        (f"{BUCKET}/best.safetensors{QUERY}", f"{BUCKET}/evaluation-set{QUERY}"),
        ("s3://checkpoints/m.safetensors", "s3://checkpoints/evaluation-set"),
    ],
)
def test_results_lie_in_the_run_or_beside_the_checkpoint(checkpoint: str, expected: str) -> None:
    assert EvaluateConfig(shards="data/set/", checkpoint=checkpoint).output() == expected


def test_the_name_of_the_set_is_without_credentials_and_query() -> None:
    for shards in (
        f"{BUCKET}/set{QUERY}",
        "s3://key:secret@set?scheme=http",
        "https://user@host/set?token=t",
    ):
        assert EvaluateConfig(shards=shards, checkpoint="run").output() == "run/evaluation-set"


def test_a_set_named_by_dots_has_the_name_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "yard" / "today").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "yard" / "today")
    for shards, name in (
        (".", "today"),
        ("./", "today"),
        ("..", "yard"),
        ("../today/..", "yard"),
        ("/", "set"),
    ):
        assert EvaluateConfig(shards=shards, checkpoint="run").output() == f"run/evaluation-{name}"


def test_sets_that_are_told_apart_have_a_digest_of_their_location() -> None:
    def name(shards: str) -> str:
        return EvaluateConfig(shards=shards, checkpoint="run").output(told_apart=True)

    assert re.fullmatch("run/evaluation-today-[0-9a-f]{8}", name("/cam1/today"))
    assert name("/cam1/today") == name("/cam1/today/") == name("/cam2/../cam1/today")
    assert name("/cam1/today") != name("/cam2/today")
    assert name(f"{BUCKET}/today{QUERY}") == name("s3://bucket/today")


def test_a_place_that_was_given_is_taken() -> None:
    assert (
        EvaluateConfig(shards="s", checkpoint="c", out=f"{BUCKET}/o{QUERY}").output() == f"{BUCKET}/o{QUERY}"
    )


@pytest.mark.parametrize(("option", "value"), [("device", "tpu"), ("precision", "fp16"), ("memory", "none")])
def test_an_unknown_choice_is_refused(option: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"--{option}: found '{value}', expected one of"):
        EvaluateConfig(shards="s", checkpoint="c", **dict[str, Any]({option: value}))


def test_what_is_wanted_by_default_is_what_the_options_say_by_default() -> None:
    assert EvaluateConfig(shards="set", checkpoint="run").wanted == Wanted()
    wanted = EvaluateConfig(
        shards="set", checkpoint="run", distance="places", alpha=0.2, memory="video"
    ).wanted
    assert wanted == Wanted(distance="places", alpha=0.2, memory="video")
