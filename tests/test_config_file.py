"""Options from a file: checked as on the command line, and no misspelt one is passed over."""

import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings

import cli
from pipeline.config import MOST_BYTES, dump_config, load_config, parse_toml
from pipeline.errors import ConfigError
from pipeline.evaluate.config import EvaluateConfig
from pipeline.preprocess.config import PreprocessConfig
from pipeline.score.config import ScoreConfig
from pipeline.train.config import TrainConfig
from tests.helpers.mutation import mutated_bytes

OPTIONS = {
    name: {parameter.name: parameter.nargs != 1 for parameter in command.params}
    for name, command in cli.main.commands.items()
}


def loaded(tmp_path: Path, text: str | bytes) -> dict[str, dict[str, object]]:
    file = tmp_path / "options.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_config(file, OPTIONS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nepohcs = 3", "train has no option 'epohcs'; did you mean 'epochs'?"),
        ("[train]\nbatch-sise = 3", "train has no option 'batch-sise'; did you mean 'batch_size'?"),
        ("[inspect]\nxyz = 3", "inspect has no option 'xyz'; its options are location, sheet, rows"),
        ("[trian]\nepochs = 3", "no command 'trian'; tables are named after synthesize, preprocess"),
        ("epochs = 3", "option 'epochs' stands outside a table"),
        ("[train]\nbatch-size = 1\nbatch_size = 2", "found option 'batch_size' of train twice"),
        (
            "[train]\nepochs = 2020-01-01",
            "option 'epochs' of train: found a date, expected a text or a number",
        ),
        ("[train]\nepochs = ['1']", "option 'epochs' of train: found a list, expected a text or a number"),
        ("[sweep]\ntrain_options = [[]]", "option 'train_options' of sweep: found a list"),
        ("[train]\nepochs = {}", "option 'epochs' of train: found a dict"),
        ("[train]\nepochs = [[]]", "option 'epochs' of train: found a list"),
        ("[train]\nepochs = 0x" + "f" * 10_000, "found a number of more than 64 bits"),
        ("[train]\nepochs = " + "9" * 5000, "holds too long a number"),
        ("[train]\nepochs = " + "[" * 10_000, "is nested too deeply"),
        ("[train]\nx = " + "{a=" * 5000, "is nested too deeply"),
        ("[train", "not TOML: "),
        (b"[train]\nrun = '\xff'", "not TOML: byte 15 is not UTF-8"),
        ("#" * (MOST_BYTES + 1), f"found more than {MOST_BYTES} bytes"),
    ],
)
def test_what_is_no_option_is_one_line_that_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/options.toml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("3.7", "--epochs: found 3.7, expected a whole number"),
        ("true", "--epochs: found True, expected a whole number"),
        ("[1, 2]", "--epochs: found [1, 2], expected a whole number"),
        ("inf", "--epochs: found inf, expected a whole number"),
    ],
)
def test_a_value_of_another_type_is_refused_as_on_the_command_line(
    tmp_path: Path, value: str, message: str
) -> None:
    (tmp_path / "options.toml").write_text(f"[train]\nepochs = {value}\n")
    arguments = ["--config", str(tmp_path / "options.toml"), "train", str(tmp_path), str(tmp_path / "run")]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("command", "config"),
    [
        ("preprocess", PreprocessConfig(source="a", shards="b", size=(240, 360), workers=3, labels="x\ny")),
        ("preprocess", PreprocessConfig(source="a", shards="b", depth_range=(7000, 7510))),
        ("train", TrainConfig(shards="a", run="b", sync_bn=True, compile=False, lr=1e-5, validate="c")),
        ("evaluate", EvaluateConfig(shards="a", checkpoint="b", report=False, maps=True, alpha=0.25)),
        ("score", ScoreConfig(videos=("a", "b"), checkpoint="c", out="d", every=3, rate=5.0, overlay=False)),
    ],
)
def test_what_a_command_records_gives_it_the_same_options_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    config: PreprocessConfig | TrainConfig | EvaluateConfig | ScoreConfig,
) -> None:
    given_back: dict[str, Any] = {}
    stage = cli.main.commands[command]
    monkeypatch.setattr(stage, "callback", given_back.update)
    (tmp_path / "options.toml").write_text(dump_config(command, config))
    result = CliRunner().invoke(cli.main, ["--config", str(tmp_path / "options.toml"), command])
    assert result.exit_code == 0, result.output
    given_back.pop("preset", None)
    assert type(config)(**given_back) == config


def test_an_argument_that_takes_several_values_takes_a_list(tmp_path: Path) -> None:
    assert loaded(tmp_path, "[sweep]\ntrain-options = ['--epochs', 8]") == {
        "sweep": {"train_options": ["--epochs", "8"]}
    }


def test_the_time_that_parsing_takes_is_bounded() -> None:
    started = time.thread_time()
    text = b"a" + b".a" * (MOST_BYTES // 2 - 10) + b"=1"
    parse_toml(text, "x")
    assert time.thread_time() - started < 10


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=mutated_bytes(dump_config("train", TrainConfig(shards="a", run="b")).encode()))
def test_mutated_files_are_options_or_one_line(tmp_path: Path, data: bytes) -> None:
    try:
        tables = loaded(tmp_path, data)
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        tomllib.loads(data.decode())
        assert all(name in OPTIONS[command] for command in tables for name in tables[command])


def test_no_location_in_a_list_is_recorded_with_its_credentials() -> None:
    config = ScoreConfig(
        videos=("cam.mp4", "https://me:secret@host/cam.mp4?key=secret"), checkpoint="run", out="out"
    )
    text = dump_config("score", config)
    assert "secret" not in text
    assert 'videos = ["cam.mp4", "https://host/cam.mp4"]' in text
