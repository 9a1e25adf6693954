"""One declaration of an option: its check, its one sentence of error, its place in --help and in the docs."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import cli
from pipeline.errors import ConfigError
from pipeline.options import Argument, Option, check, declared, described, wrong
from pipeline.sizes import SIZE
from pipeline.terminal.command_line import Group
from pipeline.terminal.option_tables import option_tables
from tests.helpers.commands import ROOT


@described
@dataclass(frozen=True, kw_only=True)
class Config:
    """What to do."""

    place: Annotated[str, Argument("PLACE", "Where it is done.")]
    kind: Annotated[Literal["one", "two"], Option("Which kind.", "What")] = "one"
    count: Annotated[int, Option("How many.", "What", least=1, most=9)] = 4
    rate: Annotated[float, Option("How fast.", "How", above=0)] = 0.5
    share: Annotated[float | None, Option("How much.", "How", least=0, default="all")] = None
    loud: Annotated[bool, Option("Makes noise.", "How")] = False
    size: Annotated[tuple[int, int], Option("How large.", "What", custom=SIZE)] = (64, 64)

    def __post_init__(self) -> None:
        check(self)
        if self.kind == "two" and self.count < 2:
            raise wrong(self, "count", "at least 2 for two")


def test_hints_are_evaluated_once_however_many_configs_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    first = declared(Config)
    monkeypatch.setattr("pipeline.options.get_type_hints", lambda *_, **__: pytest.fail("evaluated again"))
    Config(place="here")
    assert all(one is other for one, other in zip(first, declared(Config), strict=True))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "three"}, "--kind: found 'three', expected one of one, two"),
        ({"count": 0}, "--count: found 0, expected 1 to 9"),
        ({"count": 10}, "--count: found 10, expected 1 to 9"),
        ({"count": 2.5}, "--count: found 2.5, expected a whole number"),
        ({"count": True}, "--count: found True, expected a whole number"),
        ({"count": None}, "--count: found None, expected a whole number"),
        ({"rate": 0.0}, "--rate: found 0.0, expected more than 0"),
        ({"rate": float("nan")}, "--rate: found nan, expected a number"),
        ({"rate": float("inf")}, "--rate: found inf, expected a number"),
        ({"share": -1.0}, "--share: found -1.0, expected at least 0"),
        ({"loud": 1}, "--loud: found 1, expected true or false"),
        ({"place": 7}, "PLACE: found 7, expected text"),
        ({"size": (1, 2, 3)}, "--size: found (1, 2, 3), expected 256, or height x width as 240x360"),
        ({"kind": "two", "count": 1}, "--count: found 1, expected at least 2 for two"),
    ],
)
def test_a_rule_that_is_broken_is_one_sentence(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config(**{"place": "here", **given})
    assert str(caught.value) == message


def test_bounds_are_included_and_none_stands_for_what_was_not_given() -> None:
    assert Config(place="here", count=1, share=None).count == 1
    assert Config(place="here", count=9, rate=1).rate == 1


def invoke(*arguments: str) -> tuple[int, str, list[Config]]:
    seen: list[Config] = []
    group = Group("program")

    @group.stage(Config)
    def do_it(config: Config) -> None:
        """Do it."""
        seen.append(config)

    result = CliRunner().invoke(group, ["do-it", *arguments])
    return result.exit_code, result.output, seen


def test_the_command_line_makes_the_config() -> None:
    code, _, seen = invoke(
        "here", "--count", "3", "--rate", "2", "--loud", "--size", "32x48", "--kind", "two"
    )
    assert code == 0
    assert seen == [Config(place="here", count=3, rate=2.0, loud=True, size=(32, 48), kind="two")]
    assert invoke("here", "--no-loud")[2] == [Config(place="here")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "many"], "error: --count: found 'many', expected a whole number\n"),
        (["--count", "0"], "error: --count: found 0, expected 1 to 9\n"),
        (["--kind", "three"], "error: --kind: found 'three', expected one of one, two\n"),
        (["--size", "big"], "error: --size: found 'big', expected 256, or height x width as 240x360\n"),
    ],
)
def test_the_command_line_has_the_same_sentences(arguments: list[str], message: str) -> None:
    assert invoke("here", *arguments)[:2] == (2, message)


def test_help_shows_arguments_headings_bounds_and_defaults() -> None:
    text = " ".join(invoke("--help")[1].split())
    for part in (
        "Arguments: PLACE Where it is done.",
        "--count INTEGER How many. [1 to 9; default: 4]",
        "--rate NUMBER How fast. [more than 0; default: 0.5]",
        "--share NUMBER How much. [at least 0; default: all]",
        "--loud / --no-loud Makes noise. [default: off]",
        "--size 256 | HxW How large. [default: 64]",
    ):
        assert part in text


def test_the_docstring_tells_the_fields() -> None:
    assert Config.__doc__ is not None
    assert Config.__doc__.startswith("What to do.")
    assert "count: How many." in Config.__doc__


@given(st.text() | st.integers() | st.floats() | st.none() | st.lists(st.integers()) | st.booleans())
def test_any_value_gives_a_config_or_one_sentence(value: Any) -> None:
    for field in declared(Config):
        try:
            Config(**{"place": "here", field.name: value})
        except ConfigError as error:
            assert str(error).startswith(f"{field.flag}: found ")


def commands() -> list[tuple[str, click.Command]]:
    return sorted(cli.main.commands.items())


@pytest.mark.parametrize(("name", "command"), commands(), ids=[name for name, _ in commands()])
def test_every_option_of_the_program_is_a_full_phrase(name: str, command: click.Command) -> None:
    context = click.Context(command)
    for parameter in command.params:
        record = parameter.get_help_record(context)
        assert record is not None
        text = record[1].partition("  [")[0]
        assert text[0].isupper(), text
        assert text.endswith("."), text
        assert not text.startswith(("Of ", "That ", "auto")), text


@pytest.mark.parametrize("name", ["score", "doctor"])
def test_an_option_without_a_default_that_is_missing_is_named(name: str) -> None:
    done = CliRunner().invoke(cli.main, [name, "a.mp4"])
    assert done.exit_code == 2
    assert "Missing option '--checkpoint'" in done.output


def test_the_options_in_the_docs_are_those_of_the_program() -> None:
    assert Path(ROOT / "docs/options.md").read_text() == option_tables(cli.main)


def test_every_field_of_every_config_is_declared() -> None:
    for _, command in commands():
        for parameter in command.params:
            assert hasattr(parameter, "field"), parameter
    assert {field.name for field in dataclasses.fields(Config)} == {field.name for field in declared(Config)}


@pytest.mark.parametrize("given", ["--config", "--config=x.toml"])
def test_an_option_of_the_program_after_a_command_is_told_its_place(given: str) -> None:
    result = CliRunner().invoke(cli.main, ["train", "shards", "run", given, "x.toml"])
    assert result.exit_code == 2
    expected = "No such option '--config'. It stands before the command: --config FILE.toml train\n"
    assert result.stderr.endswith(expected)
