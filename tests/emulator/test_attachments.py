"""Files at tickets."""

import base64

import pytest


def body(**more):
    text = base64.b64encode(b"asset,title\n").decode()
    return {
        "filename": "a.csv",
        "ticket_id": 2101,
        "isimage": False,
        "data_base64": f"data:text/csv;base64,{text}",
        **more,
    }


def test_a_file_is_kept_and_listed(halo, api):
    made = api.post("/Attachment", [body()])
    assert made.status_code == 201
    assert {name: made.json()[name] for name in ("id", "filename", "ticket_id", "content_type", "filesize")} == {
        "id": 1,
        "filename": "a.csv",
        "ticket_id": 2101,
        "content_type": "text/csv",
        "filesize": 12,
    }
    assert halo.attachments[2101][0]["content"] == b"asset,title\n"
    listed = api.get("/Attachment", ticket_id=2101).json()
    assert [row["filename"] for row in listed["attachments"]] == ["a.csv"] and "ticket_id" not in listed["attachments"][
        0
    ]
    assert not api.get("/Attachment", ticket_id=2102).json()["attachments"]
    assert api.get("/Tickets/2101").json()["attachment_count"] == 1


@pytest.mark.parametrize(
    "given",
    [
        {**body(), "filename": ""},
        {**body(), "ticket_id": None},
        {**body(), "ticket_id": 999},
        {**body(), "data_base64": "data:text/csv;base64,?"},
        {**body(), "data_base64": "asset,title"},
    ],
    ids=["no name", "no ticket", "unknown ticket", "no base64", "no data"],
)
def test_what_is_refused(halo, api, given):
    assert api.post("/Attachment", [given]).status_code == 400
    assert not halo.attachments


def test_a_hidden_ticket_shows_no_files(halo, api):
    api.post("/Attachment", [body()])
    halo.hidden_tickets.add(2101)
    assert not api.get("/Attachment", ticket_id=2101).json()["attachments"]


@pytest.mark.parametrize("more, shown", [({}, True), ({"showforusers": False}, False)])
def test_a_file_is_shown_to_users_unless_it_says_otherwise(halo, api, more, shown):
    assert api.post("/Attachment", [body(**more)]).json()["showforusers"] is shown
