"""One question to a server of OpenAI's chat completions: bounded in time, size and tries, and mum about the key.

Environment: ``OPENAI_API_KEY``, ``OPENAI_BASE_URL`` (OpenAI's own where unset; Ollama, vLLM, llama.cpp and LM Studio
serve as well), ``DIORAMA_ADVISOR_MODEL`` and ``DIORAMA_ADVISOR_SECONDS`` (how long one question may take).
"""

from __future__ import annotations

import ipaddress
import json
import math
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from diorama import weights
from diorama.errors import DownloadError, ModelError

MODEL = "gpt-4.1"
"""Looks closely, follows a schema, and doesn't think for a minute first."""

OPENAI = "https://api.openai.com/v1"

SECONDS = 90.0
"""For one question, all tries together: GPT-4.1 takes ten to thirty."""

CONNECT_SECONDS = 10.0
TRIES = 3

PAUSE_SECONDS = 0.5
"""Before the second try, where the server names no time; doubled before the third."""

LONGEST_PAUSE = 20.0
"""A server that asks to be left alone for longer is not waited for."""

MAX_ANSWER = 1 << 20
"""Bytes: thirty times the longest answer that fits the schema."""

MAX_TOKENS = 6000
"""Of an answer: five times what twenty segments need."""

_RETRIED = {408, 409, 425, 429, 500, 502, 503, 504}
_HINT_SERVER = "Check the network and OPENAI_BASE_URL."


@dataclass(frozen=True)
class Service:
    """Who is asked. The key shows in no representation of it."""

    url: str  # without a user's name or password
    model: str
    seconds: float
    key: str = field(repr=False, compare=False, default="")
    login: str = field(repr=False, compare=False, default="")  # the address as given, where it holds a name or password

    @property
    def host(self) -> str:
        """Where the picture goes, for a person."""
        return urlsplit(self.url).netloc

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI's own: others know neither its newest options nor its prices."""
        return (urlsplit(self.url).hostname or "").endswith("openai.com")

    @property
    def identity(self) -> str:
        """What tells its answers from others'."""
        return f"{self.model} at {self.url}"


class _StatusError(Exception):
    """An answer other than 200; nothing of its text is kept, for servers repeat keys in it."""

    def __init__(self, status: int, wait: float | None) -> None:
        super().__init__(status)
        self.status = status
        self.wait = wait


class _TooLargeError(Exception):
    """The answer goes on and on."""


def described() -> Service:
    """The service that the environment names, whether it can be asked or not.

    Raises:
        ModelError: `OPENAI_BASE_URL` is no address.
    """
    given = os.environ.get("OPENAI_BASE_URL", "").strip() or OPENAI
    try:
        parts = urlsplit(given)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise ModelError("OPENAI_BASE_URL is no web address.", hint="Give one such as http://127.0.0.1:11434/v1.")
    shown = f"[{host}]" if ":" in host else host
    url = f"{parts.scheme}://{shown}{f':{port}' if port else ''}{parts.path.rstrip('/')}"
    model = os.environ.get("DIORAMA_ADVISOR_MODEL", "").strip()[:200] or MODEL
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    return Service(url, model, _seconds(), key, given if parts.username or parts.password else "")


def ready() -> Service:
    """The service, once it is known that it may be asked.

    Raises:
        ModelError: there is no key, the `openai` package is missing, or Diorama is offline and the server is elsewhere.
    """
    import importlib.util

    service = described()
    if importlib.util.find_spec("openai") is None:
        raise ModelError("The openai package is not installed.", hint="Install it with: pip install openai.")
    if weights.is_offline() and not _is_here(service):
        raise ModelError(
            f"Diorama is offline, so {service.host} is not asked.", hint="Leave --offline and DIORAMA_OFFLINE out."
        )
    if not service.key and service.is_openai:
        raise ModelError("OpenAI needs a key.", hint="Set OPENAI_API_KEY, or OPENAI_BASE_URL to a server of your own.")
    return service


def ask(service: Service, messages: list[dict[str, Any]], schema: dict[str, Any]) -> str:
    """Send one question -> the text of the answer.

    Raises:
        ModelError: the server refuses, or its answer is no chat completion or too large.
        DownloadError: it can't be reached, breaks off, or takes longer than `Service.seconds`.
    """
    deadline = time.monotonic() + service.seconds
    body = request(service, messages, schema)
    pause = PAUSE_SECONDS
    for left in range(TRIES, 0, -1):
        try:
            return _text(_bounded(service, body, deadline), service)
        except _StatusError as error:
            if error.status in (400, 422) and "response_format" in body:
                # A server that knows no schemas; the question describes the answer in words as well.
                body = {name: value for name, value in body.items() if name != "response_format"}
                continue
            wait = pause if error.wait is None else error.wait
            if error.status not in _RETRIED or left == 1 or wait > min(LONGEST_PAUSE, deadline - time.monotonic()):
                raise _refusal(service, error) from None
        except ConnectionError as error:
            wait = pause
            if left == 1 or wait > deadline - time.monotonic():
                raise DownloadError(str(error), hint=_HINT_SERVER) from None
        time.sleep(max(0.0, wait))
        pause *= 2
    raise ModelError(f"{service.host} refused the question.", hint="Try another model: DIORAMA_ADVISOR_MODEL.")


