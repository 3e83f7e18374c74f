"""The pages in a real Chromium, over ``make serve DEMO=1``: the service as people serve it, on the believable world."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from stand_ins.screens import CHROMIUM, PASSWORD, signed_in
from tests.processes import below

ROLES = {"viewer": "Viewer", "analyst": "Analyst", "approver": "Approver"}
PATIENCE = 300  # seconds


@dataclass(frozen=True)
class Served:
    """Where the service is, the link for the first user, its process, and the file with what it says."""

    address: str
    first: str
    process: subprocess.Popen[bytes]
    log: Path


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("served") / "log"
    root = Path(__file__).parents[2]
    with log.open("w", encoding="utf-8") as said:
        command = [sys.executable, "-m", "stand_ins.serve", "--address", "127.0.0.1:0"]
        process = subprocess.Popen(command, cwd=root, stdout=said, stderr=said, env=_environment())
    try:
        deadline = time.monotonic() + PATIENCE
        while not (
            found := re.search(r"Serving at (\S+).*?(http\S+/first/\S+)", log.read_text(encoding="utf-8"), re.S)
        ):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(encoding="utf-8")[-3000:]
            time.sleep(0.2)
        yield Served(found[1], found[2], process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a test that fails, the last that the service said, and where in its code each of its threads is."""
    report = yield
    served = item.funcargs.get("served")
    if report.when == "call" and report.failed and isinstance(served, Served):
        for pid in below(served.process.pid):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if {b"remediation.jobs.worker", b"remediation.web.server"} & set(words):
                os.kill(pid, signal.SIGUSR1)
                time.sleep(0.5)
        report.sections.append(("the service", served.log.read_text(encoding="utf-8")[-8000:]))
    return report


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REMEDIATION_DATA")}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def people(chromium: Browser, served: Served) -> str:
    """The first user, an administrator by the link that is printed, adds one of each other role. Each is called like
    its role. Returns the address of the service."""
    page = chromium.new_page()
    page.goto(served.first)
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password:", exact=True).fill(PASSWORD)
    page.get_by_label("Password confirmation").fill(PASSWORD)
    page.get_by_role("button", name="Make the user and sign in").click()
    for name, role in ROLES.items():
        page.goto(f"{served.address}/users/")
        page.get_by_label("Name:").fill(name)
        page.get_by_label("Role:", exact=True).select_option(role)
        page.get_by_role("button", name="Add").click()
        link = page.locator("code").first.inner_text()
        other = chromium.new_context().new_page()
        other.goto(link)
        other.get_by_label("New password:", exact=True).fill(PASSWORD)
        other.get_by_label("New password confirmation").fill(PASSWORD)
        other.get_by_role("button", name="Save").click()
        other.context.close()
    page.close()
    return served.address


@pytest.fixture
def page_of(chromium: Browser, people: str) -> Iterator[Callable[..., Page]]:
    """``page_of("approver")``: a browser in which somebody with that role has signed in, by default a wide one."""
    opened: list[Page] = []

    def page(role: str, width: int = 1280, scheme: str = "light") -> Page:
        opened.append(signed_in(chromium, people, role, PASSWORD, width, scheme))
        return opened[-1]

    yield page
    for one in opened:
        one.context.close()
