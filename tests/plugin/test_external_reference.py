"""external_reference: one ticket for one key, whatever happens."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from entry_point import action_start, run_on_stdin
from steps import connected, connection_to, impatient, new_halo, run_action, warmed

from halo_emulator import Fault, text_changes
from halo_emulator.ticket_writes import create_ticket
from komand_haloitsm.util.insightconnect.errors import HaloITSMError, UncertainWriteError

KEY = "rrn:investigation:us:0f1e:investigation:ABC123"
NEW = {"summary": "Beaconing from nwc-app-02", "details": "Seen twice.", "tickettype_id": 1}


def create(connection, key=KEY, **more):
    return run_action(connection, "create_ticket", **{**NEW, "external_reference": key, **more})


def keyed(halo, key=KEY):
    lines = [(number, ticket["details"].splitlines()) for number, ticket in halo.tickets.items()]
    return [number for number, text in lines if f"Reference: {key}" in text]


def test_a_new_key_is_the_last_line_of_the_details(halo, connection):
    output = create(connection)
    assert output["created"] is True and keyed(halo) == [output["ticket"]["id"]]
    details = halo.tickets[output["ticket"]["id"]]["details"]
    assert details.startswith("Seen twice.\n") and details.splitlines()[-1] == f"Reference: {KEY}"


@pytest.mark.parametrize("same_process", [True, False], ids=["same connection", "another process"])
def test_a_key_again_returns_the_same_ticket(halo, same_process):
    if same_process:
        connection = connected(connection_to(halo))
        first, again = create(connection), create(connection, summary="Another text", details="And other details.")
    else:
        message = action_start("create_ticket", {**NEW, "external_reference": KEY}, connection_to(halo))
        first, again = run_on_stdin(message).output, run_on_stdin(message).output
    assert (first["created"], again["created"], again["success"]) == (True, False, True)
    assert first["ticket"]["id"] == again["ticket"]["id"] and len(keyed(halo)) == 1


@pytest.mark.parametrize("long_ago", [False, True])
def test_a_closed_ticket_with_the_key_is_returned(halo, connection, long_ago):
    made = create(connected(connection_to(halo)))["ticket"]["id"]
    run_action(connection, "update_ticket", ticket_id=made, agent_id=3)
    run_action(connection, "close_ticket", ticket_id=made)
    if long_ago:
        halo.change_ticket(made, dateclosed="2024-01-01T00:00:00Z", last_update="2024-01-01T00:00:00Z")
    again = create(connection)
    assert (again["created"], again["ticket"]["id"], again["ticket"]["closed"]) == (False, made, True)


def made_before(halo, key=KEY, **more):
    """A ticket that version 1.0.0 has made by the same API application: it has the line and no key."""
    fields = {**NEW, "details": f"Made before.\n\nReference: {key}", **more}
    forced = {"dateclosed": fields.pop("dateclosed")} if "dateclosed" in fields else None
    return create_ticket(halo.lists, fields, halo.api_agent_id, forced)["id"]


def test_a_ticket_of_version_1_0_0_is_found(halo, connection):
    made = made_before(halo)
    again = create(connection)
    assert (again["created"], again["ticket"]["id"]) == (False, made) and "duplicates" not in again


def test_a_closed_ticket_of_version_1_0_0_is_found(halo, connection):
    made = made_before(halo, agent_id=3, status_id=9, dateclosed="2024-01-01T00:00:00Z")
    again = create(connection)
    assert (again["created"], again["ticket"]["id"]) == (False, made)


def test_of_two_tickets_with_the_key_the_oldest_counts_and_the_other_is_told(halo, connection, caplog):
    twins = [made_before(halo), made_before(halo)]
    again = create(connection)
    assert (again["created"], again["ticket"]["id"], again["duplicates"]) == (False, twins[0], twins[1:])
    assert f"ticket {twins[0]} has duplicates with the same key: {twins[1]}" in caplog.text
    assert keyed(halo) == twins


def test_an_old_closed_and_an_open_ticket_with_the_key_are_the_same(halo, connection):
    closed = made_before(halo, agent_id=3, status_id=9, dateclosed="2024-01-01T00:00:00Z")
    opened = made_before(halo)
    again = create(connection)
    assert (again["created"], again["ticket"]["id"], again["duplicates"]) == (False, closed, [opened])


def outsiders(halo, key):
    return [
        halo.mail_in("Re: your invoice", f"Hello,\nplease pay.\n\nReference: {key}")["id"],
        halo.log_ticket(summary="Forwarded mail", details=f"> Seen twice.\n>\nReference: {key}")["id"],
    ]


@pytest.mark.parametrize("kept", [True, False], ids=["key kept", "key not kept"])
def test_an_outsiders_line_neither_stands_in_for_ours_nor_blocks_it(halo, connection, kept):
    halo.keeps_external_id = kept
    theirs = outsiders(halo, "INV-4711")
    first = create(connection, "INV-4711")
    theirs += outsiders(halo, "INV-4711")
    again = create(connected(connection_to(halo)), "INV-4711")
    assert (first["created"], again["created"]) == (True, False)
    assert first["ticket"]["id"] == again["ticket"]["id"] not in theirs
    assert "duplicates" not in first and "duplicates" not in again


@pytest.mark.parametrize("mine, other", [("INV-1", "INV-10"), ("INV-10", "INV-1"), ("INV-1", "MY-INV-1"), ("a", "A")])
def test_a_key_that_is_part_of_another_is_another(halo, connection, mine, other):
    theirs = made_before(halo, other)
    output = create(connection, mine)
    assert output["created"] is True and output["ticket"]["id"] != theirs
    assert create(connection, other)["ticket"]["id"] == theirs


def test_a_mention_of_the_key_in_other_text_is_not_the_reference(halo, connection):
    halo.log_ticket(summary=KEY, details=f"See {KEY}. Was Reference: {KEY} the one?")
    assert create(connection)["created"] is True


@pytest.mark.parametrize("kept", [True, False], ids=["key kept", "key not kept"])
def test_a_key_among_a_hundred_neighbours_is_found(halo, connection, kept):
    halo.keeps_external_id = kept
    mine = create(connection, "INV-1")["ticket"]["id"]
    for number in range(100, 130):
        made_before(halo, f"INV-{number}")
    again = create(connected(connection_to(halo)), "INV-1")
    assert (again["created"], again["ticket"]["id"]) == (False, mine)


@pytest.mark.parametrize("kept", [True, False], ids=["key kept", "key not kept"])
def test_new_details_keep_the_line(halo, connection, kept):
    halo.keeps_external_id = kept
    made = create(connection)["ticket"]["id"]
    run_action(connection, "update_ticket", ticket_id=made, details="Seen three times.")
    assert halo.tickets[made]["details"].splitlines() == ["Seen three times.", "", f"Reference: {KEY}"]
    run_action(connection, "update_ticket", ticket_id=made, details=f"Four.\nReference: {KEY}")
    assert halo.tickets[made]["details"] == f"Four.\nReference: {KEY}"
    assert create(connected(connection_to(halo)))["ticket"]["id"] == made


def test_an_analysts_rewriting_does_not_lose_the_reference_where_the_key_is_kept(halo, connection):
    made = create(connection)["ticket"]["id"]
    halo.change_ticket(made, details="Rewritten by an analyst.")
    again = create(connected(connection_to(halo)))
    assert (again["created"], again["ticket"]["id"]) == (False, made)


@pytest.mark.parametrize("kept", [True, False], ids=["key kept", "key not kept"])
@pytest.mark.parametrize("change", [text_changes.escaped, text_changes.nfc, text_changes.trimmed])
def test_a_key_that_halo_rewrites_is_found_again(halo, connection, kept, change):
    halo.keeps_external_id, halo.stored_text = kept, change
    first, again = create(connection, "INV&7 <\u0065\u0301>"), create(
        connected(connection_to(halo)), "INV&7 <\u0065\u0301>"
    )
    assert (first["created"], again["created"]) == (True, False) and first["ticket"]["id"] == again["ticket"]["id"]


def test_a_halo_that_lists_everything_is_a_clear_error_after_a_few_pages(halo, connection):
    """Neither filter is known, the key is not kept, and the list never ends: it must not be read to its end."""
    halo.keeps_external_id, halo.ignored_parameters = False, {"search_details", "search"}
    for count in range(1_300):
        halo.log_ticket(summary=f"Finding {count}", details="Something else.")
    halo.forget_requests()
    with pytest.raises(HaloITSMError, match="too many tickets"):
        create(connection)
    assert len(halo.requests) < 20 and len(halo.tickets) == 6 + 1_300


@pytest.mark.parametrize("key", ["INV 7/2026", "INV&7", "INV<7>", "INV%7", "\u00fcber-7", '"INV" 7', "INV_\U0001f600"])
def test_keys_with_unusual_characters_are_found_again(halo, connection, key):
    first = create(connection, key)
    again = create(connected(connection_to(halo)), key)
    assert (first["created"], again["created"]) == (True, False) and first["ticket"]["id"] == again["ticket"]["id"]


@pytest.mark.parametrize("key", [" ", "\n", "\t"])
def test_a_blank_key_is_an_error(halo, connection, key):
    with pytest.raises(HaloITSMError, match="External Reference"):
        create(connection, key)
    assert len(halo.tickets) == 6


def test_a_key_over_several_lines_is_one_line(halo, connection):
    assert create(connection, " INV\n 7 ")["created"] is True
    assert create(connection, "INV 7")["created"] is False


def test_concurrent_creates_of_one_key_make_one_ticket(halo):
    connections = [connected(connection_to(halo)) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        outputs = list(pool.map(lambda number: create(connections[number % 2]), range(16)))
    assert len(keyed(halo)) == 1 and len({output["ticket"]["id"] for output in outputs}) == 1
    assert sum(output["created"] for output in outputs) == 1


def test_concurrent_creates_of_one_key_through_the_server_make_one_ticket(halo, plugin_server, connection_params):
    given = {**NEW, "external_reference": KEY}
    with ThreadPoolExecutor(4) as pool:
        steps = list(pool.map(lambda _: plugin_server.run("create_ticket", given, connection_params), range(8)))
    assert len(keyed(halo)) == 1 and {step.output["ticket"]["id"] for step in steps} == set(keyed(halo))
    assert sum(step.output["created"] for step in steps) == 1


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("kind", ["drop", "status", "html", "truncated", "hang"])
def test_a_lost_answer_makes_one_ticket(halo, kind, after_commit):
    connection = warmed(impatient(halo))
    halo.inject(Fault(kind, method="POST", path="tickets", status=500, after_commit=after_commit))
    output = create(connection)
    assert output["created"] is True and keyed(halo) == [output["ticket"]["id"]]
    assert create(connection)["created"] is False


def test_after_a_failure_the_step_can_be_run_again(halo):
    connection = impatient(halo)
    halo.inject(Fault("drop", method="POST", path="tickets", after_commit=True))
    halo.inject(Fault("status", method="GET", path="tickets", status=500, skip=6, times=None))
    with pytest.raises(UncertainWriteError, match="may exist"):
        create(connection)
    halo.clear_faults()
    assert create(connection)["created"] is False and len(keyed(halo)) == 1


def test_nothing_is_created_where_halo_cannot_be_searched(halo, connection):
    halo.inject(Fault("status", method="GET", path="tickets", status=500, times=None))
    with pytest.raises(HaloITSMError):
        create(connection)
    assert keyed(halo) == []


def test_a_halo_that_ignores_the_search_is_not_believed(halo, connection):
    """Without the filter every ticket comes back: those that carry the key count, the others do not."""
    halo.ignored_parameters = {"search_details", "search"}
    for count in range(150):
        halo.log_ticket(summary=f"Finding {count}", details="Something else.")
    assert create(connection)["created"] is True
    assert create(connected(connection_to(halo)))["created"] is False


def test_a_ticket_that_was_deleted_makes_room_for_a_new_one(halo, connection):
    first = create(connection)["ticket"]["id"]
    halo.delete_ticket(first)
    again = create(connection)
    assert again["created"] is True and again["ticket"]["id"] != first


def test_another_halo_knows_nothing_of_it(halo, connection):
    create(connection)
    other = new_halo()
    try:
        assert create(connected(connection_to(other)))["created"] is True
    finally:
        other.stop()


def test_the_key_is_in_no_log(halo, connection, caplog):
    caplog.set_level("INFO")
    create(connection)
    assert "POST /Tickets -> 201" in caplog.text and not re.search("ABC123|Seen twice|Beaconing", caplog.text)


def reached(connection, **wanted):
    found = run_action(connection, "search_tickets", **{"external_reference": KEY, **wanted})
    assert found["count"] == len(found["tickets"])
    return [ticket["id"] for ticket in found["tickets"]]


@pytest.mark.parametrize("kept", [True, False], ids=["key kept", "key not kept"])
def test_a_search_finds_what_carries_the_key_and_nothing_that_only_looks_like_it(halo, kept):
    halo.keeps_external_id = kept
    made = create(connected(connection_to(halo)))["ticket"]["id"]
    create(connected(connection_to(halo)), KEY + "4")
    foreign = halo.log_ticket(summary=KEY, details=f"Mine.\n\nReference: {KEY}", user_id=52)["id"]
    assert foreign not in reached(connected(connection_to(halo))) == [made]
    assert reached(connected(connection_to(halo)), external_reference="INV-none") == []


def test_the_other_filters_hold_for_what_carries_the_key(halo, connection):
    twins = [made_before(halo), made_before(halo)]
    assert reached(connection) == twins and reached(connection, max_results=1) == twins[:1]
    assert reached(connection, summary_contains="something else") == []
    run_action(connection, "update_ticket", ticket_id=twins[0], agent_id=3)
    run_action(connection, "close_ticket", ticket_id=twins[0])
    assert reached(connection) == twins and reached(connection, open_only=True) == twins[1:]


def test_a_search_by_key_makes_no_ticket(halo, connection):
    before = set(halo.tickets)
    assert reached(connection) == [] and set(halo.tickets) == before
