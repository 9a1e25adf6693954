"""Which cameras are watched, and how: from the command line, or from a file of cameras.

    [watch]
    checkpoint = "runs/yard"
    out = "watched"
    mqtt = "mqtt://user:${BROKER}@localhost"

    [watch.cameras.yard]
    url = "rtsp://user:${YARD}@192.0.2.7/stream"
    alarms_per_hour = 0.5                             # each camera may have its own of most options

The command line wins over the file, and a camera's own over what is said for all.
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.config import dump_config, nearest, parse_toml
from pipeline.errors import ConfigError
from pipeline.options import declared
from pipeline.watch.address import address, is_loopback
from pipeline.watch.config import NAME, CameraConfig, WatchConfig
from pipeline.watch.secrets import is_name, revealed
from shards import locations

COMMAND = "watch"
_CAMERAS = "cameras"
_NAMED = re.compile("^name = .*\n", re.MULTILINE)
"""What a recorded camera has as the name of its table."""
_SECRET = ("url", "record_url", "webhook", "webhook_secret", "mqtt")
"""Options that may hold a secret of the environment."""
_MOST_BYTES = 1 << 18
"""The largest file of cameras in bytes: 300 cameras with all their options take 200 kB, and its writer is
trusted, unlike that of a recorded configuration."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is watched.

    Attributes:
        config: of all.
        cameras: at least one, names differ.
        out: folder of the results.
    """

    config: WatchConfig
    cameras: tuple[CameraConfig, ...]
    out: str

    def recorded(self) -> str:
        """As a file of cameras, without what secrets stand for."""
        general = dataclasses.replace(self.config, url=None, config=None, out=self.out)
        tables = [
            dump_config(COMMAND, general),
            *(dump_config(f"{COMMAND}.{_CAMERAS}.{camera.name}", camera) for camera in self.cameras),
        ]
        return "\n".join(_NAMED.sub("", table) for table in tables)


def watch_config(**given: Any) -> Plan:
    """The plan from options of the command line, of which some are not given.

    Raises:
        ConfigError: one line: an option breaks its rule, or nothing says what is to be watched.
    """
    file = given.get("config")
    table, cameras = ({}, {}) if file is None else _read(str(file))
    config = WatchConfig(**{**table, **given})
    if (config.url is None) == (config.config is None):
        raise ConfigError(
            "watch: found "
            + ("no camera" if config.url is None else "a URL and --config")
            + ", expected one URL, or --config CAMERAS.toml; give one of them"
        )
    if config.config is not None and config.record_url is not None:
        raise ConfigError("watch: found --record-url and --config, expected it in the table of its camera")
    if config.config is not None and "name" in given:
        raise ConfigError(
            "watch: found --name and --config, in which the tables name the cameras; leave it out"
        )
    if config.out is None:
        raise ConfigError("watch: found no folder for the results, expected one; give --out DIR")
    where = "watch" if file is None else locations.shown(str(file))
    _check_page(config, where)
    shared = {
        field.name: getattr(config, field.name)
        for field in declared(CameraConfig)
        if field.name not in ("name", "url")
    }
    own = {config.name: {"url": config.url}} if file is None else cameras
    made = tuple(
        _camera(f"{where}: camera {name}", {**shared, **mine, "name": name}) for name, mine in own.items()
    )
    return Plan(config=config, cameras=made, out=config.out)


def _check_page(config: WatchConfig, where: str) -> None:
    token = config.http_token
    if token is not None and not is_name(token):
        raise ConfigError(f"{where}: found an http_token that is written out, expected ${{NAME}}")
    if token is not None:
        revealed(token, f"{where}: http_token")
    elif config.http is not None and not is_loopback(address(config.http).host):
        raise ConfigError(
            f"{where}: found http {config.http}, which other machines can reach, without a token; give "
            "--http-token '${NAME}', or an address of this machine alone, such as 127.0.0.1:8080"
        )


def _camera(where: str, fields: dict[str, Any]) -> CameraConfig:
    if fields.get("url") is None:
        raise ConfigError(f"{where}: found no url, expected where its pictures come from")
    try:
        camera = CameraConfig(**fields)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    if camera.checkpoint is None:
        raise ConfigError(f"{where}: found no checkpoint, expected a run; give --checkpoint RUN")
    if camera.webhook_secret is not None and not is_name(camera.webhook_secret):
        raise ConfigError(f"{where}: found a webhook_secret that is written out, expected ${{NAME}}")
    for name in _SECRET:
        text = getattr(camera, name)
        if text is not None:
            revealed(text, f"{where}: {name}")
    return camera


def _read(location: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What a file says of all cameras, and of each."""
    where = locations.shown(location)
    try:
        with Path(location).open("rb") as file:
            tables = parse_toml(file.read(_MOST_BYTES + 1), where, _MOST_BYTES)
    except OSError as error:
        raise ConfigError(f"{where}: {error.strerror}; give a readable TOML file to --config") from error
    if set(tables) != {COMMAND} or not isinstance(tables[COMMAND], dict):
        raise ConfigError(
            f"{where}: found {', '.join(sorted(tables))[:80] or 'nothing'}, expected a table [{COMMAND}] "
            f"with [{COMMAND}.{_CAMERAS}.NAME] in it, and nothing else"
        )
    table = dict(tables[COMMAND])
    cameras = table.pop(_CAMERAS, {})
    if not isinstance(cameras, dict) or not cameras or not all(isinstance(c, dict) for c in cameras.values()):
        raise ConfigError(f"{where}: found no cameras, expected a table [{COMMAND}.{_CAMERAS}.NAME] for each")
    for name in cameras:
        try:
            NAME.parse(name)
        except ValueError:
            raise ConfigError(f"{where}: found camera {name!r:.80}, expected {NAME.expected}") from None
    names = [name.casefold() for name in cameras]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:  # they would share a folder on file systems that do not tell capitals
        raise ConfigError(f"{where}: found two cameras {twice!r}, expected names that differ; rename one")
    general = _options(where, WatchConfig, table, but=("url", "config", "name", "record_url"))
    return general, {
        name: _options(f"{where}: camera {name}", CameraConfig, own, but=("name",))
        for name, own in cameras.items()
    }


def _options(where: str, config: type, table: Mapping[str, Any], but: tuple[str, ...]) -> dict[str, Any]:
    """The entries of a table as fields of a config, apart from some that do not stand there."""
    fields = {field.name: field for field in declared(config) if field.name not in but}
    found: dict[str, Any] = {}
    for given, value in table.items():
        name = given.replace("-", "_")
        if name not in fields:
            raise ConfigError(f"{where}: no option {given!r:.80}; {nearest(name, fields)}")
        try:
            found[name] = fields[name].parse(value)
            fields[name].check(found[name])
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
    return found
