"""The fault "late": a request that is carried out long after it arrived."""

import threading
import time

import pytest
import requests

from halo_emulator import Fault

NEW = [{"summary": "S"}]


def wait_for(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    assert condition()


def give_up(api):
    with pytest.raises(requests.Timeout):
        api.post("/Tickets", NEW, timeout=0.1)


def test_it_is_carried_out_after_the_client_has_gone(halo, api):
    halo.inject(Fault("late", method="POST", path="tickets", seconds=1.0))
    started = time.monotonic()
    give_up(api)
    assert len(halo.tickets) == 6 and halo.requests[-1].status == 0
    wait_for(lambda: len(halo.tickets) == 7)
    assert time.monotonic() - started >= 1.0
    assert api.post("/Tickets", NEW).status_code == 201 and len(halo.tickets) == 8


def test_a_client_that_waits_gets_the_real_answer(halo, api):
    halo.inject(Fault("late", method="POST", path="tickets", seconds=0.2))
    started = time.monotonic()
    answer = api.post("/Tickets", NEW)
    assert (answer.status_code, answer.json()["id"]) == (201, 2107) and time.monotonic() - started >= 0.2
    assert len(halo.tickets) == 7 and halo.requests[-1].status == 201


def test_an_answer_at_once_and_the_work_later(halo, api):
    headers = (("Retry-After", "1"),)
    halo.inject(Fault("late", method="POST", path="tickets", seconds=1.0, answers=504, headers=headers))
    answer = api.post("/Tickets", NEW)
    assert (answer.status_code, answer.content, answer.headers["Retry-After"]) == (504, b"", "1")
    assert len(halo.tickets) == 6 and halo.requests[-1].status == 504
    wait_for(lambda: len(halo.tickets) == 7)


def test_clearing_the_faults_leaves_it_due(halo, api):
    halo.inject(Fault("late", method="POST", seconds=1.0, times=None))
    give_up(api)
    halo.clear_faults()
    assert len(halo.tickets) == 6 and api.post("/Tickets", NEW).status_code == 201
    wait_for(lambda: len(halo.tickets) == 8)


def test_several_are_due_at_once(halo, api):
    halo.inject(Fault("late", method="POST", seconds=1.0, answers=504, times=5))
    started = time.monotonic()
    assert [api.post("/Tickets", NEW).status_code for _ in range(5)] == [504] * 5
    wait_for(lambda: len(halo.tickets) == 11)
    assert time.monotonic() - started < 4


def test_stop_calls_it_off_and_lets_the_client_go(halo, api):
    halo.inject(Fault("late", method="POST", seconds=1.0))
    outcome = []

    def ask():
        try:
            api.post("/Tickets", NEW, timeout=30)
        except requests.ConnectionError as error:
            outcome.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_for(lambda: halo.requests[-1].path == "/api/Tickets")
    halo.stop()
    thread.join(2)
    with halo.start():
        time.sleep(1.2)
        assert len(outcome) == 1 and len(halo.tickets) == 6


def test_stop_waits_for_what_has_begun(halo, api):
    begun, done = threading.Event(), []

    def slow(_):
        begun.set()
        time.sleep(0.3)
        done.append(True)
        return {}

    halo.rules = [slow]
    halo.inject(Fault("late", method="POST", seconds=0, answers=504))
    api.post("/Tickets", NEW)
    assert begun.wait(2)
    halo.stop()
    assert done == [True]


@pytest.mark.parametrize("wrong", [{"after_commit": True}, {"status": 504}])
def test_what_late_work_cannot_be(wrong):
    with pytest.raises(ValueError):
        Fault("late", **wrong)


def test_only_late_work_answers_at_once():
    with pytest.raises(ValueError):
        Fault("hang", answers=504)
