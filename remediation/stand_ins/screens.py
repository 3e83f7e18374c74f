"""``make screens``: a picture of every page, wide and narrow, light and dark, and all of them on one contact sheet.

The pages are those of the believable world (``stand_ins.serve``), as an administrator sees them.
"""

from __future__ import annotations

import html
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import typer
from playwright.sync_api import Browser, Page, sync_playwright

from stand_ins.serve import Served, world

CHROMIUM = "/usr/bin/chromium"
PASSWORD = "an invented password"  # nosec B105: of a world that ends with the command
LOOKS = [(f"{width} {scheme}", width, scheme) for width in (1280, 375) for scheme in ("light", "dark")]
# Not pages: what programs ask, what is an image or a file, and what signs out.
NO_PAGES = ("api/", "healthz", "overview/open.svg", "sign-out/", "first/")


def addresses() -> list[str]:
    """An address of each page that can be looked at, with the first thing that there is for each number or name."""
    from django.urls import URLPattern, get_resolver

    from remediation.store import models

    def patterns(within: object) -> Iterator[URLPattern]:
        for one in within.url_patterns:  # type: ignore[attr-defined]
            if isinstance(one, URLPattern):
                yield one
            else:
                yield from patterns(one)

    first = {
        "vulnerabilities": models.Vulnerability.objects.filter(alive__gt=0).order_by("-rank", "pk"),
        "devices": models.Device.objects.order_by("-critical", "pk"),
        "tickets": models.Ticket.objects.filter(halo_id__isnull=False).order_by("pk"),
    }
    found = []
    for pattern in patterns(get_resolver()):
        route = str(pattern.pattern)
        area = route.partition("/")[0]
        if route.startswith(NO_PAGES):
            continue
        rows = first.get(area)
        number = str(rows.values_list("pk", flat=True).first() or 1) if rows is not None else "1"
        slug = models.Project.objects.order_by("-pk").values_list("slug", flat=True).first() or "none"
        found.append("/" + re.sub(r"<(\w+):\w+>", lambda part, n=number, s=slug: s if part[1] == "slug" else n, route))
    return sorted(set(found))


def signed_in(browser: Browser, address: str, user: str, password: str, width: int, scheme: str) -> Page:
    """A page of somebody who has signed in."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, timezone_id="Europe/Berlin"  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.goto(f"{address}/sign-in/")
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{address}/")
    return page


def sheet(pictures: list[tuple[str, str]]) -> str:
    """The contact sheet as a page. ``pictures`` are names of files, each with what it shows."""
    cells = "".join(
        f'<figure><figcaption>{html.escape(what)}</figcaption><img src="{html.escape(file)}"></figure>'
        for file, what in pictures
    )
    style = "body{display:flex;flex-wrap:wrap;gap:12px;font:14px sans-serif}figure{margin:0}img{height:420px;border:1px solid #888}"
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
                taken = take(served.address, target)
            finally:
                served.stop()
    typer.echo(f"{len(taken)} pictures, and all of them on {target / 'sheet.png'}")
    return 0


def take(address: str, target: Path) -> list[tuple[str, str]]:
    """Take the pictures. Returns their files and what they show."""
    taken = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        pages = addresses_in_a_thread()
        for look, width, scheme in LOOKS:
            page = signed_in(browser, address, "ana", PASSWORD, width, scheme)
            for path in pages:
                if not page.request.get(address + path).ok:
                    continue  # an address that takes forms only, or of something that this world has not
                page.goto(address + path)
                file = (
                    f"{re.sub(r'[^a-z0-9]+', '-', path.lower()).strip('-') or 'overview'}-{look.replace(' ', '-')}.png"
                )
                page.screenshot(path=target / file, full_page=True)
                taken.append((file, f"{path} {look}"))
            page.context.close()
        (target / "sheet.html").write_text(sheet(sorted(taken)), encoding="utf-8")
        overview = browser.new_page(viewport={"width": 2400, "height": 1000})
        overview.goto((target / "sheet.html").as_uri())
        overview.screenshot(path=target / "sheet.png", full_page=True)
        browser.close()
    return taken


def addresses_in_a_thread() -> list[str]:
    """The addresses, asked in a thread of its own: Playwright's is one in which Django refuses to ask a database."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(addresses).result()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "remediation.settings")
    sys.exit(main(sys.argv[1:]))
