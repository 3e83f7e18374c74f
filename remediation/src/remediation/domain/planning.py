"""The plan of a project: its findings into tickets, and a decision for each. Pure and deterministic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Mapping, Sequence

import polars as pl

from . import template
from .decide import decide
from .ledger import ALIVE
from .plan import Kind, NotDone, Plan, Step
from .project import Granularity, Settings
from .snapshot import SEVERITIES
from .status import ENDED, Status, of_parent
from .ticket import Counts, Finding, Ticket, evidence

PARENT_KEY = "project"


@dataclass(frozen=True)
class World:
    """What a project sees. ``findings``: the ledger with the columns of asset, vulnerability and solution beside it.

    ``tickets`` are the project's children, newest generation each; ``parent`` its own ticket. ``taken_keys`` are keys
    whose findings another project of the same connection has, with that ticket's name.
    """

    name: str
    settings: Settings
    findings: pl.DataFrame
    tickets: Sequence[Ticket]
    parent: Ticket | None
    today: date
    scanned: datetime | None = None
    taken: Mapping[str, str] | None = None


def plan(world: World) -> Plan:
    """The steps that would make Halo agree, parents first, and what is not done with its reason."""
    groups = _groups(world)
    by_key = {ticket.key: ticket for ticket in world.tickets}
    steps: list[Step] = []
    not_done: list[NotDone] = []
    followed = dict(_follows(world, groups, by_key))
    for old, new in sorted(followed.items()):
        ticket = by_key.pop(old)
        by_key[new] = replace(ticket, key=new)
        steps.append(Step(Kind.FOLLOW, old, ticket.generation, f"its findings moved to {new}", {"key": new}))
    for key in sorted(set(groups) | set(by_key)):
        rows = groups.get(key, [])
        known = by_key.get(key)
        if world.taken and key in world.taken and known is None:
            not_done.append(NotDone(key, f"covered by {world.taken[key]}"))
        elif known is None or known.halo_id is None:
            _create(world, key, rows, known, steps, not_done)
        else:
            findings = [_finding(row) for row in rows] or _gone(known)
            decision = decide(known, findings, linked=world.settings.reopen_linked)
            steps += decision.steps
            not_done += decision.not_done
    creates = [step for step in steps if step.kind is Kind.CREATE]
    if (world.parent is None or world.parent.halo_id is None) and (creates or world.tickets):
        steps.insert(0, _parent(world, groups))
    elif world.parent is not None:
        steps += _parents_status(world, by_key, steps)
    return Plan(tuple(steps), tuple(not_done), _held(world, steps))


def _groups(world: World) -> dict[str, list[dict[str, Any]]]:
    """The rows of each key, by key. What a ticket has told of stays in it, whatever its score is now."""
    told = {pair for ticket in world.tickets for pair in ticket.told}
    column = {
        Granularity.SOLUTION: "solution",
        Granularity.SOLUTION_OWNER: "solution",
        Granularity.ASSET: "asset",
        Granularity.VULNERABILITY: "vulnerability",
    }[world.settings.granularity]
    wanted = set(world.settings.severities())
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in world.findings.sort("asset", "vulnerability").iter_rows(named=True):
        if row["severity"] not in wanted and (row["asset"], row["vulnerability"]) not in told:
            continue
        key = row[column]
        if world.settings.granularity is Granularity.SOLUTION_OWNER:
            owners = sorted(row.get("owner_tags") or [])
            key = f"{key}@{owners[0] if owners else 'nobody'}"
        groups.setdefault(key, []).append(row)
    return groups


def _finding(row: Mapping[str, Any]) -> Finding:
    return Finding(
        row["asset"],
        row.get("host_name") or row.get("ip") or "",
        row["vulnerability"],
        row.get("title") or "",
        row["state"],
        row.get("scan"),
        row.get("scan_started"),
    )


def _gone(ticket: Ticket) -> list[Finding]:
    """The findings of a ticket that are in its group no more, as it last told of them."""
    return [
        Finding(asset, asset, vulnerability, "", state, None, None)
        for (asset, vulnerability), state in ticket.told.items()
    ]


def _follows(
    world: World, groups: Mapping[str, list[dict[str, Any]]], by_key: Mapping[str, Ticket]
) -> list[tuple[str, str]]:
    """Old and new key of each ticket whose findings have all moved to one other key, which has no ticket."""
    where = {(row["asset"], row["vulnerability"]): key for key, rows in groups.items() for row in rows}
    found = []
    for key, ticket in by_key.items():
        now = {where.get(pair) for pair in ticket.told}
        if ticket.told and len(now) == 1 and (new := now.pop()) not in (None, key) and new not in by_key:
            found.append((key, str(new)))
    return found


def _create(
    world: World,
    key: str,
    rows: list[dict[str, Any]],
    known: Ticket | None,
    steps: list[Step],
    not_done: list[NotDone],
) -> None:
    findings = [_finding(row) for row in rows]
    counts = Counts.of(findings)
    generation = known.generation if known else 1
    if not counts.alive:
        if known is not None:
            not_done.append(NotDone(f"{key}/{generation}", f"nothing of it is open any more: {counts.in_words()}"))
        return
    living = [row for row in rows if row["state"] in ALIVE]
    severity = min((row["severity"] for row in living), key=SEVERITIES.index)
    assets = list({row["asset"]: row for row in living}.values())
    agent, team, why = world.settings.assigned(assets)
    due = world.settings.due_on(severity, world.today)
    values = _values(world, living, severity, due)
    body = {
        "summary": template.summary(template.fill(world.settings.child_summary, values)),
        "details": template.fill(world.settings.child_details, values),
        "priority": world.settings.priorities[severity],
        "due": due.isoformat(),
        "agent": agent,
        "team": team,
    }
    reason = f"{counts.in_words()} on {len(assets)} assets; {severity}, due {due}; {why}"
    told = {"|".join(finding.pair): finding.state for finding in findings}
    steps.append(Step(Kind.CREATE, key, generation, reason, body, evidence([_finding(row) for row in living]), told))


def _parent(world: World, groups: Mapping[str, list[dict[str, Any]]]) -> Step:
    rows = [row for group in groups.values() for row in group if row["state"] in ALIVE]
    severity = min((row["severity"] for row in rows), key=SEVERITIES.index, default="none")
    values = _values(world, rows, severity, world.settings.due)
    body = {
        "summary": template.summary(template.fill(world.settings.parent_summary, values)),
        "details": template.fill(world.settings.parent_details, values),
        "due": world.settings.due.isoformat() if world.settings.due else None,
        "priority": world.settings.priorities[severity],
        "agent": world.settings.default_agent,
        "team": world.settings.default_team,
    }
    return Step(Kind.CREATE_PARENT, PARENT_KEY, 1, f"the project has {len(groups)} solutions to be done", body)


def _parents_status(world: World, by_key: Mapping[str, Ticket], steps: Sequence[Step]) -> list[Step]:
    """The parent's status, by what its children will have after the steps before."""
    coming = {
        step.ticket_key: Status(step.body["status"]) for step in steps if step.kind in (Kind.SET_STATUS, Kind.REOPEN)
    }
    created = [Status.NOT_STARTED for step in steps if step.kind is Kind.CREATE]
    children = [coming.get(key, ticket.status) for key, ticket in by_key.items() if ticket.halo_id]
    wanted = of_parent([*(status for status in children if status), *created])
    parent = world.parent
    if parent is None or wanted is None or parent.status is None or parent.status is wanted:
        return []
    reason = f"its children are {wanted.value} at the most urgent"
    return [Step(Kind.SET_STATUS, PARENT_KEY, 1, reason, {"status": wanted.value})]


