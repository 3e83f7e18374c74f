"""Routing, the request log, and how connections behave."""

import json
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

import pytest
import requests

from halo_emulator import HaloEmulator


def test_anything_unknown_outside_api_is_the_single_page_app(halo):
    for path in ("/", "/auth", "/auth/auth/token", "/ticket", "/tokens"):
        answer = requests.get(halo.url + path, timeout=5)
        assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"), path
    assert "<html" in requests.post(halo.url + "/token", data={"a": "b"}, timeout=5).text


def test_unknown_below_api_is_404_json(api):
    for path in ("/ticketnotes", "/api/tickets", "/Ticket"):
        answer = api.get(path)
        assert answer.status_code == 404 and answer.json()["message"], path


def test_other_methods_are_refused(halo, api):
    answer = api.session.put(halo.resource_server + "/Tickets/2101", json={}, timeout=5)
    assert answer.status_code == 405 and "PUT" in answer.json()["message"]


def test_paths_ignore_case(api):
    assert api.get("/tIcKeTs/2101").json()["id"] == 2101 and api.get("/tickettype").status_code == 200


def test_requests_are_recorded_without_secrets(halo, api):
    halo.forget_requests()
    api.token()
    api.get("/Tickets/5", includedetails="true")
    api.post("/Tickets", [{"summary": "x"}])
    token, read, write = halo.requests
    assert (token.path, token.body["scope"], token.body["client_secret"]) == ("/auth/token", "all", "REDACTED")
    assert (read.method, read.path, read.query, read.status) == (
        "GET",
        "/api/Tickets/5",
        {"includedetails": "true"},
        404,
    )
    assert read.headers["AUTHORIZATION"] == "REDACTED" and read.headers["host"].startswith("127.0.0.1")
    assert (write.body, write.status) == ([{"summary": "x"}], 201)
    assert halo.client_secret not in repr([vars(entry) for entry in halo.requests])


def test_connections_are_kept_alive(halo, api):
    with requests.Session() as session:
        session.headers.update(api.session.headers)
        ports = set()
        for _ in range(3):
            answer = session.post(
                halo.resource_server + "/Tickets", json=[{"summary": "x" * 5000}], stream=True, timeout=5
            )
            ports.add(answer.raw.connection.sock.getsockname())
            assert answer.json()["id"]
        assert len(ports) == 1


def test_stop_hangs_up_and_start_keeps_state_and_port():
    halo = HaloEmulator().start()
    port, number = halo.port, halo.log_ticket(summary="kept")["id"]
    with requests.Session() as session:
        assert session.get(halo.url, timeout=5).status_code == 200
        halo.stop()
        with pytest.raises(requests.ConnectionError):
            session.get(halo.url, timeout=5)
        with halo.start():
            assert halo.port == port and number in halo.tickets
            assert session.get(halo.url, timeout=5).status_code == 200


def test_clock_offset_moves_date_header_and_timestamps(halo, api):
    halo.clock_offset = 86400
    answer = api.post("/Tickets", [{"summary": "tomorrow"}])
    ahead = parsedate_to_datetime(answer.headers["Date"]) - datetime.now(timezone.utc)
    assert 86000 < ahead.total_seconds() < 86800
    assert answer.json()["datecreated"][:10] == parsedate_to_datetime(answer.headers["Date"]).strftime("%Y-%m-%d")


def seconds_ahead_of_the_date_header(answer, written):
    header = parsedate_to_datetime(answer.headers["Date"])
    return (datetime.strptime(written[:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z") - header).total_seconds()


@pytest.mark.parametrize(
    "setting, value, seconds", [("database_clock_offset", 300, 300), ("writes_local_time", 2, 7200)]
)
def test_dates_that_differ_from_the_date_header(halo, api, setting, value, seconds):
    setattr(halo, setting, value)
    answer = api.post("/Tickets", [{"summary": "ahead"}])
    ticket = answer.json()
    action = api.post("/Actions", [{"ticket_id": ticket["id"], "outcome_id": 7, "note": "x"}]).json()
    for written in (*(ticket[name] for name in ("dateoccurred", "datecreated", "last_update")), action["datetime"]):
        assert written.endswith("Z") and abs(seconds_ahead_of_the_date_header(answer, written) - seconds) < 5
    assert abs(parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()) < 5
    assert api.ids(lastupdatefromdate=ticket["last_update"]) == [ticket["id"]]
    setattr(halo, setting, 0)
    answer = api.post("/Tickets", [{"summary": "even"}])
    assert abs(seconds_ahead_of_the_date_header(answer, answer.json()["datecreated"])) < 5


def test_odd_characters_survive(api):
    text = "línea\n\t<b>&amp; \U0001f600 \x01 \ud83d"
    answer = api.session.post(
        api.halo.resource_server + "/Tickets", data=json.dumps([{"summary": text, "details": text}]), timeout=5
    )
    assert answer.json()["summary"] == text
    assert api.get(f"/Tickets/{answer.json()['id']}").json()["details"] == text
