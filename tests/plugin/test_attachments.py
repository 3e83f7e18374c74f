"""Files of Create Ticket and Add Comment: at the ticket once each, named in the output, or an error that says which."""

import base64

import pytest
from steps import SkippedTime, impatient, run_action, told

from halo_emulator import Fault
from komand_haloitsm.util.insightconnect.errors import HaloITSMError, UncertainWriteError

NEW = {"summary": "Beaconing from nwc-app-02", "details": "Seen twice.", "tickettype_id": 1}
CSV, NOTE = b"user,count\r\nalice,42\r\n", "\u00dcberlauf\n".encode()


def file(name, content):
    return {"filename": name, "content": base64.b64encode(content).decode()}


FILES = [file("logins.csv", CSV), file("note.txt", NOTE)]


def held(halo, ticket_id):
    return [(row["id"], row["filename"], row["content"]) for row in halo.attachments.get(ticket_id, [])]


def uploads(halo):
    return [request for request in halo.requests if (request.method, request.path) == ("POST", "/api/Attachment")]


def nothing_was_written(halo):
    return not [one for one in halo.requests if one.method == "POST" and one.path != "/auth/token"]


def test_files_of_a_create_arrive_byte_for_byte_and_are_named(halo, step):
    output = step("create_ticket", **NEW, attachments=FILES).output
    number = output["ticket"]["id"]
    (first, name, content), (second, other, text) = held(halo, number)
    assert (name, content, other, text) == ("logins.csv", CSV, "note.txt", NOTE)
    assert output["attachments"] == [
        {"id": first, "filename": "logins.csv", "uploaded": True},
        {"id": second, "filename": "note.txt", "uploaded": True},
    ]
    assert [row["content_type"] for row in halo.attachments[number]] == ["text/csv", "text/plain"]


def test_files_of_a_comment_arrive_and_those_of_a_private_one_are_asked_to_be_hidden(halo, step):
    public = step("add_comment", ticket_id=2102, comment="C", attachments=FILES[:1]).output
    private = step("add_comment", ticket_id=2102, comment="D", is_private=True, attachments=FILES[1:]).output
    assert public["attachments"] == [{"id": 1, "filename": "logins.csv", "uploaded": True}]
    assert private["attachments"] == [{"id": 2, "filename": "note.txt", "uploaded": True}]
    assert [row["showforusers"] for row in halo.attachments[2102]] == [True, False]


def test_without_files_there_is_neither_a_request_nor_an_output(halo, step):
    for given in ({}, {"attachments": []}, {"attachments": [{"filename": "", "content": ""}]}):
        assert "attachments" not in step("create_ticket", **NEW, **given).output
        assert "attachments" not in step("add_comment", ticket_id=2102, comment="C", **given).output
    assert not [request for request in halo.requests if "ttachment" in request.path]


LOST = [{"kind": "drop"}, {"kind": "status", "status": 502}, {"kind": "status", "status": 503}, {"kind": "truncated"}]


@pytest.mark.parametrize("fault", LOST, ids=str)
@pytest.mark.parametrize("action", ["create_ticket", "add_comment"])
def test_a_file_whose_answer_was_lost_is_found_and_not_sent_again(halo, step, action, fault):
    halo.inject(Fault(**fault, method="POST", path="attachment", after_commit=True))
    given = NEW if action == "create_ticket" else {"ticket_id": 2102, "comment": "C"}
    output = step(action, **given, attachments=FILES).output
    number = output["ticket"]["id"] if action == "create_ticket" else 2102
    assert [(row["id"], row["filename"]) for row in output["attachments"]] == [row[:2] for row in held(halo, number)]
    assert len(uploads(halo)) == len(held(halo, number)) == 2


def test_a_file_that_was_lost_is_sent_again_once(halo):
    halo.inject(Fault("status", "POST", "attachment", status=503))
    output = run_action(impatient(halo, SkippedTime()), "create_ticket", **NEW, attachments=FILES)
    assert len(held(halo, output["ticket"]["id"])) == 2 and len(uploads(halo)) == 3


def test_a_file_of_unknown_fate_is_told_with_the_ticket_that_exists(halo):
    halo.inject(Fault("status", "POST", "attachment", status=502))
    with pytest.raises(UncertainWriteError) as unsure:
        run_action(impatient(halo, SkippedTime()), "create_ticket", **NEW, attachments=FILES)
    made = max(halo.tickets)
    assert f"Ticket {made} was created" in unsure.value.cause and "logins.csv" in unsure.value.cause
    assert "may not be attached" in unsure.value.cause and "second ticket" in unsure.value.assistance
    assert len(uploads(halo)) == 1


