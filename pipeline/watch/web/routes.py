"""What is served at which path.

| path | what |
|---|---|
| `/`, `/cameras/NAME` | pages |
| `/cameras/NAME/live`, `…/picture` | what the camera sees: MJPEG, and one JPEG |
| `/cameras/NAME/events/ID/clip`, `…/thumbnail` | files of an event |
| POST `/cameras/NAME/snooze`, `…/events/ID/label` | forms: `seconds`; `label`, empty to take it back |
| `/api/cameras`, `/api/events`, `/api/stream` | for programs: JSON, and server-sent events |
| `/healthz`, `/metrics` | for whoever looks after the machine |
"""

import asyncio
import math
from collections.abc import Callable
from importlib import resources
from typing import cast

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from pipeline.events.event import Event, Label
from pipeline.events.schema import LABELS
from pipeline.watch.view import View
from pipeline.watch.web.files import Part, file_of
from pipeline.watch.web.guard import LOGIN, Guard, prepare
from pipeline.watch.web.metrics import CONTENT_TYPE, metrics
from pipeline.watch.web.page import address, camera_page, login_page, overview, parts
from pipeline.watch.web.records import Messages, Records
from pipeline.watch.web.streams import PICTURE_SECONDS, TICK_SECONDS, Recent, Streams, messages_of

_MOST_FORM = 4096
"""Bytes of a form."""
_MOST_STREAMS = 16
"""Pages that are looked at, and pictures that are, at a time."""
_MOST_SNOOZE = 7 * 86400
_FORM = "application/x-www-form-urlencoded"
_FRESH = TICK_SECONDS / 2


