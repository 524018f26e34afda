"""Code that is wider than its place scrolls: by keys as well (WCAG 2.1.1)."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    app.connect("html-page-context", _reachable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _reachable(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _tree: object) -> None:
    if "body" in context:
        context["body"] = context["body"].replace("<pre>", '<pre tabindex="0">')