def request(service: Service, messages: list[dict[str, Any]], schema: dict[str, Any]) -> dict[str, Any]:
    """The body that is sent."""
    body: dict[str, Any] = {
        "model": service.model,
        "messages": messages,
        "response_format": {"type": "json_schema", "json_schema": schema},
        # OpenAI's newer models refuse the older name, and other servers ignore the newer one.
        ("max_completion_tokens" if service.is_openai else "max_tokens"): MAX_TOKENS,
    }
    if service.model.startswith(("gpt-4", "gpt-3")) or not service.is_openai:
        body["temperature"] = 0  # reasoning models allow no other than their own
    return body


def _bounded(service: Service, body: dict[str, Any], deadline: float) -> bytes:
    """`_send` in a thread that is left behind at the deadline: no library's time-out holds for name resolution, nor for
    a server that sends a byte a second."""
    outcome: list[bytes | Exception] = []

    def work() -> None:
        try:
            outcome.append(_send(service, body, deadline))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=work, name="diorama-advisor", daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    found = outcome[0] if outcome else TimeoutError()
    if isinstance(found, bytes):
        return found
    cause = found.__cause__ if isinstance(found.__cause__, _StatusError) else found
    if isinstance(cause, _StatusError):
        raise cause from None
    if isinstance(found, _TooLargeError):
        raise ModelError(f"The answer of {service.host} is too large.", hint="Try another model.") from None
    if isinstance(found, TimeoutError) or type(found).__name__ == "APITimeoutError":
        raise DownloadError(
            f"{service.host} didn't answer within {service.seconds:g} s.",
            hint="Try again, or give it more time with DIORAMA_ADVISOR_SECONDS.",
        ) from None
    # Not chained, and only the error's kind is named: the request in its context holds the key.
    kind = type(found.__cause__ or found).__name__
    raise ConnectionError(f"The connection to {service.host} failed ({kind}).") from None


def _send(service: Service, body: dict[str, Any], deadline: float) -> bytes:
    from openai import DefaultHttpxClient, OpenAI, Timeout

    def check(response: Any) -> None:
        # Before the package reads an error's text, however long that is.
        if response.status_code != 200:
            raise _StatusError(response.status_code, _wait(response.headers.get("retry-after")))

    seconds = max(0.1, deadline - time.monotonic())
    timeout = Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))
    with (
        DefaultHttpxClient(timeout=timeout, follow_redirects=False, event_hooks={"response": [check]}) as http,
        OpenAI(
            api_key=service.key or "none",
            base_url=service.login or service.url,
            timeout=timeout,
            max_retries=0,
            http_client=http,
            default_headers={"Accept-Encoding": "identity"},
        ) as client,
        client.chat.completions.with_streaming_response.create(**body) as response,
    ):
        answer = bytearray()
        for piece in response.iter_bytes():
            answer += piece
            if len(answer) > MAX_ANSWER:
                raise _TooLargeError
            if time.monotonic() > deadline:
                raise TimeoutError
        return bytes(answer)


def _text(answer: bytes, service: Service) -> str:
    """What the model said, without the key should it be in there."""
    try:
        choice = json.loads(answer)["choices"][0]
        message = choice["message"]
        content = message.get("content")
        if isinstance(content, list):  # some servers answer in parts
            content = "".join(str(part.get("text", "")) for part in content)
        refused = bool(message.get("refusal")) or choice.get("finish_reason") == "content_filter"
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ModelError(f"The answer of {service.host} is no chat completion.", hint=_HINT_SERVER) from None
    if refused:
        raise ModelError(
            f"{service.model} refused to look at this photo.", hint="Use the local advisor for it, or another model."
        )
    if not isinstance(content, str) or not content.strip():
        raise ModelError(f"{service.model} answered nothing.", hint="Try again, or use another model.")
    return content.replace(service.key, "(key)") if len(service.key) > 3 else content


def _refusal(service: Service, error: _StatusError) -> ModelError:
    status, host = error.status, service.host
    if status in (401, 403):
        return ModelError(f"{host} refused the key (HTTP {status}).", hint="Check OPENAI_API_KEY and what it may use.")
    if status == 404:
        return ModelError(
            f"{host} knows no model named {service.model}, or has no chat completions there (HTTP 404).",
            hint="Check DIORAMA_ADVISOR_MODEL and OPENAI_BASE_URL.",
        )
    if status == 429:
        wait = "" if error.wait is None else f" and asks to wait {error.wait:.0f} s"
        return ModelError(
            f"{host} has had too many requests, or the account has no credit left{wait} (HTTP 429).",
            hint="Wait a little, or check the account.",
        )
    if status >= 500:
        return ModelError(f"{host} has a problem of its own (HTTP {status}).", hint="Try again later.")
    return ModelError(f"{host} refused the question (HTTP {status}).", hint="Try another model, or check the address.")


def _wait(header: str | None) -> float | None:
    """Seconds that a Retry-After asks for: a number, or a date."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        from email.utils import parsedate_to_datetime

        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds() -> float:
    try:
        seconds = float(os.environ.get("DIORAMA_ADVISOR_SECONDS", ""))
    except ValueError:
        return SECONDS
    return min(3600.0, max(0.5, seconds)) if math.isfinite(seconds) else SECONDS


def _is_here(service: Service) -> bool:
    """Whether the server runs on this machine, which no network is needed for."""
    host = urlsplit(service.url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
