"""Whoever has no token is shown a page that asks for it; typed there, it lets the browser in."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import uvicorn

import browsing
from diorama.server import create_app
from diorama.server.users import Users

TOKEN = "anna-" * 5

pytestmark = [pytest.mark.browser, pytest.mark.needs("chromium")]


def test_a_token_is_typed_once(tmp_path: Path) -> None:
    app = create_app(tmp_path, fetch=False, users=Users({"anna": TOKEN}))
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        with browsing.chromium() as browser:
            page = browser.new_page()
            page.goto(f"{address}/jobs/{'x' * 22}")
            for typed, title in (("wrong", "Diorama"), (TOKEN, "one photo into a 3D scene")):
                page.get_by_label("Token").fill(typed)
                page.get_by_role("button", name="Go in").click()
                page.wait_for_function("title => document.title.includes(title)", arg=title)
            assert page.goto(address).status == 200  # type: ignore[union-attr]
            assert [cookie["httpOnly"] for cookie in page.context.cookies()] == [True]
    finally:
        server.should_exit = True
        thread.join()
        app.state.context.store.close()
