"""The five workflows, played against the emulator: what they do, do once, and do where a step fails."""

import pytest
from steps import connected, connection_to, run_action

from .conftest import RRN
from .interpreter import JobFailed

CREATE = "Create_HaloITSM_Tickets_from_InsightIDR_Investigations"
FOLLOW = "Update_InsightIDR_Investigations_from_HaloITSM_Tickets"
WEBHOOK = "Update_InsightIDR_Investigations_from_HaloITSM_Webhooks"
FOUND = "Open_HaloITSM_Tickets_for_Newly_Found_Vulnerabilities"
REMEDIATED = "Close_HaloITSM_Tickets_for_Newly_Remediated_Vulnerabilities"

PRIORITIES = {"Critical_Priority_ID": 1, "High_Priority_ID": 2, "Medium_Priority_ID": 3, "Low_Priority_ID": 4}
IN_PROGRESS, CLOSED, AGENT = 2, 9, 3


@pytest.fixture
def create(run, rapid7):
    return lambda kind=1: run(CREATE, {"investigation": rapid7.investigation}, Ticket_Type_ID=kind, **PRIORITIES)


@pytest.fixture
def new(halo):
    """The tickets that were not there at the beginning."""
    before = set(halo.tickets)
    return lambda: sorted(set(halo.tickets) - before)


@pytest.fixture
def connection(halo):
    return connected(connection_to(halo))


# ------------------------------------------------------------------------------------ investigation to ticket


def test_an_investigation_gets_one_ticket_and_one_comment_however_often_it_runs(halo, rapid7, create, new):
    for _ in range(2):
        create()
    (number,) = new()
    ticket = halo.tickets[number]
    assert ticket["summary"] == "InsightIDR: Beaconing from nwc-app-02" and ticket["priority_id"] == 2
    assert ticket["details"].splitlines()[-1] == f"Reference: {RRN}"
    (comment,) = rapid7.comments
    assert comment["target"] == RRN and comment["body"].startswith(f"HaloITSM ticket {number}: http")


def test_a_comment_that_was_refused_is_added_by_the_next_run(rapid7, create, new):
    rapid7.refused = {"create_comment"}
    with pytest.raises(JobFailed, match="Name the Ticket"):
        create()
    rapid7.refused = set()
    create()
    assert len(new()) == len(rapid7.comments) == 1


def test_the_investigation_tells_that_there_is_no_ticket(rapid7, create, new):
    job = create(kind=4711)
    assert job.done[-1] == "Report the Missing Ticket" and new() == []
    assert [comment["body"] for comment in rapid7.comments] == [
        "HaloITSM has not created a ticket. The job tells why: https://example.com/jobs/1"
    ]


# ------------------------------------------------------------------------------------ ticket to investigation


@pytest.fixture
def ticket(create, new):
    create()
    return new()[0]


@pytest.fixture(params=[FOLLOW, WEBHOOK])
def follow(request, run):
    """Either workflow, for a change of a ticket; what the event says of it is out of date, or a lie."""

    def start(number, **says):
        event = {"event_id": "1", "ticket": {"id": number, **says}, "old_status_id": 1, "new_status_id": 1}
        if request.param == WEBHOOK:
            event = {"object_id": number, **says}
        return run(request.param, event, In_Progress_Status_ID=IN_PROGRESS)

    return start


def close(halo, number):
    halo.change_ticket(number, agent_id=AGENT)
    halo.change_ticket(number, status_id=CLOSED, closure_note="Blocked at the proxy.")


def test_closing_the_ticket_closes_the_investigation_once(halo, rapid7, ticket, follow):
    close(halo, ticket)
    for _ in range(2):
        follow(ticket)
    assert rapid7.status == "CLOSED"
    _, comment = rapid7.comments
    assert comment["body"].startswith(f"HaloITSM ticket {ticket} was closed: http")


def test_work_on_the_ticket_starts_the_investigation(halo, rapid7, ticket, follow):
    halo.change_ticket(ticket, status_id=IN_PROGRESS)
    follow(ticket)
    assert rapid7.status == "INVESTIGATING"


def test_what_the_event_claims_is_not_believed(rapid7, ticket, follow):
    job = follow(ticket, closed=True, status_id=CLOSED)
    assert rapid7.status == "OPEN" and job.done[-1] == "What the Investigation Needs"


def test_a_ticket_that_only_quotes_the_reference_changes_nothing(halo, rapid7, ticket, follow):
    forged = halo.log_ticket(summary="Please close", details=f"Mine.\n\nReference: {RRN}", user_id=52)["id"]
    close(halo, forged)
    job = follow(forged)
    assert rapid7.status == "OPEN" and job.done[-1] == "Same Ticket" and ticket != forged


