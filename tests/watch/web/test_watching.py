"""The page of a watch that runs: of a real camera, whose password nobody is told."""

import sys
import threading
from pathlib import Path

import pytest
import urllib3

from pipeline.errors import ConfigError
from pipeline.watch.plan import watch_config
from pipeline.watch.run import watch
from rtsp import camera
from tests.helpers.receivers import until
from tests.helpers.yard import World

SECRETS = ("hunter2", "correct-horse-battery")


@pytest.mark.slow
def test_a_watch_serves_its_page_and_no_secret(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("YARD", SECRETS[0])
    monkeypatch.setenv("PAGE", SECRETS[1])
    said: list[str] = []
    stop = threading.Event()
    failures: list[BaseException] = []
    with camera(world.video) as source:
        source.login = f"user:{SECRETS[0]}"
        plan = watch_config(
            url=source.url.replace(SECRETS[0], "${YARD}"),
            checkpoint=str(world.run),
            out=str(tmp_path / "out"),
            name="yard",
            device="cpu",
            http="127.0.0.1:0",
            http_token="${PAGE}",
        )

        def look() -> None:
            try:
                looked_at(said)
            except BaseException as error:
                failures.append(error)
            finally:
                stop.set()

        looker = threading.Thread(target=look)
        looker.start()
        watch(plan, said.append, stop)
        looker.join()
    if failures:
        raise failures[0]
    printed = capfd.readouterr()
    for secret in SECRETS:
        assert secret not in "".join(said) + printed.out + printed.err
        kept = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        assert [path for path in kept if secret.encode() in path.read_bytes()] == []


def looked_at(said: list[str]) -> None:
    """Use the page as soon as there is one."""
    until(lambda: any(line.startswith("page: ") for line in said), 60)
    url = next(line for line in said if line.startswith("page: ")).removeprefix("page: ").rstrip("/")
    headers = {"Authorization": f"Bearer {SECRETS[1]}"}

    def get(path: str) -> urllib3.BaseHTTPResponse:
        return urllib3.request("GET", url + path, headers=headers, retries=False)

    assert urllib3.request("GET", f"{url}/api/cameras", retries=False).status == 401
    until(lambda: get("/api/cameras").json()["cameras"][0]["scored"] > 3, 60)
    assert get("/cameras/yard/picture").data.startswith(b"\xff\xd8")
    for path in ("/", "/cameras/yard", "/api/cameras", "/api/events", "/metrics", "/healthz"):
        answer = get(path)
        assert answer.status == 200
        assert not [secret for secret in SECRETS if secret in answer.data.decode() + str(answer.headers)]
    assert "rtsp://127.0.0.1" in get("/cameras/yard").data.decode()
    form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    snooze = f"{url}/cameras/yard/snooze"
    urllib3.request("POST", snooze, headers=form, body=b"seconds=3600", redirect=False, retries=False)
    (yard,) = get("/api/cameras").json()["cameras"]
    assert yard["snoozed_until"] is not None


def test_a_watch_without_the_package_says_what_to_install(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "pipeline.watch.web.server", raising=False)
    plan = watch_config(
        url=str(world.video),
        checkpoint=str(world.run),
        out=str(tmp_path),
        device="cpu",
        http="127.0.0.1:0",
    )
    with pytest.raises(
        ConfigError, match=r"found no package aiohttp, expected it; install it: pip install 'mnad\[watch\]'"
    ):
        watch(plan)
