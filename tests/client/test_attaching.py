"""Guards attachments: a file with a name is at a ticket once, whatever became of the answer that said so."""

from __future__ import annotations

import dataclasses
import threading

import pytest
from fast_client import answered, fast_client, in_another_process

from halo_emulator import Fault
from komand_haloitsm.util.halo.errors import HaloError, InvalidInput, NotFound, UncertainWrite

NAME, TEXT = "assets-0123456789.csv", b"asset,title\r\na1,\xc3\x9cberlauf\r\n"


def attach(halo, client=None, name=NAME, ticket_id=2101):
    return (client or fast_client(halo)).attach(ticket_id, name, TEXT, "text/csv")


def files(halo, ticket_id=2101):
    return [(row["id"], row["filename"]) for row in halo.attachments.get(ticket_id, [])]


def test_a_file_arrives_byte_for_byte(halo):
    number = attach(halo)
    (row,) = halo.attachments[2101]
    assert (row["id"], row["filename"], row["content"], row["content_type"]) == (number, NAME, TEXT, "text/csv")


def test_a_file_that_is_there_is_not_sent_again(halo):
    first = attach(halo)
    halo.forget_requests()
    assert attach(halo, in_another_process(halo)) == first
    assert [request.method for request in halo.requests if "ttachment" in request.path] == ["GET"]
    assert attach(halo, name="assets-other.csv") != first and len(files(halo)) == 2


LOST = [{"kind": "drop"}, {"kind": "status", "status": 502}, {"kind": "status", "status": 503}, {"kind": "truncated"}]


@pytest.mark.parametrize("fault", LOST, ids=str)
def test_a_file_whose_answer_was_lost_is_found(halo, fault):
    halo.inject(Fault(**fault, method="POST", path="attachment", after_commit=True))
    assert [(attach(halo), NAME)] == files(halo)


@pytest.mark.parametrize("fault", LOST, ids=str)
def test_a_file_that_was_lost_is_sent_again_or_told_of(halo, fault):
    halo.inject(Fault(**fault, method="POST", path="attachment"))
    if fault.get("status") == 502:
        # A proxy gave up: nobody knows how late a Halo can be.
        with pytest.raises(UncertainWrite):
            attach(halo)
        assert not files(halo)
    assert [(attach(halo), NAME)] == files(halo)


def test_a_file_that_comes_late_is_waited_for(halo):
    halo.inject(Fault("late", "POST", "attachment", seconds=0.1, answers=504))
    number = attach(halo)
    assert files(halo) == [(number, NAME)]


def test_an_answer_about_another_file_is_not_believed(halo):
    client = fast_client(halo)

    def other(request, answer):
        if (request.method, request.path) != ("POST", "/Attachment"):
            return answer
        return dataclasses.replace(answer, data={**answer.data, "filename": "other.csv", "id": 99})

    answered(client, other)
    assert attach(halo, client) == files(halo)[0][0] != 99


def test_files_of_other_tickets_do_not_count(halo):
    attach(halo, ticket_id=2102)
    client = fast_client(halo)

    def all_of_them(request, answer):
        if (request.method, request.path) != ("GET", "/Attachment"):
            return answer
        rows = [{**row, "ticket_id": number} for number, held in halo.attachments.items() for row in held]
        shown = [{name: value for name, value in row.items() if name != "content"} for row in rows]
        return dataclasses.replace(answer, data={"attachments": shown})

    answered(client, all_of_them)
    attach(halo, client)
    assert len(files(halo)) == len(files(halo, 2102)) == 1


def test_two_threads_attach_one_file(halo):
    numbers = []
    client = fast_client(halo)
    threads = [threading.Thread(target=lambda: numbers.append(attach(halo, client))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(numbers) == 4 and len(set(numbers)) == len(files(halo)) == 1


def test_refusals_say_so(halo):
    with pytest.raises(NotFound) as missing:
        attach(halo, ticket_id=999)
    assert "999" in missing.value.cause
    halo.inject(Fault("status", "POST", "attachment", status=400, body={"message": "This file type is not allowed"}))
    with pytest.raises(HaloError) as refused:
        attach(halo)
    assert "not allowed" in str(refused.value) and not isinstance(refused.value, UncertainWrite)
    assert "berlauf" not in str(refused.value)
    with pytest.raises(InvalidInput):
        attach(halo, name=" ")
    assert not files(halo)
