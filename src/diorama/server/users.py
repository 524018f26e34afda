"""Who may use the server: names and the tokens that stand for them, from the environment.

    DIORAMA_TOKEN=SECRET              one person, who also owns what was made before there was a token
    DIORAMA_TOKENS=anna:SECRET,ben:SECRET
    DIORAMA_TOKENS_FILE=PATH          one `name:SECRET` a line; lines that start with # are left out

Tokens are kept as SHA-256 digests and compared in a time that doesn't tell how much of one was right.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from diorama import logs
from diorama.errors import ServerError

SOLE = ""
"""The user where there is but one; jobs of a server without tokens are this user's."""

SHORTEST_TOKEN = 20
"""Characters. Nobody counts wrong tokens: a good one can't be guessed, however often."""

HOW = "Make one: python -c 'import secrets; print(secrets.token_urlsafe())'"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,39}")
_TOKEN = re.compile(rf"[\x21-\x7e]{{{SHORTEST_TOKEN},}}")


class Users:
    """Names and digests of tokens; false where there is none, and everybody is let in.

    Args:
        tokens: by the user's name.

    Raises:
        ServerError: a name or token can't be used; the sentence doesn't show the token.
    """

    def __init__(self, tokens: Mapping[str, str] | None = None) -> None:
        self._digests: dict[str, bytes] = {}
        for name, token in (tokens or {}).items():
            self._add(name, token)

    def __bool__(self) -> bool:
        return bool(self._digests)

    def __repr__(self) -> str:
        return f"Users({sorted(self._digests)})"

    @property
    def several(self) -> bool:
        """There are users with names."""
        return any(name != SOLE for name in self._digests)

    def who(self, token: str) -> str | None:
        """The name of the user whose token that is; None where it is nobody's."""
        given = _digest(token)
        found = None
        for name, digest in self._digests.items():  # all of them, whichever it is
            if hmac.compare_digest(given, digest):
                found = name
        return found

    def with_sole(self, token: str) -> Users:
        """These, and the user without a name."""
        more = Users({SOLE: token})
        more._digests = self._digests | more._digests
        return more

    def _add(self, name: str, token: str) -> None:
        who = f" of '{name}'" if name else ""
        if name != SOLE and not _NAME.fullmatch(name):
            raise ServerError(
                f"'{name[:40]}' is no name for a user.", hint="Use up to 40 letters, digits and any of _ . @ -"
            )
        if not _TOKEN.fullmatch(token):
            raise ServerError(
                f"The token{who} is shorter than {SHORTEST_TOKEN} characters or holds spaces or odd signs.", hint=HOW
            )
        if name in self._digests:
            raise ServerError(f"There are two tokens{who}.", hint="Give every user one token.")
        if _digest(token) in self._digests.values():
            raise ServerError(f"The token{who} is another user's as well.", hint=f"Give each one their own. {HOW}")
        self._digests[name] = _digest(token)
        logs.hide(token)


def from_environment(environment: Mapping[str, str] | None = None) -> Users:
    """The users that the environment names.

    Raises:
        ServerError: a name or token can't be used, or the file of tokens can't be read.
    """
    given = os.environ if environment is None else environment
    users = Users()
    if given.get("DIORAMA_TOKEN"):
        users._add(SOLE, given["DIORAMA_TOKEN"])
    for source, text in (
        ("DIORAMA_TOKENS", given.get("DIORAMA_TOKENS", "").replace(",", "\n")),
        ("DIORAMA_TOKENS_FILE", _read(given.get("DIORAMA_TOKENS_FILE", ""))),
    ):
        for line in text.splitlines():
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            name, colon, token = line.partition(":")
            if not colon or not name:
                raise ServerError(f"{source} has an entry that is not name:token.", hint="Such as anna:SECRET.")
            users._add(name.strip(), token.strip())
    return users


def hosts_from_environment() -> list[str]:
    """`DIORAMA_HOSTS`: names, separated by commas, to which the server answers besides its own."""
    return [name.strip() for name in os.environ.get("DIORAMA_HOSTS", "").split(",") if name.strip()]


def new_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _read(path: str) -> str:
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ServerError(
            f"DIORAMA_TOKENS_FILE {path} can't be read: {reason}.", hint="Give the path of a file of name:token lines."
        ) from error
