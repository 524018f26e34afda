"""What a request must be to reach the app, and what every answer carries.

The app serves one person on one machine, yet every web page in that person's browser can send requests to it. So:
only known names in ``Host`` (a hostile page can point its own name at 127.0.0.1), writes only from our own pages, no
CORS, and answers that no other site can embed or run.

Where it has users (`server.users`; always, where others reach it), nothing is answered without a token: typed into the
page that asks for it or once in an address's query, which are exchanged for a cookie, or in `Authorization: Bearer` for
programs. Only probes of a service's health are let through.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diorama.server import problems
from diorama.server.users import SOLE, Users

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

HEADERS = {
    # The API's own answers are data; should a browser show one as a page after all, it runs nothing and is nobody's.
    # The pages bring a policy of their own.
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "sandbox",
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

PLAIN_COOKIE = "diorama"
"""Where the page came by plain HTTP, by which browsers don't keep the other one."""

LOGIN = "/login"
LOGIN_BYTES = 4096
"""More than a form with a token takes."""

UPLOAD = ("POST", "/api/v1/jobs")
"""What takes photos, with limits of its own (`server.limits`)."""

BODY_BYTES = 16 << 20
"""Of every other request, which is held in memory: twice what all strokes take that a job may have."""

STALL_SECONDS = 60.0
"""Who has sent nothing for so long, though there is more to come, is not waited for: connections are few."""

PROBES = frozenset({"/healthz", "/readyz"})
"""Asked by those who restart or leave out a service that isn't well; they say nothing about anybody's jobs."""

_STRANGER = "This Diorama lets in who has a token."
_STRANGER_HINT = (
    "Scan the QR code in the terminal where it was started or open the link that stands there, or type your token here."
)
_STYLE = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}"
    "input,button{font:inherit;padding:.4rem .6rem;margin:.3rem 0}"
)
_LOGIN_PAGE = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Diorama</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>
<body><main><h1>Diorama</h1><p>{_STRANGER} {_STRANGER_HINT}</p>
<form method="post" action="{LOGIN}"><label>Token <input type="password" name="token" required
autocomplete="current-password"></label> <button>Go in</button></form></main></body></html>"""
_LOGIN_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


class Guard:
    """ASGI middleware: the host allow-list, the same-origin check on writes, who asks, and the headers of every answer.

    Args:
        hosts: names that are answered, besides those of the loopback.
        users: who is let in; everybody where there are none.
        probes: whether `PROBES` are answered without a token.
    """

    def __init__(
        self, app: ASGIApp, hosts: Iterable[str] = (), users: Users | None = None, *, probes: bool = True
    ) -> None:
        self.app = app
        self.users = users or Users()
        self.open = PROBES if probes else frozenset()
        self.hosts = {name.lower() for name in (*LOOPBACK, *hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        headers = Headers(scope=scope)
        limited, count = (scope["method"], scope["path"]) != UPLOAD, 0
        unread = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

        async def receive_and_note() -> Message:
            nonlocal unread, count
            try:
                async with asyncio.timeout(STALL_SECONDS if unread else None):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
            unread = unread and message.get("more_body", False)
            count += len(message.get("body", b""))
            if limited and count > BODY_BYTES:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
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
        if refusal is None and limited:
            refusal = _refuse_size(headers)
        app: ASGIApp = self.app if refusal is None else problems.response(refusal)
        if refusal is None and self.users and scope["path"] not in self.open:
            app = await self._admit(scope, headers, receive_and_note) or self.app
        scope.setdefault("state", {}).setdefault("user", SOLE)
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

    async def _admit(self, scope: Scope, headers: Headers, receive: Receive) -> Response | None:
        """None for who has a token; else the answer: a cookie for one that was shown, or a refusal."""
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        shown = [value for name, value in pairs if name == "token"]
        if shown and scope["method"] in SAFE_METHODS and self.users.who(shown[0]) is not None:
            # Out of the address, so that it stays in no history; one slash, or it could be another host.
            rest = urlencode([pair for pair in pairs if pair[0] != "token"])
            return _let_in(shown[0], f"/{quote(scope['path'].lstrip('/'))}{'?' if rest else ''}{rest}", scope, headers)
        if scope["path"] == LOGIN and scope["method"] == "POST":
            typed = await _typed(Request(scope, receive))
            if self.users.who(typed) is not None:
                return _let_in(typed, "/", scope, headers)
            return _refusal(headers)
        user = self.users.who(_given(scope, headers))
        if user is None:
            return _refusal(headers)
        scope.setdefault("state", {})["user"] = user
        return None

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


def _refuse_size(headers: Headers) -> problems.Problem | None:
    declared = headers.get("content-length", "")
    if not declared.isdigit() or (len(declared) < 12 and int(declared) <= BODY_BYTES):
        return None
    return problems.problem(
        413, "body-too-large", f"The request's body is larger than {BODY_BYTES >> 20} MB.", "Only photos may be larger."
    )


def user_of(request: Request) -> str:
    """The name of the user who asks."""
    return str(getattr(request.state, "user", SOLE))


def _given(scope: Scope, headers: Headers) -> str:
    """The token that comes with a request; empty where there is none."""
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return bearer.strip()
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    found = cookies.get(COOKIE) or (cookies.get(PLAIN_COOKIE) if not _encrypted(scope, headers) else None)
    return found.value if found else ""


def _encrypted(scope: Scope, headers: Headers) -> bool:
    """Whether the browser speaks HTTPS. A proxy's word is enough: who forges it only loses his own cookie."""
    return scope["scheme"] == "https" or headers.get("x-forwarded-proto", "").lower() == "https"


def _let_in(token: str, location: str, scope: Scope, headers: Headers) -> Response:
    answer = RedirectResponse(location, 303)
    secure = _encrypted(scope, headers)
    name = COOKIE if secure else PLAIN_COOKIE
    answer.set_cookie(name, token, secure=secure, httponly=True, samesite="strict", path="/")
    return answer


def _refusal(headers: Headers) -> Response:
    if "text/html" in headers.get("accept", ""):
        answer: Response = HTMLResponse(_LOGIN_PAGE, 401)
        answer.headers["Referrer-Policy"] = "same-origin"  # with none, browsers send the form with the origin "null"
        answer.headers["Content-Security-Policy"] = _LOGIN_POLICY
    else:
        answer = problems.response(problems.problem(401, "no-token", _STRANGER, _STRANGER_HINT))
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


async def _typed(request: Request) -> str:
    """The token of a login form."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LOGIN_BYTES:
            return ""
    return dict(parse_qsl(body.decode("utf-8", "replace"))).get("token", "").strip()