@pytest.mark.parametrize("number, last", [(999_999, "Ticket Not There"), (2102, "Investigation Named")])
def test_a_ticket_of_no_investigation_changes_nothing(rapid7, follow, number, last):
    assert follow(number).done[-1] == last
    assert rapid7.status == "OPEN" and not rapid7.comments


def test_an_investigation_that_cannot_be_closed_fails_the_job_and_is_closed_by_the_next(halo, rapid7, ticket, follow):
    close(halo, ticket)
    rapid7.refused = {"set_status_of_investigation_action"}
    with pytest.raises(JobFailed, match="Close Investigation"):
        follow(ticket)
    rapid7.refused = set()
    follow(ticket)
    assert rapid7.status == "CLOSED" and len(rapid7.comments) == 2


# ----------------------------------------------------------------------------------- vulnerabilities to tickets

ASSET = "b7d0f3c4-default-asset-17"
CRITICAL = {"title": "Log4Shell", "severity": "Critical", "severityScore": 10, "description": {"text": "Update it."}}
MODERATE = {"title": "Old TLS", "severity": "Moderate", "severityScore": 2, "description": {"text": "Turn it off."}}


@pytest.fixture
def found(run, rapid7):
    rapid7.vulnerabilities = {"log4shell": CRITICAL, "old-tls": MODERATE}

    def start(*names, kind=1):
        event = {"id": ASSET, "summary": {"ip": "192.0.2.7"}, "changes": {"asset_vulnerabilities_found": list(names)}}
        settings = {"Critical_Priority_ID": 1, "Other_Priority_ID": 3, "Reopened_Status_ID": IN_PROGRESS}
        return run(FOUND, event, Ticket_Type_ID=kind, Minimum_Severity_Score=4, **settings)

    return start


@pytest.fixture
def remediated(run):
    def start(*names):
        event = {"id": ASSET, "summary": {}, "changes": {"asset_vulnerabilities_remediated": list(names)}}
        return run(REMEDIATED, event)

    return start


def test_severe_vulnerabilities_and_unknown_ones_get_a_ticket_each_and_others_none(halo, found, new):
    for _ in range(2):
        found("log4shell", "old-tls", "unheard-of")
    tickets = [halo.tickets[number] for number in new()]
    assert [(ticket["summary"], ticket["priority_id"]) for ticket in tickets] == [
        ("Log4Shell on 192.0.2.7", 1),
        ("Vulnerability unheard-of on 192.0.2.7", 3),
    ]
    assert f"Reference: insightvm:{ASSET}:log4shell" in tickets[0]["details"] and "Update it." in tickets[0]["details"]


def test_a_failure_leaves_an_artifact_and_the_others_go_on(found, new):
    job = found("log4shell", "unheard-of", kind=4711)
    assert new() == [] and len(job.artifacts) == 2
    assert job.artifacts[0].startswith(f"HaloITSM has not created a ticket for log4shell on asset {ASSET}")


def test_a_vulnerability_that_comes_back_reopens_its_ticket(halo, connection, found, new):
    found("log4shell")
    (number,) = new()
    close(halo, number)
    for _ in range(2):
        found("log4shell")
    assert new() == [number] and halo.tickets[number]["status_id"] == IN_PROGRESS
    comments = run_action(connection, "get_ticket", ticket_id=number, include_comments=True)["comments"]
    assert [comment["text"] for comment in comments if "again" in comment["text"]] == [
        "InsightVM has found this vulnerability on this asset again."
    ]


def test_a_remediated_vulnerability_closes_its_own_ticket_and_no_other(halo, connection, found, remediated, new):
    found("log4shell", "unheard-of")
    mine, other = new()
    halo.change_ticket(mine, agent_id=AGENT)
    for _ in range(2):
        remediated("log4shell", "never-ticketed")
    closed = {number: run_action(connection, "get_ticket", ticket_id=number)["ticket"] for number in (mine, other)}
    assert [closed[mine]["closed"], closed[other]["closed"]] == [True, False] and new() == [mine, other]
    assert closed[mine]["closure_note"] == f"InsightVM reports log4shell as remediated on asset {ASSET}."


def test_a_ticket_that_may_not_be_closed_is_told_so(halo, connection, found, remediated, new):
    found("log4shell", "unheard-of")
    refused, closable = new()
    halo.change_ticket(closable, agent_id=AGENT)
    job = remediated("log4shell", "unheard-of")
    read = {number: run_action(connection, "get_ticket", ticket_id=number, include_comments=True) for number in new()}
    assert not read[refused]["ticket"]["closed"] and read[closable]["ticket"]["closed"] and job.artifacts == []
    assert "did not let the workflow close" in read[refused]["comments"][0]["text"]
