"""Tell Frigate of alarms: each becomes a manual event of its camera, with the recording around it.

    mnad watch --config cameras.toml --on-alarm 'python examples/tell_frigate.py http://frigate:5000'

The program reads one event as JSON from standard input, as `--on-alarm` sends it. Cameras have the same names
in both. Frigate has a manual event begin when it is told of it, so an alarm that could not be told in time is
left out. Exit code 75 asks `watch` to try again.
"""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta

LABEL = "unusual"
SECONDS = 30
"""That the event of Frigate lasts; nobody has to end it."""
LATEST = timedelta(minutes=1)
"""After the alarm, that Frigate may be told of it."""


def main(frigate: str) -> int:
    """Tell Frigate of the event on standard input, if it is an alarm that has just begun."""
    event = json.loads(sys.stdin.readline())
    if (event["kind"], event["type"]) != ("anomaly", "new"):
        return os.EX_OK
    start = event["start"]  # None of a file, which has no clock
    if start is None or datetime.now(UTC) - datetime.fromisoformat(start) > LATEST:
        return os.EX_OK
    camera = urllib.parse.quote(event["camera"], safe="")
    body = {"sub_label": "mnad", "duration": SECONDS, "include_recording": True}
    request = urllib.request.Request(
        f"{frigate.rstrip('/')}/api/events/{camera}/{LABEL}/create",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10):
            return os.EX_OK
    except urllib.error.HTTPError as error:
        error.close()
        return os.EX_TEMPFAIL if error.code >= 500 else os.EX_UNAVAILABLE
    except OSError:
        return os.EX_TEMPFAIL


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
