"""The two examples of the analysts' guide, in a browser: from a weekly file to a ticket and to what the next file confirms;
and from a ticket that names a device to its vulnerabilities and one plan for them.

It leaves another HaloITSM connected, so its name puts it after the other files of this folder: they share one world."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from halo_emulator import HaloEmulator
from stand_ins.demo import add_statuses
from stand_ins.screens import PASSWORD, signed_in

PageOf = Callable[..., Page]
pytestmark = pytest.mark.timeout(600)
PATIENCE = 60_000
CONNECTION, SOURCE = "HaloITSM of the guide", "weekly of the guide"
AWAITING_VERIFICATION = 40
COLUMNS = ("Hostname", "CVE", "VPR Score", "Severity", "Vulnerability Name", "Solution", "State")
CRITICAL = ("host07", "CVE-2026-90001", "9.4", "Critical", "Guide: remote code execution", "Install 5.1")
OTHERS = (
    ("host01", "CVE-2026-90002", "5.1", "High", "Guide: privileges", "Install 5.2"),
    ("host01", "CVE-2026-90003", "4.0", "Medium", "Guide: information leak", "Turn it off"),
)


def weekly(folder: Path, name: str, state: str) -> Path:
    """A weekly file; ``state`` is that of the critical finding."""
    file = folder / name
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([COLUMNS, (*CRITICAL, state), *((*row, "Active") for row in OTHERS)])
    return file


def bring(page: Page, file: Path) -> None:
    """An analyst imports a file."""
    page.get_by_role("link", name="Import", exact=True).click()
    page.get_by_label(re.compile("A scanner's report")).set_input_files(file)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Recognised as")).to_be_visible(timeout=PATIENCE)
    page.get_by_label("Source:", exact=True).fill(SOURCE)
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("button", name="Take it in").click(timeout=PATIENCE)
    expect(page.get_by_role("link", name=re.compile(f"New vulnerabilities of {SOURCE}"))).to_be_visible(
        timeout=PATIENCE
    )


def connect(page: Page, halo: HaloEmulator) -> None:
    """An administrator connects a HaloITSM, without a project."""
    page.get_by_role("link", name="HaloITSM", exact=True).click()
    page.get_by_role("link", name=re.compile("Connect")).first.click()
    page.get_by_label("Name:").fill(CONNECTION)
    page.get_by_label("Resource server:").fill(halo.resource_server)
    page.get_by_label("Authorisation server:").fill(halo.auth_server)
    page.get_by_label("Client ID:").fill(halo.client_id)
    page.get_by_label("Client secret:").fill(halo.client_secret)
    for step in ("Status mapping", "Ticket template", "Assignment", "Save and enable"):
        page.get_by_role("button", name="Save and continue").click()
        expect(page.get_by_role("heading", name=step, level=2)).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Save without a project").click()
    expect(page.get_by_role("heading", name=CONNECTION)).to_be_visible(timeout=PATIENCE)


@pytest.fixture(scope="module")
def halo(chromium: Browser, people: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HaloEmulator]:
    """A HaloITSM that is connected. This week's file is taken in."""
    running = HaloEmulator()
    add_statuses(running)
    with running:
        for role, does in (
            ("admin", lambda page: connect(page, running)),
            ("analyst", lambda page: bring(page, weekly(tmp_path_factory.mktemp("files"), "monday.csv", "Active"))),
        ):
            page = signed_in(chromium, people, role, PASSWORD, 1280, "light")
            does(page)
            page.context.close()
        yield running


