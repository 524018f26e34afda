"""axe-core's rules (WCAG 2.2 A and AA, best practices) on a page as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tools

if TYPE_CHECKING:
    from playwright.sync_api import Page

SERIOUS = ("serious", "critical")

_RUN = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations.map(({ id, impact, help, nodes }) => ({
    id, impact, help, places: nodes.map((node) => [node.target.flat().join(" "), node.failureSummary]),
  }));
}"""


def check(page: Page, where: str) -> None:
    """Nothing serious is wrong with the page, shadow roots included.

    Raises:
        AssertionError: something is; the message names rules and elements.
    """
    script = (tools.need("axe") / "axe.min.js").read_text(encoding="utf-8")
    page.evaluate(script)  # by the debugger: the page's policy would not let it in
    serious = [one for one in page.evaluate(_RUN) if one["impact"] in SERIOUS]
    lines = [f"{one['id']} ({one['impact']}): {one['help']}\n    {one['places'][:4]}" for one in serious]
    assert not lines, "\n".join([where, *lines])
