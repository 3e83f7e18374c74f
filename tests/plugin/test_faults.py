"""Each fault of the emulator against each action: the right outcome, nothing twice, no raw exception, no secret told.

The table is that of make faults (tools/faults.py): STEPS say what an action asks for, `expected` says what the
requirements make of it.
"""

import logging

import pytest
from insightconnect_plugin_runtime.exceptions import PluginException
from steps import SkippedTime, impatient, run_action, warmed

from halo_emulator import Fault
from komand_haloitsm.util.insightconnect.errors import HaloITSMError, UncertainWriteError
from tools.faults import (
    CREATE,
    KINDS,
    MATRIX,
    PASSES,
    PRIVATE,
    STEPS,
    SUMMARY,
    TEXT,
    WITH_REFERENCE,
    Trouble,
    expected,
)


def attempt(connection, step):
    """The output of an action, or the PluginException that it ended with: any other exception fails the test."""
    try:
        return run_action(connection, step.action, **step.given), None
    except PluginException as error:
        return None, error


def made(halo):
    """How often what the steps write is there."""
    return {
        "create_ticket": sum(ticket["summary"] == SUMMARY for ticket in halo.tickets.values()),
        "add_comment": sum(action["note"] == TEXT for action in halo.actions[2102]),
        "close_ticket": sum(action["note"] == TEXT for action in halo.actions[2102]),
    }


def told(error, caplog):
    parts = [caplog.text]
    if error is not None:
        assert error.cause.strip() and error.assistance.strip()
        parts += [str(error), repr(error), str(error.data), str(error.__cause__), str(error.__context__)]
    return "\n".join(parts)


def check_nothing_is_told(halo, error, caplog):
    text = told(error, caplog)
    for private in (*PRIVATE, halo.client_id, halo.client_secret, "Bearer"):
        assert private not in text


def ran(halo, caplog, step, *faults):
    """A warm connection's step under faults, with everything checked that holds for each of them."""
    caplog.set_level(logging.DEBUG)
    connection = warmed(impatient(halo, read_timeout=0.2))
    halo.forget_requests()
    for fault in faults:
        halo.inject(fault)
    output, error = attempt(connection, step)
    halo.clear_faults()
    assert max(made(halo).values()) <= 1
    assert len(halo.tickets) <= 6 + 1
    check_nothing_is_told(halo, error, caplog)
    return output, error


def writes(halo):
    return [request for request in halo.requests if request.method == "POST" and request.path != "/auth/token"]


# Those with a reference that test_external_reference.py does not have.
CELLS = [
    *MATRIX,
    *((WITH_REFERENCE, Trouble(kind, after, False)) for kind in ("302", "408", "409") for after in (False, True)),
]


@pytest.mark.parametrize("step, trouble", CELLS, ids=[f"{step.name}-{trouble}" for step, trouble in CELLS])
def test_a_fault_of_the_request_that_does_the_work(halo, caplog, step, trouble):
    output, error = ran(halo, caplog, step, trouble.fault(method=step.method, path=step.path))
    assert (output is not None) == expected(step, trouble), error
    if step.action == "get_ticket" and output:
        assert output["found"] == (trouble.kind != "404")
    if step.action in made(halo):
        there = made(halo)[step.action]
        assert there == 1 if output else there == int(trouble.after_commit)
    if step.nature == CREATE and "429" not in trouble.kind:
        assert len(writes(halo)) <= 2


def lasting(kinds):
    return [Trouble(kind, after, True) for kind in kinds for after in (False, True)]


OUTAGES = [
    (STEPS[name], trouble)
    for name in ("create_ticket", "add_comment", "close_ticket")
    for trouble in (lasting(["500", "502", "503", "504", "drop", "html", "truncated", "hang"]))
]


@pytest.mark.parametrize("step, trouble", OUTAGES, ids=[f"{step.action}-{trouble}" for step, trouble in OUTAGES])
def test_a_write_in_an_outage_is_sent_once_and_may_exist(halo, caplog, step, trouble):
    """Nothing can be looked up: what was sent once stays at once, and the user is told how to check."""
    # Before a comment its ticket's newest action is read: the outage comes after that.
    output, error = ran(halo, caplog, step, trouble.fault(skip=int(step.action == "add_comment")))
    assert output is None and isinstance(error, UncertainWriteError)
    assert "may exist" in error.cause and "look in HaloITSM" in error.assistance
    assert len(writes(halo)) == 1


LOOKUP_TROUBLES = [
    Trouble(kind, False, True) for kind in ("400", "403", "500", "503", "drop", "html", "truncated", "hang")
]


@pytest.mark.parametrize("trouble", LOOKUP_TROUBLES, ids=str)
@pytest.mark.parametrize("action, path", [("create_ticket", "tickets"), ("add_comment", "actions")])
def test_a_lost_create_whose_look_up_fails_may_exist(halo, caplog, action, path, trouble):
    lost = Fault("drop", method="POST", path=path, after_commit=True)
    fault = trouble.fault(method="GET", skip=int(action == "add_comment"))
    output, error = ran(halo, caplog, STEPS[action], lost, fault)
    assert output is None and isinstance(error, UncertainWriteError) and "may exist" in error.cause
    assert made(halo)[action] == 1 and len(writes(halo)) == 1


TOKEN_TROUBLES = [Trouble(kind, False, stays) for kind in KINDS for stays in (False, True)]


@pytest.mark.parametrize("step", [STEPS["create_ticket"], STEPS["get_ticket"]], ids=lambda step: step.action)
@pytest.mark.parametrize("trouble", TOKEN_TROUBLES, ids=str)
def test_a_fault_of_the_token_request(halo, caplog, step, trouble):
    caplog.set_level(logging.DEBUG)
    halo.inject(trouble.fault(path="auth/token"))
    output, error = attempt(impatient(halo, read_timeout=0.2), step)
    assert (output is not None) == (trouble.kind in PASSES and not trouble.lasting), error
    assert made(halo)["create_ticket"] == int(step.action == "create_ticket" and output is not None)
    check_nothing_is_told(halo, error, caplog)


@pytest.mark.parametrize("trouble", [Trouble(kind, False, True) for kind in KINDS], ids=str)
def test_a_fault_of_a_list_costs_its_names_only(halo, caplog, trouble):
    caplog.set_level(logging.DEBUG)
    halo.inject(trouble.fault(path="agent"))
    output, error = attempt(impatient(halo, read_timeout=0.2), STEPS["get_ticket"])
    assert error is None and output["found"] is True
    assert output["ticket"]["agent_id"] == 3 and "agent_name" not in output["ticket"]
    assert output["ticket"]["status_name"] == "In Progress"
    check_nothing_is_told(halo, error, caplog)


@pytest.mark.parametrize("name", STEPS)
def test_waits_of_an_outage_stay_below_the_cap(halo, name):
    skipped = SkippedTime()
    connection = warmed(impatient(halo, skipped, max_wait=120.0))
    halo.inject(Fault("status", status=503, times=None))
    with pytest.raises(HaloITSMError):
        run_action(connection, name, **STEPS[name].given)
    assert sum(skipped.slept) <= 120