def test_a_comment_finds_its_own_file_beside_one_of_the_same_name(halo, step):
    step("add_comment", ticket_id=2102, comment="C", attachments=[file("logins.csv", b"older")])
    halo.inject(Fault("drop", "POST", "attachment", after_commit=True))
    output = step("add_comment", ticket_id=2102, comment="D", attachments=FILES[:1]).output
    assert output["attachments"] == [{"id": 2, "filename": "logins.csv", "uploaded": True}]
    assert held(halo, 2102) == [(1, "logins.csv", b"older"), (2, "logins.csv", CSV)]


def test_a_create_with_the_same_reference_does_not_upload_twice(halo, step):
    given = {**NEW, "external_reference": "case-1", "attachments": FILES}
    first, second = step("create_ticket", **given).output, step("create_ticket", **given).output
    assert second["ticket"]["id"] == first["ticket"]["id"] and len(uploads(halo)) == 2
    assert second["attachments"] == [{**row, "uploaded": False} for row in first["attachments"]]


def test_a_create_with_a_reference_that_is_run_again_attaches_what_is_missing(halo, step):
    given = {**NEW, "external_reference": "case-1", "attachments": FILES}
    halo.inject(Fault("status", "POST", "attachment", status=400, body={"message": "Disk is full"}, skip=1))
    error = told(step("create_ticket", **given))
    made = max(halo.tickets)
    assert f"Ticket {made} was created" in error and '"note.txt" was not attached' in error and "again" in error
    output = step("create_ticket", **given).output
    assert [row["uploaded"] for row in output["attachments"]] == [False, True]
    assert [row[1] for row in held(halo, made)] == ["logins.csv", "note.txt"]


def test_a_refused_file_of_a_comment_says_that_the_comment_was_added(halo, step):
    halo.inject(Fault("status", "POST", "attachment", status=413, body="Request Entity Too Large"))
    failed = step("add_comment", ticket_id=2102, comment="C", attachments=FILES)
    error = told(failed)
    number = halo.actions[2102][-1]["id"]
    assert f"Comment {number} of ticket 2102 was added" in error and "logins.csv" in error and "too large" in error
    assert "add the comment again" in error and not held(halo, 2102)


@pytest.mark.parametrize("action", ["create_ticket", "add_comment"])
def test_a_right_that_lacks_is_told(halo, step, action):
    halo.denied = {("POST", "attachment")}
    given = NEW if action == "create_ticket" else {"ticket_id": 2102, "comment": "C"}
    error = told(step(action, **given, attachments=FILES))
    assert "edit:tickets" in error and "logins.csv" in error


BAD = {
    "eleven files": ([file(f"{number}.txt", b"x") for number in range(11)], "at most 10"),
    "too large": ([file("large.bin", b"x" * (10 * 1024 * 1024 + 1))], "more than 10 MiB"),
    "empty": ([file("empty.txt", b"")], "file 1 no content"),
    "no filename": ([{"content": "eA=="}], "filename in file 1"),
    "not base64": ([file("a.txt", b"x"), {"filename": "b.txt", "content": "no base64!"}], "base64 in file 2"),
    "a folder": ([file("../a.txt", b"x")], "folder"),
    "a control character": ([file("a\nb.txt", b"x")], "printable"),
    "a long filename": ([file("a" * 256, b"x")], "255"),
    "twice the same": ([file("a.txt", b"x"), file("A.TXT", b"y")], "file 2 a filename that another"),
}


@pytest.mark.parametrize("files, word", BAD.values(), ids=BAD)
@pytest.mark.parametrize("action", ["create_ticket", "add_comment"])
def test_files_that_cannot_be_attached_are_refused_before_anything_is_sent(halo, step, action, files, word):
    given = NEW if action == "create_ticket" else {"ticket_id": 2102, "comment": "C"}
    error = told(step(action, **given, attachments=files))
    assert word in error and "Attachments" in error and nothing_was_written(halo)


def test_ten_mebibytes_arrive(halo, step):
    content = bytes(range(256)) * (10 * 1024 * 1024 // 256)
    output = step("create_ticket", **NEW, attachments=[file("large.bin", content)]).output
    assert held(halo, output["ticket"]["id"]) == [(1, "large.bin", content)]


def test_contents_are_in_no_log_line_and_no_error(halo, step, plugin_server):
    halo.inject(Fault("status", "POST", "attachment", status=400, body={"message": f"bad: {FILES[0]['content']}"}))
    failed = step("create_ticket", **NEW, attachments=FILES)
    assert FILES[0]["content"] not in failed.stdout + plugin_server.log()


def test_the_library_refuses_them_as_well(halo):
    with pytest.raises(HaloITSMError, match="Attachments"):
        run_action(impatient(halo), "add_comment", ticket_id=2102, comment="C", attachments=[file("", b"x")])
