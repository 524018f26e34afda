"""What may be chosen for a page to share."""

from __future__ import annotations

from diorama.products.product import Options, option


class PageOptions(Options):
    """Of `.html`: the words in the page."""

    title: str | None = option(
        None, label="Title", why="The page's heading and its name in the browser. The photo's name otherwise.",
        max_length=200,
    )  # fmt: skip
    alt: str | None = option(
        None, label="Description",
        why="What is seen, for those who don't see it, and for other sites' previews. The advisor's caption otherwise.",
        max_length=500,
    )  # fmt: skip