def _held(world: World, steps: Sequence[Step]) -> str:
    """Why a plan waits for an approver: mass changes."""
    live = sum(1 for ticket in world.tickets if ticket.halo_id and ticket.status not in ENDED)
    ends = {status.value for status in ENDED}
    resolved = sum(1 for step in steps if step.kind is Kind.SET_STATUS and step.body["status"] in ends)
    creates = sum(1 for step in steps if step.kind is Kind.CREATE)
    settings = world.settings
    if resolved >= settings.mass_least and resolved > settings.mass_share * live:
        return f"it would resolve {resolved} of {live} live tickets"
    if creates > settings.most_creates:
        return f"it would create {creates} tickets"
    return ""


def _values(world: World, rows: Sequence[Mapping[str, Any]], severity: str, due: date | None) -> dict[str, str]:
    first = rows[0] if rows else {}
    hosts = sorted({row.get("host_name") or row.get("ip") or row["asset"] for row in rows})
    cves = sorted({cve for row in rows for cve in row.get("cves") or []})
    worst = max((row.get("cvss") or 0.0 for row in rows), default=0.0)
    top = next((row for row in rows if (row.get("cvss") or 0.0) == worst), first)
    return {
        "PROJ_NAME": world.name,
        "PROJ_ID": world.name,
        "PROJ_OWNER": world.settings.owner or "nobody",
        "PROJ_PRIORITY": world.settings.priority,
        "PROJ_DUE_DATE": world.settings.due.isoformat() if world.settings.due else "no date",
        "SOL_NAME": str(first.get("solution_name") or first.get("title") or first.get("solution") or ""),
        "SOL_ID": str(first.get("solution") or ""),
        "SOL_FIX": str(first.get("solution_fix") or ""),
        "SOL_TYPE": str(first.get("solution_type") or ""),
        "SOL_URL": str(first.get("solution_url") or ""),
        "SOL_ESTIMATE": str(first.get("solution_estimate") or ""),
        "SOL_COUNT": str(len({row["solution"] for row in rows})),
        "SOL_RISK_SCORE": f"{sum(row.get('risk') or 0.0 for row in rows):.0f}",
        "RISK_SCORE": f"{sum(row.get('risk') or 0.0 for row in rows):.0f}",
        "ASSET_COUNT": str(len(hosts)),
        "ASSET_NAME_LIST": template.listed(hosts),
        "ASSET_IP_LIST": template.listed(sorted({row["ip"] for row in rows if row.get("ip")})),
        "ASSET_OS_LIST": template.listed(sorted({row["os"] for row in rows if row.get("os")})),
        "VULN_COUNT": str(len(rows)),
        "VULN_LIST": template.listed(sorted({row.get("title") or row["vulnerability"] for row in rows})),
        "CVE_LIST": template.listed(cves),
        "TOP_CVE": (sorted(top.get("cves") or []) or [""])[0],
        "TOP_CVSS": f"{worst:.1f}" if worst else "",
        "SEVERITY": severity,
        "DUE_DATE": due.isoformat() if due else "no date",
        "SCAN_DATE": world.scanned.date().isoformat() if world.scanned else "",
    }
