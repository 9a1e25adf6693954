"""The messages of many cameras, which end together."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.events.log import writing
from pipeline.events.sinks.delivery import Delivery, close_all
from pipeline.watch import messages as messages_module
from pipeline.watch.config import CameraConfig
from pipeline.watch.messages import Brokers, Messages
from shards.storage import Storage
from tests.helpers.events import event
from tests.helpers.receivers import until


def test_receivers_of_all_cameras_are_waited_for_at_once_and_none_when_a_camera_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []

    def counted(deliveries: Sequence[Delivery]) -> None:
        waited.append(len(deliveries))
        close_all(deliveries)

    monkeypatch.setattr(messages_module, "close_all", counted)
    brokers, cameras = Brokers(), []
    for name in ("yard", "gate"):
        folder = Storage(str(tmp_path / name))
        taken = ("-c", "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())", str(tmp_path / "told"))
        config = CameraConfig(name=name, url="rtsp://192.0.2.7/", on_alarm=(sys.executable, *taken))
        cameras.append(Messages(config, folder, brokers))
        with writing(folder) as log:
            log.append(event(camera=name))
    for messages in cameras:
        messages.finish()
    assert waited == []
    brokers.close()
    assert waited == [2]
    until(lambda: len((tmp_path / "told").read_text().splitlines()) == 2)
    assert [messages.left_out for messages in cameras] == [0, 0]