class Routes:
    """The answers of one server.

    Args:
        view: of the watch.
        guard: of the server.
        stop: when it ends.
        is_alive: whether the watch goes on.
    """

    def __init__(self, view: View, guard: Guard, stop: asyncio.Event, is_alive: Callable[[], bool]) -> None:
        self._view, self._guard, self._is_alive = view, guard, is_alive
        self._streams = Streams(stop, _MOST_STREAMS)
        self._records = Records(view)
        self._messages = Recent(self._records.messages, _FRESH)
        self._unwritten = Recent(lambda: any(view.snapshot(name).unwritten for name in view.cameras), 1.0)
        self._parts = {name: self._recent_parts(name) for name in (None, *view.cameras)}
        self._pictures = {name: self._recent_picture(name) for name in view.cameras}
        self._script = resources.files("pipeline.watch.web").joinpath("page.js").read_text(encoding="utf-8")

    def app(self) -> web.Application:
        """All of it."""
        app = web.Application(middlewares=[self._guard.middleware()], client_max_size=_MOST_FORM)
        app.on_response_prepare.append(prepare)
        camera, event = "/cameras/{camera}", "/cameras/{camera}/events/{event}"
        gets: dict[str, Handler] = {
            "/": self._home,
            "/page.js": self._page_script,
            "/favicon.ico": self._no_icon,
            "/stream": self._stream,
            LOGIN: self._login,
            camera: self._camera,
            f"{camera}/live": self._live,
            f"{camera}/picture": self._picture,
            f"{event}/clip": self._clip,
            f"{event}/thumbnail": self._thumbnail,
            "/api/cameras": self._api_cameras,
            "/api/events": self._api_events,
            "/api/stream": self._api_stream,
            "/healthz": self._health,
            "/metrics": self._metrics,
        }
        app.router.add_routes(
            [
                *(web.get(path, handler) for path, handler in gets.items()),
                web.post(LOGIN, self._log_in),
                web.post(f"{camera}/snooze", self._snooze),
                web.post(f"{event}/label", self._label),
            ]
        )
        return app

    async def _home(self, request: web.Request) -> web.Response:
        names = self._view.cameras
        if len(names) == 1:
            return _html(await asyncio.to_thread(camera_page, self._view, names[0]))
        return _html(await asyncio.to_thread(overview, self._view))

    async def _camera(self, request: web.Request) -> web.Response:
        return _html(await asyncio.to_thread(camera_page, self._view, self._name(request)))

    async def _page_script(self, request: web.Request) -> web.Response:
        return web.Response(text=self._script, content_type="text/javascript")

    async def _no_icon(self, request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        return await self._streams.events(request, self._parts[self._asked(request)])

    async def _live(self, request: web.Request) -> web.StreamResponse:
        return await self._streams.pictures(request, self._pictures[self._name(request)])

    async def _picture(self, request: web.Request) -> web.Response:
        jpeg = await self._pictures[self._name(request)].get()
        if jpeg is None:
            raise web.HTTPNotFound(text="There is no picture yet.\n")
        return web.Response(body=jpeg, content_type="image/jpeg")

    async def _clip(self, request: web.Request) -> web.StreamResponse:
        return self._file(request, "clip")

    async def _thumbnail(self, request: web.Request) -> web.StreamResponse:
        return self._file(request, "thumbnail")

    async def _snooze(self, request: web.Request) -> web.Response:
        name, form = self._name(request), await _form(request)
        try:
            seconds = float(form.get("seconds", ""))
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds <= _MOST_SNOOZE:
            raise web.HTTPBadRequest(text=f"seconds: expected a number from 0 to {_MOST_SNOOZE}.\n")
        self._view.snooze(name, seconds)
        raise web.HTTPSeeOther(address(name))

    async def _label(self, request: web.Request) -> web.Response:
        name, event, form = self._name(request), self._event(request), await _form(request)
        label = form.get("label")
        if label not in ("", *LABELS):
            raise web.HTTPBadRequest(text=f"label: expected {' or '.join(LABELS)}, or nothing.\n")
        if not self._view.label(name, event.id, cast(Label, label) if label else None):
            raise _no_event()
        raise web.HTTPSeeOther(f"{address(name)}#{event.id}")

    async def _login(self, request: web.Request) -> web.Response:
        return _html(login_page(was_wrong=False))

    async def _log_in(self, request: web.Request) -> web.Response:
        form = await _form(request)
        if not self._guard.is_token(form.get("token", "")):
            return _html(login_page(was_wrong=True), status=403)
        response = web.Response(status=303, headers={hdrs.LOCATION: "/"})
        self._guard.login(response)
        return response

    async def _api_cameras(self, request: web.Request) -> web.Response:
        return web.json_response(text=await asyncio.to_thread(self._records.cameras))

    async def _api_events(self, request: web.Request) -> web.Response:
        asked = self._asked(request)
        names = self._view.cameras if asked is None else (asked,)
        return web.json_response(text=await asyncio.to_thread(self._records.events, names))

    async def _api_stream(self, request: web.Request) -> web.StreamResponse:
        return await self._streams.events(request, self._messages)

    async def _health(self, request: web.Request) -> web.Response:
        if not self._is_alive():
            return web.Response(text="the scoring stands still\n", status=503)
        if await self._unwritten.get():
            return web.Response(text="results cannot be written\n", status=503)
        return web.Response(text="ok\n")

    async def _metrics(self, request: web.Request) -> web.Response:
        names = self._view.cameras
        found = await asyncio.to_thread(lambda: metrics([self._view.snapshot(name) for name in names]))
        return web.Response(body=found.encode(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})

    def _name(self, request: web.Request) -> str:
        return self._known(request.match_info["camera"])

    def _asked(self, request: web.Request) -> str | None:
        name = request.query.get("camera")
        return None if name is None else self._known(name)

    def _known(self, name: str) -> str:
        if name not in self._view.cameras:
            raise web.HTTPNotFound(text="There is no such camera.\n")
        return name

    def _event(self, request: web.Request) -> Event:
        asked = request.match_info["event"]
        events = self._view.events(self._name(request))
        found = next((event for event in events if event.id == asked), None)
        if found is None:
            raise _no_event()
        return found

    def _file(self, request: web.Request, part: Part) -> web.FileResponse:
        folder = self._view.folder(self._name(request))
        found = file_of(folder, self._event(request), part)
        if found is None:
            raise web.HTTPNotFound(text=f"There is no {part} of it any more.\n")
        path, kind = found
        return web.FileResponse(
            path, headers={hdrs.CONTENT_TYPE: kind, hdrs.CACHE_CONTROL: "private, no-cache"}
        )

    def _recent_parts(self, name: str | None) -> Recent[Messages]:
        return Recent(lambda: messages_of(parts(self._view, name)), _FRESH)

    def _recent_picture(self, name: str) -> Recent[bytes | None]:
        return Recent(lambda: self._view.picture(name), PICTURE_SECONDS)


def _html(page: str, status: int = 200) -> web.Response:
    return web.Response(text=page, content_type="text/html", status=status)


def _no_event() -> web.HTTPNotFound:
    return web.HTTPNotFound(text="There is no such event, it was too long ago, or the watch ends.\n")


async def _form(request: web.Request) -> dict[str, str]:
    """The fields of a form that is not too large."""
    if request.content_type != _FORM:
        raise web.HTTPUnsupportedMediaType(text=f"expected {_FORM}\n")
    try:
        fields = await request.post()
    except (ValueError, LookupError):  # no text of the encoding that it names, or no such encoding
        raise web.HTTPBadRequest(text="This is no form.\n") from None
    return {name: value for name, value in fields.items() if isinstance(value, str)}
