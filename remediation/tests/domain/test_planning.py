"""A project's plan: rules 1 to 7 of "From a scan to tickets", and that a converged world is silent."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from remediation.domain.ledger import LEDGER
from remediation.domain.membership import taken_out
from remediation.domain.plan import Kind, Plan
from remediation.domain.planning import PARENT_KEY, World, plan
from remediation.domain.project import AssignmentRule, Granularity, Raise, Settings
from remediation.domain.scope import Scope
from remediation.domain.status import ENDED, Status
from remediation.domain.ticket import Ticket

NEW, PROGRESS, AWAITING, DONE, WONT, EXCEPTION = Status
DAY = timedelta(days=1)
MONDAY = datetime(2026, 3, 2, 2, tzinfo=UTC)
TODAY = date(2026, 3, 2)

COLUMNS: dict[str, Any] = {
    **LEDGER,
    "host_name": pl.String,
    "ip": pl.String,
    "os": pl.String,
    "owner_tags": pl.List(pl.String),
    "title": pl.String,
    "severity": pl.String,
    "cvss": pl.Float64,
    "risk": pl.Float64,
    "exploits": pl.Int64,
    "cves": pl.List(pl.String),
    "solution_name": pl.String,
    "solution_fix": pl.String,
}


def row(
    asset: str = "a1",
    vulnerability: str = "v1",
    solution: str | None = "s1",
    state: str = "open",
    day: int = 0,
    **more: Any,
) -> dict[str, Any]:
    started = MONDAY + day * DAY
    return {
        "asset": asset,
        "vulnerability": vulnerability,
        "solution": solution,
        "state": state,
        "since": started,
        "scan": f"scan {day}",
        "scan_started": started,
        "missed": 0,
        "host_name": f"{asset}.lan",
        "severity": "high",
        "title": f"Title of {vulnerability}",
        "solution_name": f"Do {solution}",
        **more,
    }


def findings(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{name: one.get(name) for name in COLUMNS} for one in rows], schema=COLUMNS)


PARENT = Ticket(PARENT_KEY, halo_id=1, status=NEW, agreed=NEW)


def world(
    *rows: dict[str, Any],
    tickets: list[Ticket] | None = None,
    parent: Ticket | None = PARENT,
    settings: Settings | None = None,
    summary_days: int = 0,
    **more: Any,
) -> World:
    """A world whose parent tells no numbers unless it is asked to."""
    chosen = replace(settings or Settings(), summary_days=summary_days)
    return World("DMZ", chosen, findings(*rows), tickets or [], parent, TODAY, **more)


def ticket(key: str = "s1", told: dict[str, str] | None = None, status: Status | None = NEW, **more: Any) -> Ticket:
    """A ticket that has told of ``told``: the state of each "asset/vulnerability"."""
    pairs = {(pair.split("/")[0], pair.split("/")[1]): state for pair, state in (told or {"a1/v1": "open"}).items()}
    return Ticket(**{"key": key, "halo_id": 7, "status": status, "agreed": NEW, "told": pairs, **more})


def steps(made: Plan) -> list[tuple[str, ...]]:
    return [
        (
            step.kind.value,
            f"{step.ticket_key}/{step.generation}",
            *([step.body["status"]] if "status" in step.body else []),
        )
        for step in made.steps
    ]


def reasons(made: Plan) -> dict[str, str]:
    return {one.key: one.reason for one in made.not_done}


def after(before: World, made: Plan) -> World:
    """The world once a plan is carried out: the newest ticket of each key, and what it has told."""
    known = {(one.key, one.generation): one for one in before.tickets}
    if before.parent:
        known[before.parent.key, before.parent.generation] = before.parent
    ids = max([100, *(one.halo_id or 0 for one in known.values())])
    for step in made.steps:
        name = step.ticket_key, step.generation
        told = {tuple(pair.split("|")): state for pair, state in step.told.items()}
        if step.kind in (Kind.CREATE, Kind.CREATE_PARENT):
            ids += 1
            numbers = {"numbers": step.body["numbers"], "numbers_told": before.today} if "numbers" in step.body else {}
            known[name] = Ticket(*name, halo_id=ids, status=NEW, agreed=NEW, told=told, **numbers)  # type: ignore[arg-type]
        elif step.kind is Kind.FOLLOW:
            one = known.pop(name)
            assert (step.body["key"], step.generation) not in known
            known[step.body["key"], step.generation] = replace(one, key=step.body["key"])
        elif step.kind is Kind.COMMENT:
            agreed = Status(step.body["agreed"]) if "agreed" in step.body else known[name].agreed
            reopened = "reopened" in step.body
            settling = bool(step.body.get("settling"))
            known[name] = replace(known[name], told=told, agreed=agreed, told_of_reopening=reopened, settling=settling)
            if step.body.get("listed"):
                known[name] = replace(known[name], listed=True)
            if "numbers" in step.body:
                known[name] = replace(known[name], numbers=step.body["numbers"], numbers_told=before.today)
        else:
            status = Status(step.body["status"])
            known[name] = replace(known[name], status=status, agreed=status, settling=False)
    newest = {key: known[key, generation] for key, generation in sorted(known)}
    parent = newest.pop(PARENT_KEY, None)
    if parent and made.parent_agrees:
        parent = replace(parent, agreed=made.parent_agrees)
    return replace(before, tickets=list(newest.values()), parent=parent)


# What becomes a ticket


def test_a_first_plan_makes_the_parent_before_its_children() -> None:
    made = plan(world(row(), row("a2"), row(vulnerability="v2", solution="s2"), parent=None))
    assert steps(made) == [("create-parent", "project/1"), ("create", "s1/1"), ("create", "s2/1")]
    assert made.steps[0].reason == "the project has 2 tickets' worth of work"
    assert made.steps[1].reason == "2 open on 2 assets; high, due 2026-04-01; default assignment"
    assert made.steps[1].told == {"a1|v1": "open", "a2|v1": "open"}
    assert made.steps[1].evidence == {"assets": ["a1.lan", "a2.lan"], "scans": ["scan 0"], "findings": 2}


@pytest.mark.parametrize(
    ("granularity", "keys"),
    [
        (Granularity.SOLUTION, ["s1", "s2"]),
        (Granularity.SOLUTION_OWNER, ["s1@ann", "s1@nobody", "s2@ann"]),
        (Granularity.ASSET, ["a1", "a2"]),
        (Granularity.VULNERABILITY, ["v1", "v2"]),
    ],
)
def test_granularity(granularity: Granularity, keys: list[str]) -> None:
    rows = [row(owner_tags=["zoe", "ann"]), row("a2"), row("a2", "v2", "s2", owner_tags=["ann"])]
    made = plan(world(*rows, settings=Settings(granularity=granularity)))
    assert steps(made) == [("create", f"{key}/1") for key in keys]


def test_without_a_solution_the_vulnerability_stands_for_it() -> None:
    assert steps(plan(world(row(solution=None)))) == [("create", "v1/1")]


def test_the_body_of_a_ticket() -> None:
    rules = (AssignmentRule("os", "linux", "ann", "blue"),)
    texts = {
        "child_summary": "$SOL_NAME for $DEVICE in $PROJ_NAME",
        "child_details": "$VULN_LIST|$CVE_LIST|$TOP_CVE|$TOP_CVSS|$RISK_SCORE|$DUE_DATE|$KEV|$LINK|$ASSET_IP_LIST",
    }
    rows = [
        row(os="Linux", cvss=5.0, risk=10.4, cves=["CVE-2"], ip="10.0.0.1"),
        row(vulnerability="v2", os="Linux", cvss=9.8, risk=20.0, cves=["CVE-9", "CVE-3"], severity="critical"),
    ]
    settings = Settings.from_table(texts)
    made = plan(world(*rows, settings=replace(settings, rules=rules), link="https://here/p/1"))
    assert made.steps[0].body == {
        "summary": "Do s1 for a1.lan in DMZ",
        "details": "Title of v1, Title of v2|CVE-2, CVE-3, CVE-9|CVE-3|9.8|30|2026-03-09||https://here/p/1|10.0.0.1",
        "priority": "Critical",
        "due": "2026-03-09",
        "agent": "ann",
        "team": "blue",
    }
    assert made.steps[0].reason.endswith("assignment rule 1: os contains 'linux'")


def test_two_assets_of_one_name_are_two() -> None:
    made = plan(
        world(row(host_name="web"), row("a2", host_name="web"), settings=Settings(child_summary="$ASSET_COUNT"))
    )
    assert made.steps[0].body["summary"] == "2"


def test_lists_and_counts_of_the_parent_are_over_the_whole_project() -> None:
    texts = Settings(parent_summary="$SOL_COUNT $ASSET_COUNT $VULN_COUNT", parent_details="$ASSET_NAME_LIST")
    rows = [row(), row("a2", "v2", "s2"), row("a3", "v3", "s3", "remediated")]
    body = plan(world(*rows, settings=texts, parent=None)).steps[0].body
    assert (body["summary"], body["details"]) == ("2 2 2", "a1.lan, a2.lan")


def test_lists_are_capped() -> None:
    made = plan(
        world(*(row(f"a{number:03}") for number in range(232)), settings=Settings(child_details="$ASSET_NAME_LIST"))
    )
    assert made.steps[0].body["details"].endswith("a019.lan ... and 212 more")
    assert len(made.steps[0].evidence["assets"]) == 232


@pytest.mark.parametrize("state", ["remediated", "excepted", "left"])
def test_what_was_settled_before_is_no_ticket_and_in_none(state: str) -> None:
    assert plan(world(row(state=state))) == Plan()
    made = plan(world(row(state=state), row("a2")))
    assert made.steps[0].told == {"a2|v1": "open"}
    assert plan(after(world(row(state=state), row("a2")), made)) == Plan()


def test_a_ticket_that_was_planned_and_not_made_is_planned_again() -> None:
    pending = Ticket("s1", generation=3)
    assert steps(plan(world(row(), tickets=[pending]))) == [("create", "s1/3")]
    made = plan(world(row(state="remediated"), tickets=[pending]))
    assert made.steps == () and reasons(made) == {"s1/3": "nothing of it is open any more"}


def test_a_key_whose_reference_is_used_up_gets_the_next_generation() -> None:
    assert steps(plan(world(row(), generations={"s1": 2}))) == [("create", "s1/3")]


def test_a_project_without_a_source() -> None:
    made = plan(World("DMZ", Settings(), pl.DataFrame(), [ticket()], PARENT, TODAY))
    assert made.steps == () and reasons(made) == {"project": "the project has no source yet"}


@pytest.mark.parametrize(
    ("granularity", "key"), [(Granularity.SOLUTION, "solution project"), (Granularity.ASSET, "asset project")]
)
def test_what_a_scanner_calls_project_is_not_the_projects_own_ticket(granularity: Granularity, key: str) -> None:
    made = plan(world(row(asset="project", solution="project"), settings=Settings(granularity=granularity)))
    assert steps(made) == [("create", f"{key}/1")]


def test_a_source_that_was_never_read() -> None:
    made = plan(replace(world(row()), findings=world(row()).findings.clear(), scanned=None))
    assert made.steps == () and reasons(made) == {"project": "its source has not been read yet"}
    # With a snapshot there is just nothing to do.
    assert (
        plan(replace(world(row()), findings=world(row()).findings.clear(), scanned=datetime(2026, 3, 1, tzinfo=UTC)))
        == Plan()
    )


def test_the_same_ticket_is_the_same_step_on_another_day() -> None:
    first, later = plan(world(row())), plan(replace(world(row()), today=TODAY + DAY))
    assert first.steps[0].body["due"] != later.steps[0].body["due"]
    assert "2026-04-01" in first.steps[0].body["details"] and "2026-04-02" in later.steps[0].body["details"]
    assert first.steps[0].key == later.steps[0].key


@pytest.mark.parametrize(
    "change",
    [
        {"settings": Settings(child_summary="$SOL_NAME!")},
        {"settings": Settings(child_details="$SOL_NAME!")},
        {"settings": Settings(due_days={"high": 31})},
        {"settings": Settings(due=date(2026, 3, 9))},
        {"settings": Settings(default_agent="ann")},
        {"findings": findings(row(), row("a2"))},
    ],
    ids=["summary", "details", "days", "cap", "agent", "findings"],
)
def test_another_ticket_is_another_step(change: dict[str, Any]) -> None:
    assert plan(world(row())).steps[0].key != plan(replace(world(row()), **change)).steps[0].key


# Membership is sticky


@pytest.mark.parametrize("severity", ["low", None])
def test_below_the_filter(severity: str | None) -> None:
    made = plan(world(row(severity=severity), row("a2", severity=severity), settings=Settings(min_severity="medium")))
    assert made.steps == ()
    assert reasons(made) == {"s1": "below the filter: 2 findings less severe than medium"}


def test_a_score_that_drifts_takes_nothing_out_of_its_ticket() -> None:
    assert plan(world(row(severity="none"), tickets=[ticket()])) == Plan()


def test_a_score_that_drifts_adds() -> None:
    made = plan(world(row(), row("a2"), tickets=[ticket()]))
    assert steps(made) == [("comment", "s1/1")]
    assert made.steps[0].told == {"a1|v1": "open", "a2|v1": "open"}


def test_an_owner_that_drifts_takes_nothing_out_of_its_ticket() -> None:
    owned = Settings(granularity=Granularity.SOLUTION_OWNER)
    before = ticket("s1@ann", {"a1/v1": "open", "a2/v1": "open"})
    rows = [row(owner_tags=["bob"]), row("a2", owner_tags=["ann"]), row("a3", owner_tags=["bob"])]
    made = plan(world(*rows, tickets=[before], settings=owned))
    assert steps(made) == [("create", "s1@bob/1")]
    assert made.steps[0].told == {"a3|v1": "open"}


def test_what_the_project_sees_no_more_is_told_and_waits_for_an_approver() -> None:
    made = plan(world(tickets=[ticket()]))
    assert steps(made) == [("comment", "s1/1")]
    assert made.steps[0].told == {"a1|v1": "out"}
    assert "No longer in the project: a1." in made.steps[0].body["text"]
    assert reasons(made) == {"s1/1": "withdrawn: 1 no longer in the project; an approver decides"}
    again = plan(after(world(tickets=[ticket()]), made))
    assert again.steps == () and reasons(again) == reasons(made)


def test_what_is_withdrawn_from_a_reopened_ticket_is_told_once() -> None:
    before = world(tickets=[ticket(agreed=DONE)])
    made = plan(before)
    assert steps(made) == [("comment", "s1/1")]
    assert plan(after(before, made)).steps == ()


def test_one_of_several_that_the_project_sees_no_more_is_told() -> None:
    both = ticket(told={"a1/v1": "open", "a2/v1": "remediated", "a3/v1": "open"})
    made = plan(world(row(), tickets=[both]))
    assert steps(made) == [("comment", "s1/1")]
    assert made.steps[0].told == {"a1|v1": "open", "a2|v1": "remediated", "a3|v1": "out"}


def test_an_approver_lets_a_withdrawn_ticket_end() -> None:
    gone = ticket(told={"a1/v1": "left"})
    made = plan(world(row(state="left"), tickets=[gone], released=["s1/1"]))
    assert steps(made)[:2] == [("comment", "s1/1"), ("set-status", "s1/1", "Exception")]


def test_a_static_project_holds_what_was_there_when_it_was_made() -> None:
    early, late = {"first_found": MONDAY - DAY}, {"first_found": MONDAY + DAY}
    rows = [row(**early), row("a2", **late), row("a3", "v2", "s2", **late), row("a4", first_found=None)]
    made = plan(world(*rows, settings=Settings(static=True), made=MONDAY))
    assert steps(made) == [("create", "s1/1")]
    assert set(made.steps[0].told) == {"a1|v1", "a4|v1"}
    assert reasons(made) == {
        "s1": "the project is static: 1 finding came up after it was made",
        "s2": "the project is static: 1 finding came up after it was made",
    }
    assert len(plan(world(*rows, made=MONDAY)).steps) == 2


def test_what_a_lead_has_taken_out_is_told_once_and_drift_brings_it_back() -> None:
    high = Settings(min_severity="high")
    both = ticket(told={"a1/v1": "open", "a2/v1": "open"}, out=frozenset({("a2", "v1")}))
    before = world(row(), row("a2", severity="low"), tickets=[both], settings=high)
    made = plan(before)
    assert steps(made) == [("comment", "s1/1")]
    assert made.steps[0].told == {"a1|v1": "open", "a2|v1": "out"}
    assert "No longer in the project: a2" in made.steps[0].body["text"]
    told = after(before, made)
    assert plan(told).steps == ()
    back = plan(replace(told, findings=findings(row(), row("a2", severity="high"))))
    assert back.steps[0].told == {"a1|v1": "open", "a2|v1": "open"}


def test_which_findings_a_leads_edit_takes_out() -> None:
    rows = findings(row(severity="low"), row("a2", severity="high"), row("a3", severity="low", state="remediated"))
    told = ticket(told={"a1/v1": "open", "a2/v1": "open", "a3/v1": "remediated", "a4/v1": "open"})
    assert taken_out(rows, Settings(min_severity="high"), [told]) == {"s1/1": [("a1", "v1")]}
    assert taken_out(rows, Settings(), [told]) == {}


def test_what_a_lead_has_taken_out_stays_out_with_the_next_edit() -> None:
    rows = findings(row(), row("a2", host_name="other.lan"))
    told = ticket(told={"a1/v1": "open", "a2/v1": "out"}, out=frozenset({("a2", "v1")}))
    narrow = Settings(scope=Scope(assets=("a1.*", "zz*")))
    assert taken_out(rows, narrow, [told]) == {"s1/1": [("a2", "v1")]}
    assert taken_out(rows, Settings(), [told]) == {}


def test_an_owner_with_an_at_sign_that_drifts_takes_nothing_out_of_its_ticket() -> None:
    owned = Settings(granularity=Granularity.SOLUTION_OWNER)
    before = ticket("s1@ann@corp.example", {"a1/v1": "open"})
    assert plan(world(row(owner_tags=["bob@corp.example"]), tickets=[before], settings=owned)).steps == ()


# Findings that move


def test_all_findings_moved_and_the_ticket_follows() -> None:
    told = ticket(told={"a1/v1": "open", "a2/v1": "open", "a3/v1": "open"})
    rows = [row(solution="s2"), row("a2", solution="s2"), row("a3", state="remediated", day=1)]
    before = world(*rows, tickets=[told])
    made = plan(before)
    assert steps(made) == [("comment", "s1/1"), ("follow", "s1/1")]
    assert made.steps[0].body["text"].startswith("All that is left of this moved to another solution: s2.")
    assert made.steps[0].told == {"a1|v1": "open", "a2|v1": "open", "a3|v1": "remediated"}
    assert (made.steps[1].body, made.steps[1].reason) == ({"key": "s2"}, "its findings moved to s2")
    assert plan(after(before, made)) == Plan()


def test_some_findings_moved_and_the_ticket_keeps_the_others() -> None:
    before = world(row(), row("a2", solution="s2"), tickets=[ticket(told={"a1/v1": "open", "a2/v1": "open"})])
    made = plan(before)
    assert steps(made) == [("comment", "s1/1"), ("create", "s2/1")]
    assert made.steps[0].told == {"a1|v1": "open", "a2|v1": "superseded"}
    assert (
        made.steps[0]
        .body["text"]
        .startswith("Moved to another solution: a2.lan.\n\nNow: 1 open, 1 moved to another solution.")
    )
    settled = replace(after(before, made), findings=findings(row(state="remediated", day=1), row("a2", solution="s2")))
    made = plan(settled)
    assert steps(made) == [("comment", "s1/1"), ("set-status", "s1/1", "Remediated")]
    assert made.steps[1].reason == "settled: 1 remediated, 1 moved to another solution"


def test_a_ticket_whose_key_has_new_findings_does_not_follow_the_old_ones() -> None:
    before = world(row(solution="s2"), row("a2"), tickets=[ticket()])
    made = plan(before)
    assert steps(made) == [("comment", "s1/1"), ("create", "s2/1")]
    assert made.steps[0].told == {"a1|v1": "superseded", "a2|v1": "open"}
    assert plan(after(before, made)) == Plan()


def test_what_moved_and_is_fixed_there_is_no_news_here() -> None:
    tickets = [
        ticket(told={"a1/v1": "open", "a2/v1": "superseded"}),
        ticket("s2", {"a2/v1": "remediated"}, DONE, agreed=DONE),
    ]
    assert plan(world(row(), row("a2", solution="s2", state="remediated"), tickets=tickets)) == Plan()


def test_what_moves_back_is_told() -> None:
    tickets = [ticket(told={"a1/v1": "open", "a2/v1": "superseded"})]
    made = plan(world(row(), row("a2"), tickets=tickets))
    assert made.steps[0].told == {"a1|v1": "open", "a2|v1": "open"}


def test_findings_that_moved_to_a_key_with_a_ticket_are_withdrawn() -> None:
    before = world(row(solution="s2"), row("a2", solution="s2"), tickets=[ticket(), ticket("s2", {"a2/v1": "open"})])
    made = plan(before)
    assert steps(made) == [("comment", "s1/1"), ("comment", "s2/1")]
    assert reasons(made) == {"s1/1": "withdrawn: 1 moved to another solution; an approver decides"}


@pytest.mark.parametrize("backwards", [False, True])
def test_of_two_tickets_that_moved_to_one_key_the_first_open_one_follows(backwards: bool) -> None:
    tickets = [
        ticket("s1", {"a1/v1": "open"}, WONT),
        ticket("s2", {"a2/v1": "open"}, halo_id=8),
        ticket("s3", {"a3/v1": "open"}),
    ]
    before = world(
        *(row(asset, solution="s9") for asset in ("a1", "a2", "a3")), tickets=tickets[::-1] if backwards else tickets
    )
    made = plan(before)
    assert [step for step in steps(made) if step[0] == "follow"] == [("follow", "s2/1")]
    assert {one.halo_id for one in after(before, made).tickets} == {7, 8}
    assert set(reasons(made)) == {"s3/1"}
    assert plan(after(before, made)).steps == ()


def test_a_ticket_follows_to_a_solution_of_which_another_project_has_other_findings() -> None:
    rows = [row(solution="s2"), row("a2", solution="s2")]
    made = plan(world(*rows, tickets=[ticket()], taken={("a2", "v1"): "ticket 3 of project LAN"}))
    assert steps(made) == [("comment", "s1/1"), ("follow", "s1/1")]
    assert reasons(made) == {"s2": "covered by ticket 3 of project LAN"}


# What comes back


def test_what_comes_back_reopens_its_ticket() -> None:
    done = ticket(told={"a1/v1": "remediated"}, status=DONE, agreed=DONE)
    before = world(row(day=5), tickets=[done], parent=replace(PARENT, status=DONE, agreed=DONE))
    made = plan(before)
    assert steps(made) == [
        ("comment", "s1/1"),
        ("reopen", "s1/1", "In Progress"),
        ("set-status", "project/1", "In Progress"),
    ]
    assert plan(after(before, made)) == Plan()


def test_what_comes_back_opens_a_linked_ticket() -> None:
    done = ticket(told={"a1/v1": "remediated", "a2/v1": "remediated"}, status=DONE, agreed=DONE)
    before = world(row(day=5), row("a2", state="remediated"), tickets=[done], settings=Settings(reopen_linked=True))
    made = plan(before)
    assert steps(made) == [("create", "s1/2"), ("comment", "s1/1")]
    assert made.steps[0].body["follows"] == 7
    assert made.steps[0].body["details"].endswith("Follows ticket 7, which was Remediated.")
    assert made.steps[0].told == {"a1|v1": "open"}
    assert "A new ticket has been opened for it." in made.steps[1].body["text"]
    assert made.not_done == ()
    assert plan(after(before, made)) == Plan()


def test_a_linked_ticket_that_was_not_made_is_planned_again() -> None:
    assert steps(plan(world(row(day=5), tickets=[Ticket("s1", 2)], settings=Settings(reopen_linked=True)))) == [
        ("create", "s1/2")
    ]


# The parent


@pytest.mark.parametrize("status", [one for one in Status if one is not NEW])
def test_the_parent_has_its_childrens_status(status: Status) -> None:
    state = "remediated" if status in ENDED else "open"
    child = ticket(told={"a1/v1": state}, status=status, agreed=status)
    made = plan(world(row(state=state), tickets=[child]))
    assert steps(made) == [("set-status", "project/1", status.value)]
    assert made.steps[0].reason == f"its children are {status.value} at the most urgent"


def test_the_parent_has_the_status_that_its_children_will_have() -> None:
    made = plan(world(row(state="remediated", day=1), tickets=[ticket()]))
    assert steps(made)[-2:] == [("set-status", "s1/1", "Remediated"), ("set-status", "project/1", "Remediated")]


def test_a_new_child_counts_as_not_started() -> None:
    done = ticket(told={"a1/v1": "remediated"}, status=DONE, agreed=DONE)
    made = plan(world(row(state="remediated"), row("a2", "v2", "s2"), tickets=[done]))
    assert steps(made) == [("create", "s2/1")]


@pytest.mark.parametrize(
    ("parent", "reason"),
    [
        pytest.param(
            replace(PARENT, status=PROGRESS, agreed=DONE),
            "somebody set it to In Progress, and its children are Remediated",
            id="only-theirs-changed",
        ),
        pytest.param(
            replace(PARENT, status=PROGRESS, agreed=NEW),
            "somebody set it to In Progress, and its children are Remediated now: a person decides",
            id="both-changed",
        ),
        pytest.param(
            replace(PARENT, status=None), "its status in HaloITSM is not mapped to one of ours", id="unmapped"
        ),
    ],
)
def test_a_persons_word_on_the_parent_is_not_overruled(parent: Ticket, reason: str) -> None:
    done = ticket(told={"a1/v1": "remediated"}, status=DONE, agreed=DONE)
    made = plan(world(row(state="remediated"), tickets=[done], parent=parent))
    assert made.steps == () and reasons(made) == {"project": reason}


def test_a_persons_move_that_the_children_come_to_as_well_is_agreed_on() -> None:
    parent = replace(PARENT, status=PROGRESS)
    made = plan(world(row(), tickets=[ticket(status=PROGRESS)], parent=parent))
    assert made == Plan(parent_agrees=PROGRESS)
    agreed = replace(parent, agreed=PROGRESS)
    assert plan(world(row(), tickets=[ticket(status=PROGRESS)], parent=agreed)) == Plan()
    settled = plan(world(row(state="remediated", day=1), tickets=[ticket(status=PROGRESS)], parent=agreed))
    assert ("set-status", "project/1", "Remediated") in steps(settled)


def test_only_the_lead_settles_a_dynamic_projects_parent() -> None:
    done = ticket(told={"a1/v1": "remediated"}, status=DONE, agreed=DONE)
    made = plan(world(row(state="remediated"), tickets=[done], settings=Settings(dynamic=True)))
    assert made.steps == ()
    assert reasons(made) == {"project": "its children are Remediated: the lead settles a dynamic project"}


# Mass changes wait


def settling(count: int, live: int, **values: Any) -> World:
    rows = [row(f"a{n}", f"v{n}", f"s{n}", "remediated" if n < count else "open", n < count) for n in range(live)]
    tickets = [ticket(f"s{n}", {f"a{n}/v{n}": "open"}, halo_id=10 + n) for n in range(live)]
    return world(*rows, tickets=tickets, settings=Settings(**values))


@pytest.mark.parametrize(
    ("before", "held"),
    [
        pytest.param(settling(19, 19), "", id="fewer-than-20"),
        pytest.param(settling(20, 66), "it would resolve 20 of 66 live tickets", id="20-and-more-than-30-percent"),
        pytest.param(settling(20, 67), "", id="20-and-less-than-30-percent"),
        pytest.param(settling(30, 100), "", id="30-percent"),
        pytest.param(settling(31, 100), "it would resolve 31 of 100 live tickets", id="more-than-30-percent"),
        pytest.param(settling(2, 2, mass_least=2), "it would resolve 2 of 2 live tickets", id="least-set"),
        pytest.param(settling(20, 66, mass_share=0.5), "", id="share-set"),
        pytest.param(world(*(row(f"a{n}", f"v{n}", f"s{n}") for n in range(100))), "", id="100-new"),
        pytest.param(
            world(*(row(f"a{n}", f"v{n}", f"s{n}") for n in range(101)), parent=None),
            "it would create 101 tickets",
            id="101-new",
        ),
        pytest.param(
            world(row(), row("a2", "v2", "s2"), settings=Settings(most_creates=1)),
            "it would create 2 tickets",
            id="most-set",
        ),
    ],
)
def test_mass_changes_are_held(before: World, held: str) -> None:
    assert plan(before).held == held


def test_ended_tickets_are_not_live() -> None:
    before = settling(20, 66)
    ended = [ticket(f"e{n}", {f"e{n}/v": "open"}, WONT, halo_id=900 + n) for n in range(34)]
    rows = [row(f"e{n}", "v", f"e{n}") for n in range(34)]
    many = replace(before, tickets=[*before.tickets, *ended], findings=pl.concat([before.findings, findings(*rows)]))
    assert plan(many).held == "it would resolve 20 of 66 live tickets"


# One finding, one live ticket


def test_what_another_project_has_is_covered() -> None:
    taken = {("a1", "v1"): "ticket 3 of project LAN"}
    made = plan(world(row(), row("a2", "v2", "s2"), taken=taken))
    assert steps(made) == [("create", "s2/1")]
    assert reasons(made) == {"s1": "covered by ticket 3 of project LAN"}
    assert plan(world(row(state="remediated"), taken=taken)) == Plan()


def test_only_what_another_project_has_is_covered_whatever_its_tickets_stand_for() -> None:
    made = plan(world(row(), row("a2"), taken={("a1", "v1"): "ticket 3 of project LAN"}))
    assert steps(made) == [("create", "s1/1")]
    assert made.steps[0].told == {"a2|v1": "open"}
    assert reasons(made) == {"s1": "covered by ticket 3 of project LAN"}
    known = plan(world(row(), row("a2"), tickets=[ticket()], taken={("a2", "v1"): "ticket 3 of project LAN"}))
    assert known.steps == () and reasons(known) == reasons(made)


@pytest.mark.parametrize(
    ("granularity", "key"),
    [
        (Granularity.SOLUTION, "s1"),
        (Granularity.SOLUTION_OWNER, "s1"),
        (Granularity.ASSET, "a1"),
        (Granularity.VULNERABILITY, "v1"),
    ],
)
def test_what_another_project_has_is_covered_at_each_granularity(granularity: Granularity, key: str) -> None:
    made = plan(world(row(), taken={("a1", "v1"): "ticket 3"}, settings=Settings(granularity=granularity)))
    assert made.steps == () and reasons(made) == {key: "covered by ticket 3"}


def test_a_ticket_that_there_is_goes_on() -> None:
    made = plan(world(row(state="remediated", day=1), tickets=[ticket()], taken={("a1", "v1"): "ticket 3"}))
    assert ("set-status", "s1/1", "Remediated") in steps(made)


# Where absence proves nothing


@pytest.mark.parametrize(
    ("missed", "resolves", "expected"),
    [
        (1, False, [("comment", "s1/1"), ("set-status", "s1/1", "Awaiting Verification")]),
        (2, False, [("comment", "s1/1"), ("set-status", "s1/1", "Awaiting Verification")]),
        (1, True, [("comment", "s1/1"), ("set-status", "s1/1", "Awaiting Verification")]),
        (2, True, [("comment", "s1/1"), ("set-status", "s1/1", "Remediated")]),
    ],
)
def test_what_is_no_longer_reported(missed: int, resolves: bool, expected: list[tuple[str, ...]]) -> None:
    before = world(
        row(state="unconfirmed", missed=missed), tickets=[ticket()], settings=Settings(resolve_unreported=resolves)
    )
    made = plan(before)
    assert steps(made)[:2] == expected
    assert plan(after(before, made)).steps == ()


def test_the_second_report_settles_what_the_first_left_waiting() -> None:
    settings = Settings(resolve_unreported=True)
    before = world(row(state="unconfirmed", missed=1), tickets=[ticket()], settings=settings)
    waiting = after(before, plan(before))
    made = plan(replace(waiting, findings=findings(row(state="unconfirmed", missed=2))))
    assert ("set-status", "s1/1", "Remediated") in steps(made)


def test_a_scans_unconfirmed_findings_stay_so() -> None:
    settings = Settings(resolve_unreported=True)
    made = plan(world(row(state="unconfirmed"), tickets=[ticket()], settings=settings))
    assert steps(made) == [("comment", "s1/1")]


# Clocks


@pytest.mark.parametrize(("skew", "refuted"), [(60, True), (600, False)])
def test_the_skew_of_the_clocks(skew: int, refuted: bool) -> None:
    waiting = ticket(status=AWAITING, changed=MONDAY - timedelta(minutes=5))
    made = plan(
        world(
            row(),
            tickets=[waiting],
            parent=replace(PARENT, status=AWAITING, agreed=AWAITING),
            skew=timedelta(seconds=skew),
        )
    )
    assert bool(made.steps) is refuted


# Properties

ASSETS, VULNERABILITIES, SOLUTIONS = ["a1", "a2", "a3"], ["v1", "v2"], ["s1", "s2", "s3"]
LEDGER_STATES = ["open", "unconfirmed", "remediated", "excepted", "left"]
pairs = st.tuples(st.sampled_from(ASSETS), st.sampled_from(VULNERABILITIES))
told_states = st.sampled_from([*LEDGER_STATES, "superseded", "out", "unreported"])


@st.composite
def ledgers(draw: st.DrawFn) -> pl.DataFrame:
    held = draw(st.lists(pairs, unique=True))
    return findings(
        *(
            row(
                *pair,
                draw(st.sampled_from(SOLUTIONS)),
                draw(st.sampled_from(LEDGER_STATES)),
                draw(st.integers(0, 4)),
                missed=draw(st.integers(0, 2)),
                severity=draw(st.sampled_from(["critical", "low", "none"])),
                owner_tags=draw(st.lists(st.sampled_from(["ann", "bob"]), max_size=1)),
                solution_name=draw(st.sampled_from(["Patch", "Update"])),
            )
            for pair in held
        )
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    granularity = draw(st.sampled_from(list(Granularity)))
    keys = {
        Granularity.SOLUTION: SOLUTIONS,
        Granularity.SOLUTION_OWNER: [f"{one}@{owner}" for one in SOLUTIONS[:2] for owner in ("ann", "bob")],
        Granularity.ASSET: ASSETS,
        Granularity.VULNERABILITY: VULNERABILITIES,
    }[granularity]
    tickets = [
        Ticket(
            key,
            draw(st.integers(1, 2)),
            draw(st.sampled_from([10 + number, 10 + number, None])),
            status=draw(st.sampled_from([*Status, None])),
            agreed=draw(st.sampled_from([*Status, None])),
            changed=draw(st.none() | st.integers(0, 4).map(lambda day: MONDAY + day * DAY - timedelta(hours=1))),
            told=draw(st.dictionaries(pairs, told_states)),
            told_of_reopening=draw(st.booleans()),
        )
        for number, key in enumerate(keys)
        if draw(st.booleans())
    ]
    settings = Settings(
        granularity=granularity,
        reopen_linked=draw(st.booleans()),
        resolve_unreported=draw(st.booleans()),
        dynamic=draw(st.booleans()),
        min_severity=draw(st.sampled_from(["low", "none"])),
        summary_days=draw(st.sampled_from([0, 1])),
    )
    parent = replace(PARENT, status=draw(st.sampled_from([NEW, DONE])), agreed=draw(st.sampled_from([NEW, DONE])))
    return World("DMZ", settings, draw(ledgers()), tickets, parent, TODAY)


@limits(deadline=None, max_examples=300)
@given(worlds())
def test_a_converged_world_plans_nothing(before: World) -> None:
    done = after(before, plan(before))
    assert plan(done).steps == ()
    assert steps(plan(replace(done, today=TODAY + 40 * DAY))) == []


@limits(deadline=None)
@given(st.lists(ledgers(), min_size=2, max_size=5), st.booleans(), st.booleans(), st.sampled_from(list(Granularity)))
def test_a_project_converges_after_every_scan(
    scans: list[pl.DataFrame], linked: bool, unreported: bool, granularity: Granularity
) -> None:
    settings = Settings(reopen_linked=linked, resolve_unreported=unreported, granularity=granularity)
    now = World("DMZ", settings, findings(), [], None, TODAY)
    for ledger in scans:
        now = replace(now, findings=ledger)
        made = plan(now)
        now = after(now, made)
        assert plan(now).steps == ()
        homes: dict[Any, int] = {}
        for one in now.tickets:
            for pair, state in one.told.items():
                if state in ("open", "unconfirmed"):
                    # One finding, one live ticket.
                    assert homes.setdefault(pair, one.halo_id or 0) == one.halo_id
        alive = ledger.filter(
            pl.col("state").is_in(["open", "unconfirmed"]) & (pl.col("severity") != "none")
        ).with_columns(done=(pl.col("missed") >= 2) & (pl.col("state") == "unconfirmed") & pl.lit(unreported))
        for asset, vulnerability in alive.filter(~pl.col("done")).select("asset", "vulnerability").iter_rows():
            assert (asset, vulnerability) in homes


@limits(deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_the_plan_is_the_same_whatever_the_order(before: World, chance: random.Random) -> None:
    tickets = list(before.tickets)
    chance.shuffle(tickets)
    rows = before.findings.sample(fraction=1, shuffle=True, seed=chance.randrange(1000))
    assert plan(replace(before, tickets=tickets, findings=rows)) == plan(before)


@limits(deadline=None)
@given(worlds())
def test_each_step_key_is_unique_and_each_ticket_has_one_comment(before: World) -> None:
    made = plan(before)
    keys = [step.key for step in made.steps]
    assert len(set(keys)) == len(keys)
    comments = [(step.ticket_key, step.generation) for step in made.steps if step.kind is Kind.COMMENT]
    assert len(set(comments)) == len(comments)


@limits(deadline=None)
@given(worlds())
def test_nothing_is_settled_while_an_open_or_unconfirmed_finding_is_there(before: World) -> None:
    made = plan(before)
    done = {(one.key, one.generation): one for one in after(before, made).tickets}
    for step in made.steps:
        if step.ticket_key != PARENT_KEY and step.body.get("status") in [one.value for one in ENDED]:
            told = done[step.ticket_key, step.generation].told
            assert not {"open", "unconfirmed"} & set(told.values())


@limits(deadline=None)
@given(worlds())
def test_nothing_that_was_told_vanishes(before: World) -> None:
    told = {(one.key, one.generation): set(one.told) for one in before.tickets}
    for step in plan(before).steps:
        if step.kind is Kind.COMMENT and (step.ticket_key, step.generation) in told:
            now = {tuple(pair.split("|")) for pair in step.told}
            assert told[step.ticket_key, step.generation] <= now


def test_a_ticket_that_was_to_be_opened_again_is_opened_with_whatever_is_new() -> None:
    """The run before ended between its comment and its status; since then one of the findings has moved away."""
    ended = ticket(status=Status.EXCEPTION, agreed=Status.EXCEPTION, told={"a1/v1": "open", "a1/v2": "open"})
    made = plan(world(row(), tickets=[ended]))
    assert steps(made)[:2] == [("comment", "s1/1"), ("reopen", "s1/1", "In Progress")]


# What a ticket carries


def test_custom_fields_take_any_variable_and_the_due_date_of_the_day() -> None:
    settings = Settings(
        fields={"CFtopcve": "$TOP_CVE", "CFdue": "by $DUE_DATE"}, parent_fields={"CFproject": "$PROJ_ID"}
    )
    before = world(row(cvss=9.0, cves=["CVE-2026-2"]), parent=None, settings=settings, slug="dmz")
    parent, child = plan(before).steps
    assert parent.body["customfields"] == {"CFproject": "dmz"}
    assert child.body["customfields"] == {"CFtopcve": "CVE-2026-2", "CFdue": "by 2026-04-01"}
    assert plan(replace(before, today=TODAY + DAY)).steps[1].key == child.key


def test_an_exploit_raises_priority_and_due_date_and_says_so() -> None:
    made = plan(world(row(exploits=2), settings=Settings(raise_for=(Raise.EXPLOIT,))))
    (step,) = made.steps
    assert (step.body["priority"], step.body["due"]) == ("Critical", "2026-03-09")
    assert "high, as urgent as critical because an exploit is known, due 2026-03-09" in step.reason
    assert "high" in step.body["summary"]
    assert (
        plan(world(row(exploits=0), settings=Settings(raise_for=(Raise.EXPLOIT,)))).steps[0].body["priority"] == "High"
    )


def test_a_comment_in_the_words_of_the_projects_template() -> None:
    settings = Settings(comment="$PROJ_NAME, $ASSET_COUNT assets:\n$NEWS")
    (step,) = plan(world(row(), row("a2"), tickets=[ticket()], settings=settings)).steps
    assert step.body["text"].startswith("DMZ, 2 assets:\nOpen: a2.lan.")


def many(count: int, state: str = "open", day: int = 0) -> list[dict[str, Any]]:
    return [row(f"a{number:03}", state=state, day=day) for number in range(count)]


def test_the_whole_list_is_attached_beyond_twenty_assets() -> None:
    assert steps(plan(world(*many(20)))) == [("create", "s1/1")]
    before = world(*many(21))
    made = plan(before)
    assert steps(made) == [("create", "s1/1"), ("comment", "s1/1")]
    body = made.steps[1].body
    assert body["listed"] and "All 21 assets are in the attached list." in body["text"]
    assert body["attachment"]["name"].startswith("assets-") and body["attachment"]["text"].count("\r\n") == 22
    assert made.steps[1].told == made.steps[0].told
    assert plan(after(before, made)).steps == ()


def test_a_list_that_was_not_attached_is_made_up_for() -> None:
    told = {f"a{number:03}/v1": "open" for number in range(21)}
    assert steps(plan(world(*many(21), tickets=[ticket(told=told)]))) == [("comment", "s1/1")]
    assert plan(world(*many(21), tickets=[ticket(told=told, listed=True)])).steps == ()


def test_a_comment_about_many_assets_brings_the_list() -> None:
    told = {f"a{number:03}/v1": "open" for number in range(25)}
    before = world(*many(25, "remediated", 1), tickets=[ticket(told=told, listed=True)])
    comment = plan(before).steps[0]
    assert "... and 5 more" in comment.body["text"]
    assert comment.body["attachment"]["text"].count(",remediated,") == 25
    few = world(*many(5, "remediated", 1), *many(25)[5:], tickets=[ticket(told=told, listed=True)])
    assert "attachment" not in plan(few).steps[0].body


def test_a_ticket_that_halo_does_not_show_waits() -> None:
    gone = world(row(state="remediated", day=1), tickets=[ticket(missing=True)])
    assert plan(gone).steps == ()
    reason = "ticket 7 does not exist in HaloITSM any more, or the API's agent may not see it"
    assert reasons(plan(gone)) == {"s1/1": reason}
    parent = replace(PARENT, missing=True)
    assert plan(world(row(), tickets=[ticket(status=PROGRESS)], parent=parent)).steps == ()


# What the parent tells of its children


TOLD = "Tickets: 1 Not Started. Findings: 1 open."


def test_a_parent_that_is_made_has_told_its_numbers() -> None:
    before = world(row(), parent=None, summary_days=1)
    made = plan(before)
    assert made.steps[0].body["numbers"] == TOLD
    assert plan(after(before, made)) == Plan()


@pytest.mark.parametrize(
    ("days", "since", "tells"),
    [(1, 1, True), (1, None, True), (1, 0, False), (7, 6, False), (7, 7, True), (0, 9, False)],
)
def test_a_summary_when_numbers_changed_at_most_every_so_many_days(days: int, since: int | None, tells: bool) -> None:
    last = None if since is None else TODAY - since * DAY
    parent = replace(PARENT, numbers=TOLD, numbers_told=last)
    before = world(row(state="remediated", day=1), tickets=[ticket()], parent=parent, summary_days=days)
    made = plan(before)
    summaries = [step for step in made.steps if step.ticket_key == PARENT_KEY and step.kind is Kind.COMMENT]
    assert [step.body["text"] for step in summaries] == ["Tickets: 1 Remediated. Findings: 1 remediated."] * tells
    assert made.steps[-1:] == tuple(summaries) or not tells
    if tells:
        assert plan(after(before, made)).steps == ()


def test_the_numbers_of_a_parent_count_what_the_steps_will_change() -> None:
    linked = Settings(reopen_linked=True)
    ended = ticket(told={"a1/v1": "remediated"}, status=DONE, agreed=DONE)
    unmapped = ticket("s2", {"a2/v2": "open"}, None, halo_id=8)
    rows = [row(), row("a2", "v2", "s2"), row("a3", "v3", "s3")]
    made = plan(world(*rows, tickets=[ended, unmapped], settings=linked, summary_days=1))
    assert made.steps[-1].body["numbers"] == (
        "Tickets: 2 Not Started, 1 with a status that is not mapped. Findings: 3 open."
    )


# What people say of tickets


@pytest.mark.parametrize(
    "facts",
    [
        [row(state="remediated")],
        [row(), row("a2")],
        [row(solution="s9")],
        [],
    ],
    ids=["settled", "news", "moved", "gone"],
)
@pytest.mark.parametrize("more", [{}, {"missing": True}, {"status": None}, {"halo_id": None}], ids=str)
def test_a_paused_ticket_is_left_alone_whatever_happens(facts: list[dict[str, Any]], more: dict[str, Any]) -> None:
    paused = ticket(paused="anna", **more)
    made = plan(world(*facts, tickets=[paused], scanned=MONDAY))
    assert not [one for one in steps(made) if one[1] == "s1/1"]
    assert reasons(made)["s1/1"] == "paused by anna"
    moves = [one for one in steps(made) if "s9" in one[1]]
    # Its findings are still its own: they follow when it goes on. One that was never made has none.
    assert bool(moves) is (more.get("halo_id", 7) is None and bool(facts) and facts[0]["solution"] == "s9")


def test_a_paused_parent_is_left_alone() -> None:
    made = plan(
        world(row(state="remediated"), tickets=[ticket()], parent=replace(PARENT, paused="anna"), summary_days=1)
    )
    assert steps(made) == [("comment", "s1/1"), ("set-status", "s1/1", "Remediated")]
    assert reasons(made) == {"project": "paused by anna"}


DETACHED = {("a1", "v1"): "detached by anna: ticket 7"}


@pytest.mark.parametrize(
    ("facts", "tickets", "expected"),
    [
        ([row()], [], []),
        ([row(), row("a2")], [], [("create", "s1/2")]),
        # One that a person has asked for since is as any other.
        ([row(), row("a2")], [ticket(generation=2)], [("comment", "s1/2")]),
        # No ticket follows to a key of which one was detached: their places would be the same.
        ([row(), row("a3")], [ticket("s0", {"a3/v1": "open"})], [("create", "s1/2"), ("comment", "s0/1")]),
    ],
)
def test_the_findings_of_a_detached_ticket_get_no_other_one(
    facts: list[dict[str, Any]], tickets: list[Ticket], expected: list[tuple[str, ...]]
) -> None:
    before = world(
        *facts, tickets=tickets, detached=DETACHED, forgotten={"s1"}, generations={"s1": 1, "s0": 1}, scanned=MONDAY
    )
    made = plan(before)
    assert sorted(steps(made)) == sorted(expected)
    told = {pair for step in made.steps if step.kind is Kind.CREATE for pair in step.told}
    assert "a1|v1" not in told
    if not tickets or tickets[0].key == "s0":
        assert reasons(made)["s1"] == "detached by anna: ticket 7"


def picked(*rows: dict[str, Any], of: set[str], **more: Any) -> World:
    chosen = Settings(picked=True, parent=False, min_severity="none", **more)
    made = world(*rows, settings=chosen, parent=None)
    return replace(made, findings=made.findings.with_columns(pl.col("asset").is_in(sorted(of)).alias("listed")))


def test_a_project_of_what_people_picked_holds_exactly_that_and_tells_of_nothing_else() -> None:
    made = plan(picked(row(), row("a2"), row("a3", "v2", "s2", severity="none"), of={"a2", "a3"}))
    assert steps(made) == [("create", "s1/1"), ("create", "s2/1")] and reasons(made) == {}
    assert [list(step.told) for step in made.steps] == [["a2|v1"], ["a3|v2"]]
    assert plan(picked(row(), of=set())) == Plan()
    # Where nobody has ever picked anything, it holds nothing.
    assert plan(world(row(), settings=Settings(picked=True, parent=False), parent=None)) == Plan()


def test_a_project_without_a_ticket_of_its_own() -> None:
    alone = Settings(parent=False)
    made = plan(world(row(), settings=alone, parent=None))
    assert steps(made) == [("create", "s1/1")]
    settled = world(row(state="remediated"), tickets=[ticket()], settings=alone, parent=None, summary_days=1)
    assert steps(plan(settled)) == [("comment", "s1/1"), ("set-status", "s1/1", "Remediated")]


def test_a_ticket_that_findings_were_tied_to_is_told_all_of_them_first() -> None:
    tied = ticket(told={"a1/v1": "open", "a2/v1": "remediated"}, tied="anna tied it", listed=True)
    made = plan(world(row(), row("a2", state="remediated"), tickets=[tied]))
    assert steps(made) == [("comment", "s1/1")]
    text = made.steps[0].body["text"]
    assert text.startswith("anna tied it\n\nDo s1") and "Due: as this ticket says." in text
    assert "Open: a1.lan." in text and "Remediated: a2.lan." in text
    # On another day it is the same step.
    later = plan(replace(world(row(), row("a2", state="remediated"), tickets=[tied]), today=TODAY + DAY))
    assert later.steps[0].key == made.steps[0].key
