"""A Halo restored from a backup."""

ONE_FILE = {"filename": "a.txt", "data_base64": "data:text/plain;base64,YQ=="}


def test_tickets_actions_files_and_ids_are_those_of_the_backup(halo, api):
    kept = api.post("/Tickets", [{"summary": "kept"}]).json()
    backup = halo.snapshot()
    before = api.get("/Tickets/2101").json()
    halo.change_ticket(2101, status_id=9, agent_id=3)
    halo.add_note(kept["id"], "lost")
    halo.delete_ticket(2102)
    assert api.post("/Attachment", [{**ONE_FILE, "ticket_id": 2103}]).status_code == 201
    lost = halo.log_ticket(summary="lost")
    halo.restore(backup)
    assert api.get("/Tickets/2101").json() == before
    assert api.get(f"/Tickets/{kept['id']}").json() == kept and 2102 in api.ids()
    assert [action["id"] for action in halo.actions[kept["id"]]] == [1, 2] and halo.attachments.get(2103, []) == []
    assert api.get(f"/Tickets/{lost['id']}").status_code == 404 and lost["id"] not in halo.actions
    assert api.ids(lastupdatefromdate=kept["last_update"]) == [kept["id"]]
    again = halo.log_ticket(summary="another")
    assert again["id"] == lost["id"] and again["last_update"] > lost["last_update"]
    assert halo.add_note(kept["id"], "another")["id"] == 3


def test_a_backup_can_be_restored_again(halo, api):
    backup = halo.snapshot()
    for _ in range(2):
        halo.add_note(2101, "lost")
        api.post("/Attachment", [{**ONE_FILE, "ticket_id": 2101}])
        halo.restore(backup)
        assert len(halo.actions[2101]) == 2 and halo.attachments.get(2101, []) == []


def test_no_list_still_shows_what_was_before(halo, api):
    halo.list_lag = 600
    backup = halo.snapshot()
    halo.change_ticket(2101, summary="changed")
    halo.add_note(2101, "lost")
    halo.restore(backup)
    halo.list_lag = 0
    halo.change_ticket(2101, summary="after")
    halo.list_lag = 600
    assert api.get("/Tickets", ticketids="2101").json()["tickets"][0]["summary"] == "after"
