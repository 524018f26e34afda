"""What a request must be to reach the app, and what every answer carries.

The app serves one person on one machine, yet every web page in that person's browser can send requests to it. So:
only known names in ``Host`` (a hostile page can point its own name at 127.0.0.1), writes only from our own pages, no
CORS, and answers that no other site can embed or run.

Where it is open to the network (`serve --lan`), nothing is answered without a token: once in an address's query, which
is exchanged for a cookie, or in `Authorization: Bearer` for programs.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diorama.server import problems

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

HEADERS = {
    # The API's own answers are data; the pages bring a policy of their own.
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), fullscreen=(self), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""Set where a route hasn't set them itself."""

COOKIE = "__Host-diorama"
"""The prefix has browsers insist on HTTPS, this host alone and the whole site."""

_STRANGER = "This Diorama lets in who has its link."
_STRANGER_HINT = "Scan the QR code in the terminal where it was started, or open the link that stands there."

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


class Guard:
    """ASGI middleware: the host allow-list, the same-origin check on writes, and the headers of every answer."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = (), token: str | None = None) -> None:
        self.app = app
        self.token = token
        self.hosts = {name.lower() for name in (*LOOPBACK, *hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        headers = Headers(scope=scope)
        unread = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

        async def receive_and_note() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answer.setdefault(name, value)
                if unread:  # refused on the way: else the server would go on reading what nobody wants
                    answer["Connection"] = "close"
            await send(message)

        refusal = self._refuse_host(headers) or self._refuse_origin(scope["method"], headers)
        app: ASGIApp = self.app if refusal is None else problems.response(refusal)
        if refusal is None and self.token is not None:
            app = self._admit(scope, headers, self.token) or self.app
        await app(scope, receive_and_note, send_with_headers)

    def _refuse_host(self, headers: Headers) -> problems.Problem | None:
        given = headers.getlist("host")
        match = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        if match is not None and match["name"].lower() in self.hosts:
            return None
        return problems.problem(
            400,
            "host-not-allowed",
            "This server doesn't answer to that host name.",
            f"Use one of {', '.join(sorted(self.hosts))}.",
        )

    def _admit(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        """None for who has the token; else the answer: a cookie for the token in the address, or a refusal."""
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        shown = [value for name, value in pairs if name == "token"]
        if shown and scope["method"] in SAFE_METHODS and _same(shown[0], token):
            # Out of the address, so that it stays in no history; one slash, or it could be another host.
            rest = urlencode([pair for pair in pairs if pair[0] != "token"])
            answer: Response = RedirectResponse(f"/{quote(scope['path'].lstrip('/'))}{'?' if rest else ''}{rest}", 303)
            answer.set_cookie(COOKIE, token, secure=True, httponly=True, samesite="strict", path="/")
            return answer
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if _same(_cookie(headers), token) or (kind.lower() == "bearer" and _same(bearer.strip(), token)):
            return None
        if "text/html" in headers.get("accept", ""):
            answer = HTMLResponse(f"<!doctype html><title>Diorama</title><p>{_STRANGER} {_STRANGER_HINT}</p>", 401)
        else:
            answer = problems.response(problems.problem(401, "no-token", _STRANGER, _STRANGER_HINT))
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    def _refuse_origin(self, method: str, headers: Headers) -> problems.Problem | None:
        """Refuse writes that another site's page sends. Programs send neither header: they act for themselves."""
        if method in SAFE_METHODS:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        same = origin is None or urlsplit(origin).netloc.lower() == headers["host"].lower()
        if same and site in (None, "same-origin", "none"):
            return None
        return problems.problem(
            403,
            "cross-origin",
            "Pages of other sites may not change anything here.",
            "Open Diorama's own page and do it there.",
        )


def _same(given: str, wanted: str) -> bool:
    """In a time that doesn't tell how much of it was right."""
    return secrets.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
