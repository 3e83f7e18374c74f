from __future__ import annotations
import re
import pytest
from .test_pages import violations
pytestmark = pytest.mark.timeout(900)
def test_mine(page_of, people):
    troubles = []
    for width, scheme in ((375, "dark"), (1280, "light")):
        page = page_of("admin", width, scheme)
        page.on("console", lambda said: troubles.append(f"{page.url}: {said.text}") if said.type == "error" else None)
        for path in ("/remedies/", "/weekly/", "/weekly/settings", "/weekly/print", "/tickets/"):
            page.goto(people + path)
            todo = [path]
            if path in ("/remedies/", "/tickets/"):
                link = page.locator("tbody th a, tbody td a").first.get_attribute("href")
                page.goto(people + link)
                todo = []
                more = page.locator("a[href$=playbook]").first
                more.click()
                page.wait_for_url("**/playbook")
            troubles += [f"{page.url}: {one}" for one in violations(page)]
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if wide > 0: troubles.append(f"{page.url}: {wide} too wide")
            page.screenshot(path=f"/tmp/w/shot-{width}-{path.strip('/').replace('/','-')}.png", full_page=True)
    print("TROUBLES", troubles)
    assert not troubles
