"""The pages in a real Chromium, over a service that is served as people serve it, on the believable world."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from stand_ins.screens import CHROMIUM, PASSWORD, signed_in
from stand_ins.serve import Served, Story, world

ROLES = ("viewer", "analyst", "approver", "admin")


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The world, with a user of each role who is called like it. What the service's commands set is put back."""
    before = dict(os.environ)
    folder = tmp_path_factory.mktemp("world")
    try:
        with world(folder) as made:
            (folder / "password").write_text(PASSWORD, encoding="utf-8")
            for role in ROLES:
                words = ("user", "add", role, "--role", role, "--password-file", str(folder / "password"))
                made.service(*words)
            yield made
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def served(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the service."""
    process = Served(tmp_path_factory.mktemp("served") / "log")
    yield process.address
    process.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page_of(chromium: Browser, served: str) -> Iterator[Callable[..., Page]]:
    """``page_of("approver")``: a browser in which somebody with that role has signed in, by default a wide one."""
    opened: list[Page] = []

    def page(role: str, width: int = 1280, scheme: str = "light") -> Page:
        opened.append(signed_in(chromium, served, role, PASSWORD, width, scheme))
        return opened[-1]

    yield page
    for one in opened:
        one.context.close()
