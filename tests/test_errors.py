"""The error tree in the docstring is the real one, and no error loses its hint on the way to the user."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator

import pytest

from diorama import errors
from diorama.errors import DioramaError


def _tree(kind: type[DioramaError], parent: str = "") -> Iterator[tuple[type[DioramaError], str]]:
    yield kind, parent
    for child in kind.__subclasses__():
        if child.__module__ == "diorama.errors":
            yield from _tree(child, kind.__name__)


KINDS = [kind for kind, _ in _tree(DioramaError)]


def _drawn() -> dict[str, tuple[str, int, int]]:
    """What the docstring draws: name -> (parent, exit code, HTTP status)."""
    drawn: dict[str, tuple[str, int, int]] = {}
    above: list[tuple[int, str]] = []
    assert errors.__doc__ is not None
    for line in errors.__doc__.splitlines():
        entry = re.match(r"^ {4}([│ ]*[├└]── )?(\w+Error)\b.*?(?:exit (\d+), HTTP (\d+))?$", line)
        if entry is None:
            continue
        indent = len(entry[1] or "")
        above = [(at, name) for at, name in above if at < indent]
        drawn[entry[2]] = (above[-1][1] if above else "", int(entry[3] or 1), int(entry[4] or 500))
        above.append((indent, entry[2]))
    return drawn


def test_the_drawn_tree_is_the_real_one() -> None:
    real = {kind.__name__: (parent, kind.exit_code, kind.http_status) for kind, parent in _tree(DioramaError)}
    assert _drawn() == real


def test_no_module_makes_error_classes_of_its_own_outside_the_tree() -> None:
    defined = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert defined == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_message_and_hint_survive_a_process_boundary(kind: type[DioramaError]) -> None:
    error = kind("The photo is empty.", hint="Choose another one.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.message, again.hint) == ("The photo is empty.", "Choose another one.")
    assert str(again) == "The photo is empty. Choose another one."


@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_fit_for_urls_and_shells(kind: type[DioramaError]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind("No.", hint="Yes.").code)
    assert 1 <= kind.exit_code <= 125  # 126 and up are the shell's own
    assert 400 <= kind.http_status <= 599
    assert kind.__doc__


def test_codes_are_unique() -> None:
    codes = [kind("No.", hint="Yes.").code for kind in KINDS]
    assert len(set(codes)) == len(codes)
    assert errors.PhotoTooLargeError("Too large.", hint="Use a smaller one.").code == "photo-too-large"


def test_a_hint_is_not_optional() -> None:
    with pytest.raises(TypeError):
        DioramaError("What now?")  # type: ignore[call-arg]