def test_from_a_weekly_file_to_a_ticket_and_to_what_the_next_file_confirms(
    page_of: PageOf, halo: HaloEmulator, tmp_path: Path
) -> None:
    page = page_of("analyst")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="Vulnerabilities", exact=True).click()
    page.get_by_label("Words of the title").fill("remote code execution")
    page.get_by_role("link", name="Guide: remote code execution").click()
    page.get_by_role("link", name="Open HaloITSM ticket").click()
    page.get_by_label("HaloITSM connection").select_option(CONNECTION)
    page.get_by_role("button", name="Show").click()
    # Filled in: by the template for critical ones, with 7 days.
    expect(page.locator("#id_template")).to_have_value("critical")
    due = datetime.now(timezone.utc).date() + timedelta(days=7)  # the service's day, whatever the reader's
    expect(page.get_by_label("Due date")).to_have_value(due.isoformat())
    details = page.get_by_label("Details:")
    for told in ("host07", "CVE-2026-90001", "9.4"):
        expect(details).to_have_value(re.compile(re.escape(told)))
    page.get_by_label("Estimate").fill("2 hours")
    page.get_by_role("button", name="Copy template").click()
    expect(page.get_by_text("The text is on the clipboard.")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "CVE-2026-90001" in copied and "9.4" in copied and "host07" in copied
    page.get_by_role("button", name="Open the ticket").click()
    expect(page.get_by_text("there is a ticket.")).to_be_visible(timeout=PATIENCE)
    (made,) = [ticket for ticket in halo.tickets.values() if "CVE-2026-90001" in str(ticket)]
    assert str(made["deadlinedate"]).startswith(due.isoformat()) and "2 hours" in made["details"]

    # Somebody does it, and says so in HaloITSM: it is addressed, until the next scan.
    halo.change_ticket(made["id"], status_id=AWAITING_VERIFICATION, agent_id=3)
    page.get_by_role("link", name=re.compile(f"^{made['id']}")).first.click()
    ticket = page.url
    lead = page_of("approver")
    lead.goto(ticket)
    lead.get_by_role("link", name=re.compile("Single tickets by vulnerability")).click()
    lead.get_by_role("button", name="Run now").click()
    vulnerability = page.get_by_role("link", name="Guide: remote code execution").first
    vulnerability.click()
    waits = page.get_by_text("addressed, waiting for the next scan").first
    for _ in range(60):
        if waits.is_visible():
            break
        page.wait_for_timeout(1000)
        page.reload()
    expect(waits).to_be_visible()

    bring(page, weekly(tmp_path, "next monday.csv", "Fixed"))
    page.goto(ticket)
    closed = page.get_by_text("(in HaloITSM: Remediated)")
    for _ in range(60):
        if closed.is_visible():
            break
        page.wait_for_timeout(1000)
        page.reload()
    expect(closed).to_be_visible()
    assert len([one for one in halo.tickets.values() if "CVE-2026-90001" in str(one)]) == 1


def test_from_a_ticket_that_names_a_device_to_one_plan_for_it(page_of: PageOf, halo: HaloEmulator) -> None:
    page = page_of("analyst")
    number = halo.log_ticket(summary="HOST01 is slow since Monday", details="Please look at it")["id"]
    page.get_by_role("link", name="Tickets", exact=True).click()
    page.get_by_role("link", name="From any ticket of HaloITSM to vulnerabilities").click()
    page.get_by_label("HaloITSM's number").fill(str(number))
    page.locator("select[name=connection]").select_option(CONNECTION)
    page.get_by_role("button", name="Look up").click()
    row = page.get_by_role("region", name="Devices of the ticket").get_by_role("row", name=re.compile("host01"))
    expect(row.get_by_role("cell").first).to_have_text("2")
    row.get_by_role("link", name=re.compile("^Those of host01")).click()
    table = page.get_by_role("region", name="Vulnerabilities, a table")
    expect(table.get_by_role("link", name=re.compile("^Guide: "))).to_have_count(2)
    page.go_back()
    page.get_by_role("link", name=re.compile("^One plan for")).click()
    expect(page.get_by_text("2 findings are open on it")).to_be_visible()
    solution = page.get_by_role("region", name="Solutions").get_by_role("row").nth(1)
    expect(solution).to_contain_text("host01")
