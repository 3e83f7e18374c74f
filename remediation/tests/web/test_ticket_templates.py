"""The pages of templates of tickets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

import pytest
from django.test import Client

from remediation.domain.ticket_template import BUILT_IN
from remediation.store import models
from remediation.store.intake import take_in

from ..store.scans import scan
from .form_in_page import fields_of
from .test_connections import text_of

DAY = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
ROOT = "/settings/ticket-templates/"
GOOD = {
    "name": "Network",
    "team": "Network",
    "summary": "[cve_id] on [hostname]",
    "details": "VPR [vpr_score] [see the wiki]\r\n$SOL_FIX",
    "priority": "high",
    "days": "3",
    "compliance": " PCI DSS 6.3.3 \r\n\r\nAsk [owner].",
}


@pytest.fixture
def source(store: str) -> models.Source:
    row = models.Source.objects.create(name="console", kind="insightvm")
    take_in(row, scan({"web": ["critical-1"]}, DAY))
    return row


def test_a_template_is_made_changed_and_removed(source: models.Source, as_role: Callable[[str], Client]) -> None:
    admin = as_role("admin")
    assert ROOT in admin.get("/settings/").content.decode()
    made = admin.post(f"{ROOT}new", GOOD)
    row = models.TicketTemplate.objects.get()
    assert (made.status_code, made.headers["Location"]) == (302, f"{ROOT}{row.pk}/")
    assert row.details == "VPR [vpr_score] [see the wiki]\n$SOL_FIX" and (row.days, row.priority) == (3, "high")
    assert row.compliance == ["PCI DSS 6.3.3", "Ask [owner]."]
    page = admin.get(f"{ROOT}{row.pk}/")
    assert "not known on web.example" in text_of(page) and "VPR not known [see the wiki]" in text_of(page)
    given = {name: values[0] for name, values in fields_of(page.content.decode(), "summary").items()}
    assert admin.post(f"{ROOT}{row.pk}/", {**given, "days": "", "team": ""}).status_code == 302
    # Who has seen the one before changes nothing.
    late = admin.post(f"{ROOT}{row.pk}/", {**given, "summary": "mine"})
    assert late.status_code == 409 and "Somebody else changed it" in text_of(late)
    row.refresh_from_db()
    assert (row.days, row.team, row.summary, row.version) == (None, "", "[cve_id] on [hostname]", 2)
    assert admin.post(f"{ROOT}{row.pk}/remove").status_code == 302
    assert not models.TicketTemplate.objects.exists()
    whats = list(models.AuditEntry.objects.order_by("pk").values_list("what", "detail"))
    assert whats == [
        ("ticket template made", {}),
        ("ticket template changed", {"fields": ["days", "team"]}),
        ("ticket template removed", {}),
    ]


WRONG = (
    ({"details": "[hostnam]"}, "There is no name [hostnam]. The nearest is [hostname]."),
    ({"summary": "$HOST_NAME_LIST"}, "The nearest is $ASSET_NAME_LIST."),
    ({"compliance": "[due_dat]"}, "The nearest is [due_date]."),
    ({"details": "costs 5$"}, "Write $$ for a dollar sign."),
    ({"name": "critical"}, "There is a template of this name already."),
    ({"name": ""}, "This field is required."),
    ({"days": "-1"}, "greater than or equal to 0"),
    ({"priority": "urgent"}, "not one of the available choices"),
    ({"details": "x" * 20_001}, "at most 20000 characters"),
)


def test_what_is_refused_and_what_it_would_say_while_somebody_types(
    source: models.Source, as_role: Callable[[str], Client]
) -> None:
    admin = as_role("admin")
    for change, said in WRONG:
        page = admin.post(f"{ROOT}new", {**GOOD, **change})
        assert page.status_code == 400 and said in text_of(page), change
    assert not models.TicketTemplate.objects.exists()
    shown = admin.post(
        f"{ROOT}preview", {**GOOD, "details": "<b>[severity]</b>\n[x] [[severity]]", "compliance": "End"}
    )
    assert '<p class="text">&lt;b&gt;critical&lt;/b&gt;\n[x] [critical]\n\nEnd</p>' in shown.content.decode()
    wrong = admin.post(f"{ROOT}preview", {**GOOD, "details": "[hostnam]"})
    assert "nearest is [hostname]" in text_of(wrong) and 'id="trouble-details"' in wrong.content.decode()


def test_built_in_ones_are_copied_and_never_changed(source: models.Source, as_role: Callable[[str], Client]) -> None:
    admin = as_role("admin")
    for word, one in BUILT_IN.items():
        assert f"built-in/{word}/" in admin.get(ROOT).content.decode()
        page = admin.get(f"{ROOT}built-in/{word}/")
        assert one.name in text_of(page) and "critical-1" in text_of(page)
        assert admin.post(f"{ROOT}built-in/{word}/", GOOD).status_code == 405
        given = fields_of(admin.get(f"{ROOT}new", {"of": word}).content.decode(), "summary")
        assert given["name"] == [f"{one.name}, copy"] and given["details"] == [one.details]
        admin.post(f"{ROOT}new", {name: values[0] for name, values in given.items()})
        again = fields_of(admin.get(f"{ROOT}new", {"of": word}).content.decode(), "summary")
        assert again["name"] == [f"{one.name}, copy 2"]
    assert models.TicketTemplate.objects.count() == 2


def test_analysts_read_them_and_viewers_do_not(source: models.Source, as_role: Callable[[str], Client]) -> None:
    row = models.TicketTemplate.objects.create(name="Mine", summary="s", details="d", compliance=["<b>always</b>"])
    analyst, viewer = as_role("analyst"), as_role("viewer")
    page = analyst.get(f"{ROOT}{row.pk}/")
    assert (
        page.status_code == 200 and b"&lt;b&gt;always" in page.content and b'<form method="post" id' not in page.content
    )
    for address in (f"{ROOT}{row.pk}/", f"{ROOT}{row.pk}/remove", f"{ROOT}new", f"{ROOT}preview"):
        assert analyst.post(address, GOOD).status_code == 403
    assert viewer.get(ROOT).status_code == 403 and viewer.get(f"{ROOT}{row.pk}/").status_code == 403
    assert "ticket-templates" not in viewer.get("/settings/").content.decode()
    assert models.TicketTemplate.objects.get() == row
