"""``make screens``: a picture of every page, wide and narrow, light and dark, and all of them on one contact sheet.

The pages are those of the believable world (``stand_ins.serve``), as an administrator sees them.
"""

from __future__ import annotations

import html
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import typer
from playwright.sync_api import Browser, Page, sync_playwright

from stand_ins.serve import Served, world

CHROMIUM = os.environ.get("REMEDIATION_CHROMIUM") or "/usr/bin/chromium"
# Of a world that ends with the command, made anew each time.
PASSWORD = secrets.token_urlsafe(16)
MISSING = "/no-such-page/"
# Where its readers are.
ZONE = "Europe/Berlin"
LOOKS = [(f"{width} {scheme}", width, scheme) for width in (1280, 375) for scheme in ("light", "dark")]


def crawled(page: Page, address: str) -> Iterator[str]:
    """Goes to each kind of page that links lead to, beginning at the overview, and gives its address: of those that
    differ in a number only, the first."""
    waiting, known = ["/"], {"/"}
    while waiting:
        path = waiting.pop(0)
        answer = page.goto(address + path)
        if answer is None or not answer.ok or "text/html" not in answer.headers.get("content-type", ""):
            continue
        yield path
        for link in page.eval_on_selector_all("a[href]", "links => links.map(link => link.getAttribute('href'))"):
            there = link.partition("#")[0]
            kind = re.sub(r"\d+", "1", there.partition("?")[0])
            if (
                there.startswith("/")
                and not there.endswith((".csv", ".svg", ".yml", ".zip"))
                and "export=" not in there
                and kind not in known
            ):
                known.add(kind)
                waiting.append(there)


def signed_in(browser: Browser, address: str, user: str, password: str, width: int, scheme: str) -> Page:
    """A page of somebody who has signed in."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, timezone_id=ZONE  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.goto(f"{address}/sign-in/")
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{address}/")
    return page


def begin(page: Page, address: str, report: Path) -> None:
    """Begin what only then has pages: a change of the connection, an accepted risk, and the import of a report."""
    page.goto(f"{address}/connections/")
    page.locator("tbody th a").first.click()
    page.get_by_role("button", name="Change the connection").click()
    page.goto(f"{address}/vulnerabilities/")
    page.locator(".listing tbody th a").first.click()
    page.get_by_role("link", name="Accept the risk", exact=True).click()
    page.get_by_label("Why").fill("The machines are replaced in March.")
    page.get_by_role("button", name="Accept the risk").click()
    page.goto(f"{address}/imports/")
    page.set_input_files("input[type=file]", report)
    page.get_by_role("button", name="Send").click()
    page.wait_for_url(re.compile(r"/imports/\d+/$"))


def looked_up(page: Page, address: str) -> str:
    """Goes to what the newest ticket names, to which only a number that is entered leads."""
    page.goto(f"{address}/tickets/")
    path = f"/tickets/look-up?number={page.locator('.listing tbody td.text a').first.inner_text()}"
    page.goto(f"{address}{path}")
    return path


def sheet(pictures: list[tuple[str, str]]) -> str:
    """The contact sheet as a page. ``pictures`` are names of files, each with what it shows."""
    cells = "".join(
        f'<figure><figcaption>{html.escape(what)}</figcaption><img src="{html.escape(file)}"></figure>'
        for file, what in pictures
    )
    style = (
        "body{display:flex;flex-wrap:wrap;gap:12px;font:14px sans-serif}"
        "figure{margin:0}img{height:420px;border:1px solid #888}"
    )
    return f"<!doctype html><meta charset='utf-8'><style>{style}</style>{cells}"


def main(words: list[str]) -> int:
    """Write the pictures, ``sheet.html`` and ``sheet.png`` to a folder, by default ``screens`` here."""
    target = Path(words[0] if words else "screens").resolve()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="remediation-screens-") as place:
        folder = Path(place)
        with world(folder) as story:
            (folder / "password").write_text(PASSWORD, encoding="utf-8")
            story.service("user", "add", "ana", "--administrator", "--password-file", str(folder / "password"))
            served = Served(folder / "served.log")
            try:
                taken = take(served.address, target, folder / "weekly.csv")
            finally:
                served.stop()
    typer.echo(f"{len(taken)} pictures, and all of them on {target / 'sheet.png'}")
    return 0


def take(address: str, target: Path, report: Path) -> list[tuple[str, str]]:
    """Take the pictures. Returns their files and what they show."""
    taken = []

    def draw(page: Page, path: str, look: str) -> None:
        file = f"{re.sub(r'[^a-z0-9]+', '-', path.lower()).strip('-') or 'overview'}-{look.replace(' ', '-')}.png"
        page.screenshot(path=target / file, full_page=True)
        taken.append((file, f"{path} {look}"))

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        first = signed_in(browser, address, "ana", PASSWORD, *LOOKS[0][1:])
        begin(first, address, report)
        first.context.close()
        for look, width, scheme in LOOKS:
            page = signed_in(browser, address, "ana", PASSWORD, width, scheme)
            for path in crawled(page, address):
                draw(page, path, look)
            draw(page, looked_up(page, address), look)
            page.goto(f"{address}{MISSING}")
            draw(page, MISSING, look)
            page.context.clear_cookies()
            page.goto(f"{address}/sign-in/")
            draw(page, "/sign-in/", look)
            page.context.close()
        (target / "sheet.html").write_text(sheet(sorted(taken)), encoding="utf-8")
        overview = browser.new_page(viewport={"width": 2400, "height": 1000})
        overview.goto((target / "sheet.html").as_uri())
        overview.screenshot(path=target / "sheet.png", full_page=True)
        browser.close()
    return taken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
