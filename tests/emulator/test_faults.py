"""Misbehaviour on demand."""

import threading
import time

import pytest
import requests

from halo_emulator import Fault

NEW = [{"summary": "S"}]


def test_status_with_body_and_headers_once(halo, api):
    halo.inject(Fault("status", path="tickets", status=429, headers=(("Retry-After", "2"),)))
    answer = api.get("/Tickets")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2") and "Rate Limit" in answer.json()
    assert api.get("/Tickets").status_code == 200
    halo.inject(Fault("status", status=502, body={"error": "x"}, times=None))
    assert [api.get("/Team").json() for _ in range(3)] == [{"error": "x"}] * 3
    halo.clear_faults()
    assert api.get("/Team").status_code == 200
    halo.inject(Fault("status", status=504, body="gateway"))
    assert api.get("/Team").text == "gateway"


def test_method_path_and_skip(halo, api):
    halo.inject(Fault("status", method="post", path="tickets", skip=1))
    assert api.get("/Tickets").status_code == 200
    assert [api.post("/Tickets", NEW).status_code for _ in range(3)] == [201, 503, 201]
    halo.inject(Fault("status", path="tickets/2101"))
    assert (api.get("/Tickets/2102").status_code, api.get("/Tickets/2101").status_code) == (200, 503)
    halo.inject(Fault("status", path="auth/token"))
    assert api.get("/Status").status_code == 200 and api.token().status_code == 503


@pytest.mark.parametrize("after_commit, more", [(False, 0), (True, 1)])
def test_drop_before_and_after_committing(halo, api, after_commit, more):
    halo.inject(Fault("drop", method="POST", after_commit=after_commit))
    with pytest.raises(requests.ConnectionError):
        api.post("/Tickets", NEW)
    assert len(halo.tickets) == 6 + more and halo.requests[-1].status == 0
    assert api.post("/Tickets", NEW).status_code == 201


def test_status_after_commit(halo, api):
    halo.inject(Fault("status", method="POST", status=500, after_commit=True))
    assert api.post("/Tickets", NEW).status_code == 500 and len(halo.tickets) == 7
    assert halo.requests[-1].status == 500


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 408, 409, 429])
def test_every_status_can_hide_a_commit(halo, api, status):
    headers = (("Location", "/elsewhere"),) if status == 302 else ()
    halo.inject(Fault("status", method="POST", path="tickets", status=status, headers=headers, after_commit=True))
    address = halo.resource_server + "/Tickets"
    answer = api.session.post(address, json=NEW, timeout=5, allow_redirects=False)
    assert answer.status_code == status and len(halo.tickets) == 7
    assert answer.headers.get("Location") == dict(headers).get("Location")


def test_html(halo, api):
    halo.inject(Fault("html", path="tickets"))
    answer = api.get("/Tickets")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("after_commit, more", [(False, 0), (True, 1)])
def test_truncated(halo, api, after_commit, more):
    halo.inject(Fault("truncated", path="tickets", after_commit=after_commit))
    with pytest.raises(requests.RequestException):
        api.post("/Tickets", NEW)
    assert len(halo.tickets) == 6 + more
    halo.inject(Fault("truncated", path="status"))
    with pytest.raises(requests.RequestException):
        api.get("/Status")
    assert api.get("/Status").status_code == 200


@pytest.mark.parametrize("after_commit, more", [(False, 0), (True, 1)])
def test_a_hang_that_the_client_gives_up_on(halo, api, after_commit, more):
    halo.inject(Fault("hang", method="POST", seconds=0.3, after_commit=after_commit))
    with pytest.raises(requests.Timeout):
        api.post("/Tickets", NEW, timeout=0.1)
    time.sleep(0.3)
    assert len(halo.tickets) == 6 + more and halo.requests[-1].status == 0


def test_a_hang_that_the_client_waits_out(halo, api):
    halo.inject(Fault("hang", seconds=0.1))
    started = time.monotonic()
    assert api.post("/Tickets", NEW).status_code == 201
    assert time.monotonic() - started >= 0.1 and len(halo.tickets) == 7


def test_stop_ends_a_hang(halo, api):
    halo.inject(Fault("hang", seconds=60))
    outcome = []

    def ask():
        try:
            api.get("/Status", timeout=30)
        except requests.ConnectionError as error:
            outcome.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while halo.requests[-1].path != "/api/Status":
        time.sleep(0.005)
    time.sleep(0.02)
    halo.stop()
    thread.join(2)
    assert len(outcome) == 1


def test_an_unknown_kind_is_an_error():
    with pytest.raises(ValueError):
        Fault("nonsense")
