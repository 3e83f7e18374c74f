"""What people do in a real browser: from nothing to tickets, from a file to a plan, one click, an approval; by keyboard,
on a phone, in the dark, and without anything that axe calls a serious violation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import ConsoleMessage, Page, expect

from halo_emulator import HaloEmulator
from stand_ins.demo import add_statuses
from stand_ins.screens import crawled
from stand_ins.serve import SERVERS

PageOf = Callable[..., Page]
# A page after the other, and real runs: on a busy machine, minutes.
pytestmark = pytest.mark.timeout(600)
SERIOUS = ("serious", "critical")


def violations(page: Page, *rules: str) -> list[str]:
    """What axe finds by some rules, or by all, by ``evaluate``: the content policy lets no script into a page by a
    tag."""
    page.evaluate(Path(AXE_FILE_PATH).read_text(encoding="utf-8") + "; undefined")
    found = page.evaluate("chosen => axe.run(chosen)", {"runOnly": list(rules)} if rules else {})["violations"]
    return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in SERIOUS]


def is_trouble(said: ConsoleMessage) -> bool:
    """Whether a message of the browser is about an error. What is no page has no icon, for which it asks by itself."""
    return said.type == "error" and not said.location.get("url", "").endswith("/favicon.ico")


def test_no_page_has_a_serious_violation_or_scrolls_sideways_on_a_phone(page_of: PageOf, people: str) -> None:
    page = page_of("admin", 375)
    troubles: list[str] = []
    page.on("console", lambda said: troubles.append(f"{page.url}: {said.text}") if is_trouble(said) else None)
    seen = []
    for path in crawled(page, people):
        seen.append(path)
        troubles += [f"{path}: {one}" for one in violations(page)]
        # The same page in the dark differs in its colours only.
        page.emulate_media(color_scheme="dark")
        troubles += [f"{path}, dark: {one}" for one in violations(page, "color-contrast")]
        page.emulate_media(color_scheme="light")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        troubles += [f"{path}: {wide} px too wide"] if wide > 0 else []
    assert len(seen) > 20, seen
    assert not troubles, "\n".join(troubles)


def test_a_held_run_is_approved_and_carried_out(page_of: PageOf) -> None:
    viewer = page_of("viewer")
    viewer.get_by_role("link", name=SERVERS).first.click()
    expect(viewer.get_by_text("Held", exact=True)).to_be_visible()
    expect(viewer.get_by_role("button", name=re.compile("Approve"))).to_have_count(0)
    page = page_of("approver")
    page.get_by_role("link", name=SERVERS).first.click()
    page.get_by_text("What it writes, and the evidence").first.click()
    expect(page.get_by_text("Comment", exact=True).first).to_be_visible()
    page.get_by_role("button", name=re.compile("Approve plan")).click()
    expect(page.get_by_text(re.compile("is approved"))).to_be_visible()
    # The page asks by itself how far the run is, and shows what it has changed.
    expect(page.get_by_text(re.compile(r"project, .*: done"))).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name=re.compile("Approve plan"))).to_have_count(0)
    expect(page.get_by_text("7 of 12 tickets are closed")).to_be_visible()


def test_one_click_makes_a_ticket(page_of: PageOf) -> None:
    page = page_of("analyst")
    page.get_by_role("link", name="Vulnerabilities", exact=True).click()
    page.get_by_label("Words of the title").press_sequentially("printer")
    expect(page.get_by_text(re.compile("^1 row"))).to_be_visible()
    page.get_by_role("link", name="Printer: stack overflow").click()
    page.get_by_role("link", name="Open HaloITSM ticket").click()
    expect(page.get_by_text("printer7.corp.example").first).to_be_visible()
    page.get_by_role("button", name="Open the ticket").click()
    # The page asks by itself whether the run has made it.
    expect(page.get_by_text("there is a ticket.")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Tickets", exact=True).click()
    expect(page.get_by_role("link", name=re.compile("Printer")).first).to_be_visible()


def test_from_a_ticket_to_the_vulnerabilities_of_the_devices_that_it_names(page_of: PageOf) -> None:
    page = page_of("analyst")
    page.get_by_role("link", name="Tickets", exact=True).click()
    page.get_by_label("Title or number").fill("Upgrade IOS XE")
    number = page.get_by_role("row", name=re.compile("Upgrade IOS XE")).first.get_by_role("link").nth(1).inner_text()
    page.get_by_role("link", name="From any ticket of HaloITSM to vulnerabilities").click()
    page.get_by_label("HaloITSM's number").fill(number)
    page.get_by_role("button", name="Look up").click()
    device = page.get_by_role("region", name="Devices of the ticket").get_by_role("rowheader").first
    page.get_by_role("link", name=f"Those of {device.inner_text()}").click()
    expect(page.get_by_role("region", name="Vulnerabilities, a table")).to_be_visible()
    expect(page).to_have_url(re.compile(r"[?&]device_number=[0-9]+"))
    expect(page.get_by_role("region", name="Vulnerabilities, a table").get_by_role("row")).not_to_have_count(1)


def test_a_file_is_dropped_looked_at_and_taken_in(page_of: PageOf, tmp_path: Path) -> None:
    file = tmp_path / "scan of <b>monday.csv"
    rows = [
        f"kiosk{number}.corp.example,CVE-2026-7{number % 50:04},High,Kiosk flaw {number % 50}"
        for number in range(30_000)
    ]
    file.write_text("Hostname,CVE,Severity,Vulnerability Name\n" + "\n".join(rows) + "\n", encoding="utf-8")
    assert file.stat().st_size > 1 << 20, "larger than what the server takes at once"
    page = page_of("analyst", 375)
    page.get_by_role("link", name="Import", exact=True).click()
    page.get_by_label(re.compile("A scanner's report")).set_input_files(file)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Recognised as")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("heading", name="Import of scan of <b>monday.csv")).to_be_visible()
    page.get_by_label("Source:", exact=True).fill("kiosks")
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_text("What it would change")).to_be_visible(timeout=60_000)
    expect(page.get_by_text(re.compile("30000 new"))).to_be_visible()
    page.get_by_role("button", name="Take it in").click()
    expect(page.get_by_role("link", name=re.compile("New vulnerabilities of kiosks"))).to_be_visible(timeout=60_000)
    # An approver makes a project of it, and sees its first plan; nothing is made of that yet.
    lead = page_of("approver")
    lead.get_by_role("link", name="Projects", exact=True).click()
    lead.get_by_role("link", name="New project").click()
    lead.get_by_label("Name:").fill("Kiosks")
    lead.get_by_label("Source of its findings:").select_option("kiosks")
    lead.get_by_label("HaloITSM connection of its tickets:").select_option("HaloITSM")
    lead.get_by_role("button", name="Make it, and show its first plan").click()
    expect(lead.get_by_role("heading", name="Kiosks", level=1)).to_be_visible()
    expect(lead.get_by_text("Make a ticket", exact=True).first).to_be_visible(timeout=120_000)
    expect(lead.get_by_text(re.compile("Kiosk flaw")).first).to_be_visible()
    expect(lead.get_by_role("button", name="Resume")).to_be_visible()


def test_by_keyboard_alone(page_of: PageOf, people: str) -> None:
    page = page_of("viewer")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Vulnerabilities", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/vulnerabilities/")
    page.get_by_label("Words of the title").focus()
    page.keyboard.type("telnet")
    page.keyboard.press("Enter")
    link = page.get_by_role("link", name="Telnet is enabled").first
    expect(link).to_be_visible()
    link.focus()
    outline = link.evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline != "none", "where the focus is can be seen"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Telnet is enabled", level=1)).to_be_visible()


def test_times_are_the_readers(page_of: PageOf, people: str) -> None:
    page = page_of("viewer")
    page.goto(people)
    expect(page.get_by_text("Times are in Europe/Berlin.")).to_be_visible()


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    """A HaloITSM that nobody has connected yet, as an administrator would have prepared it."""
    running = HaloEmulator()
    add_statuses(running)
    with running:
        yield running


def test_the_wizard_from_nothing_to_the_first_tickets(page_of: PageOf, halo: HaloEmulator) -> None:
    page = page_of("admin")
    page.get_by_role("link", name="HaloITSM", exact=True).click()
    page.get_by_role("link", name=re.compile("Connect")).first.click()
    page.get_by_label("Name:").fill("Second HaloITSM")
    page.get_by_label("Resource server:").fill(halo.resource_server)
    page.get_by_label("Authorisation server:").fill(halo.auth_server)
    page.get_by_label("Client ID:").fill(halo.client_id)
    page.get_by_label("Client secret:").fill("a wrong one")
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("failed", exact=True).first).to_be_visible(timeout=30_000)
    page.get_by_label("Client secret:").fill(halo.client_secret)
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("failed", exact=True)).to_have_count(0, timeout=30_000)
    page.get_by_role("button", name="Save and continue").click()
    expect(page.get_by_role("heading", name="Status mapping")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Save and continue").click()
    expect(page.get_by_role("heading", name="Ticket template")).to_be_visible(timeout=30_000)
    page.get_by_label("Type of a solution's ticket:").select_option("Vulnerability")
    page.get_by_label("Type of the project's ticket:").select_option("Vulnerability")
    page.get_by_role("button", name="Save and continue").click()
    expect(page.get_by_role("heading", name="Assignment")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Save and continue").click()
    expect(page.get_by_role("heading", name="Save and enable")).to_be_visible(timeout=30_000)
    page.get_by_label("Name of the first project:").fill("First of the second")
    page.get_by_label("Findings of:").select_option("weekly report")
    before = len(halo.tickets)
    page.get_by_role("button", name="Save and enable").click()
    expect(page.get_by_role("heading", name=re.compile("First of the second"))).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Make a ticket", exact=True).first).to_be_visible(timeout=60_000)
    assert len(halo.tickets) == before, "the first plan is shown, and nothing is made"
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text(re.compile(r"project, .*: done"))).to_be_visible(timeout=60_000)
    assert len(halo.tickets) > before + 3
