"""Who may ask what: checks of each request before it is answered, and what each answer forbids.

- Without a token only this machine is served. `Host` must name it then: a page of another site whose name was
  turned to this machine (DNS rebinding) names itself there.
- With a token, every request needs it: as `Authorization: Bearer TOKEN`, or as the cookie that the login page
  gives. The cookie holds a digest that the token gives, never the token, and belongs to one host.
- Pages of other sites can neither post forms nor fetch or show anything from here.
"""

import hashlib
import hmac
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from pipeline.errors import ConfigError
from pipeline.watch.address import is_loopback, named
from pipeline.watch.web.page import POLICY

COOKIE = "mnad"
LOGIN = "/login"
_OPEN = (LOGIN, "/healthz")
"""What is served without a token."""
_LEAST_TOKEN = 16
"""Characters, so that nobody finds it by trying."""
_HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """The checks of one server.

    Args:
        token: that is asked for; None serves this machine alone.

    Raises:
        ConfigError: the token is too short.
    """

    def __init__(self, token: str | None) -> None:
        if token is not None and len(token) < _LEAST_TOKEN:
            raise ConfigError(
                f"--http-token: found a token of {len(token)} characters, expected at least {_LEAST_TOKEN}; "
                "take a longer one"
            )
        self._token = None if token is None else token.encode()
        self._cookie = (
            b""
            if token is None
            else hmac.digest(token.encode(), b"status page", hashlib.sha256).hex().encode()
        )

    def middleware(self) -> Middleware:
        """What aiohttp calls for each request."""

        @web.middleware
        async def checked(request: web.Request, handler: Handler) -> web.StreamResponse:
            host = named(request.headers.get(hdrs.HOST, ""))
            if host is None or (self._token is None and not is_loopback(host)):
                raise web.HTTPMisdirectedRequest(text="This name is not served here.\n")
            if _is_foreign(request):
                raise web.HTTPForbidden(text="Other sites are not served.\n")
            if self._token is not None and request.path not in _OPEN and not self._is_known(request):
                if request.method == "GET" and "text/html" in request.headers.get(hdrs.ACCEPT, ""):
                    raise web.HTTPSeeOther(LOGIN)
                raise web.HTTPUnauthorized(
                    text="A token is asked for.\n", headers={hdrs.WWW_AUTHENTICATE: "Bearer"}
                )
            return await handler(request)

        return checked

    def is_token(self, given: str) -> bool:
        """Whether a text is the token."""
        return self._token is not None and hmac.compare_digest(given.encode(errors="replace"), self._token)

    def login(self, response: web.StreamResponse) -> None:
        """Let whoever gets this answer in."""
        response.set_cookie(COOKIE, self._cookie.decode(), httponly=True, samesite="Strict", path="/")

    def _is_known(self, request: web.Request) -> bool:
        scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.casefold() == "bearer" and self.is_token(given.strip()):
            return True
        cookie = request.cookies.get(COOKIE, "")
        return hmac.compare_digest(cookie.encode(errors="replace"), self._cookie)


async def prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Put into an answer what it forbids; it is kept by nobody unless it says so."""
    response.headers.update(_HEADERS)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    response.headers[hdrs.SERVER] = "mnad"


def _is_foreign(request: web.Request) -> bool:
    """Whether a page of another site has made a request, other than by a link to here.

    Every browser says in `Origin` where a POST comes from, and new ones say of each request in
    `Sec-Fetch-Site` how its page and this server belong together. Without both, it comes from no browser.
    """
    is_post = request.method not in ("GET", "HEAD")
    site = request.headers.get("Sec-Fetch-Site", "none")
    is_link = not is_post and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if site not in ("same-origin", "none") and not is_link:
        return True
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return False
    parts = urlsplit(origin)
    return parts.scheme not in ("http", "https") or parts.netloc != request.headers.get(hdrs.HOST)
