"""Texts that come back otherwise than they were written."""

import pytest

from halo_emulator import text_changes

TEXT = "  a < b & c\r\nd\ne\u0301 \U0001f600 "


@pytest.mark.parametrize(
    "change, kept",
    [
        (text_changes.escaped, "  a &lt; b &amp; c\r\nd\ne\u0301 \U0001f600 "),
        (text_changes.question_marks, "  a < b & c\r\nd\ne\u0301 ?? "),
        (text_changes.joined_lines, "  a < b & c d e\u0301 \U0001f600 "),
        (text_changes.nfc, "  a < b & c\r\nd\n\u00e9 \U0001f600 "),
        (text_changes.trimmed, "a < b & c\r\nd\ne\u0301 \U0001f600"),
        (text_changes.cut_at_255, TEXT),
    ],
)
def test_the_same_happens_to_summary_details_and_note(halo, api, change, kept):
    halo.stored_text = change
    ticket = api.post("/Tickets", [{"summary": TEXT, "details": TEXT}]).json()
    assert (ticket["summary"], ticket["details"]) == (kept, kept)
    assert halo.actions[ticket["id"]][0]["note"] == kept
    assert api.post("/Tickets", [{"id": 2101, "details": TEXT}]).json()["details"] == kept
    assert api.post("/Actions", [{"ticket_id": 2101, "outcome_id": 7, "note": TEXT}]).json()["note"] == kept
    closed = api.post("/Tickets", [{"id": 2102, "status_id": 9, "closure_note": TEXT}]).json()
    assert closed["closure_note"] == halo.actions[2102][-1]["note"] == kept


def test_only_a_summary_is_cut(halo, api):
    halo.stored_text = text_changes.cut_at_255
    ticket = api.post("/Tickets", [{"summary": "s" * 300, "details": "d" * 300}]).json()
    assert (len(ticket["summary"]), len(ticket["details"])) == (255, 300)
    note = api.post("/Actions", [{"ticket_id": 2101, "outcome_id": 7, "note": "n" * 300}]).json()["note"]
    assert len(note) == 300


def test_the_html_follows_a_text_that_was_changed(halo, api):
    halo.stored_text = lambda field, text: text.replace("secret", field)
    given = [{"summary": "secret", "details_html": "<b>a secret</b>"}, {"summary": "S", "details_html": "<b>none</b>"}]
    changed, kept = api.post("/Tickets", given, returnall="true").json()
    assert (changed["summary"], changed["details"]) == ("summary", "a details")
    assert changed["details_html"] == "<p>a details</p>" and kept["details_html"] == "<b>none</b>"
    note = api.post("/Actions", [{"ticket_id": 2101, "outcome_id": 7, "note_html": "<i>secret</i>"}]).json()
    assert (note["note"], note["note_html"]) == ("note", "<p>note</p>")
    halo.stored_text = None
    assert api.post("/Tickets", [{"summary": "secret"}]).json()["summary"] == "secret"


def test_a_rule_sees_the_stored_text_and_its_own_is_kept_as_it_is(halo, api):
    halo.stored_text = text_changes.escaped
    halo.rules = [lambda ticket: {"summary": ticket["summary"] + " & more"}]
    assert api.post("/Tickets", [{"summary": "<"}]).json()["summary"] == "&lt; & more"
