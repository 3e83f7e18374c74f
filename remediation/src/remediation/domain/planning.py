"""The plan of a project: its findings into tickets, and a decision for each. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Mapping, Sequence

import polars as pl

from . import template
from .decide import SKEW, decide
from .ledger import ALIVE, ENOUGH_MISSES, KEY, State
from .plan import Kind, NotDone, Plan, Step, digest
from .project import Granularity, Settings
from .snapshot import SEVERITIES
from .status import ENDED, Status, of_parent
from .ticket import OUT, SUPERSEDED, UNREPORTED, Counts, Finding, Pair, Ticket, evidence

PARENT_KEY = "project"

# Stands for the due date while a text is made, so that the same ticket is the same step on another day.
_DUE = "\N{SYMBOL FOR NULL}due\N{SYMBOL FOR NULL}"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class World:
    """What a project sees. ``findings``: the ledger with the columns of asset, vulnerability and solution beside it.

    ``tickets`` are the project's children, newest generation each; ``parent`` its own ticket. ``taken`` are keys whose
    findings another project of the same connection has, with that ticket's name. ``generations`` are the highest that
    were ever used for a key, also by tickets that follow another key now. ``released`` names the tickets (key and
    generation) that an approver lets end though their findings were only withdrawn. ``skew`` is how far a scan has to
    begin after a person's word. ``link`` leads to the project's page.
    """

    name: str
    settings: Settings
    findings: pl.DataFrame
    tickets: Sequence[Ticket]
    parent: Ticket | None
    today: date
    scanned: datetime | None = None
    taken: Mapping[str, str] | None = None
    generations: Mapping[str, int] | None = None
    released: Collection[str] = ()
    skew: timedelta = SKEW
    link: str = ""


@dataclass(frozen=True)
class _Rows:
    """``groups``: the rows of each key, by key. ``key_of`` and ``row_of`` find a finding's key and row."""

    groups: Mapping[str, Sequence[Row]]
    key_of: Mapping[Pair, str]
    row_of: Mapping[Pair, Row]

    def living(self, key: str) -> list[Row]:
        """The rows of a key that are there, as far as anybody has proved."""
        return [row for row in self.groups.get(key, ()) if row["state"] in ALIVE]


def plan(world: World) -> Plan:
    """The steps that would make Halo agree, parents first, and what is not done with its reason."""
    if not world.findings.columns:
        return Plan(not_done=(NotDone(PARENT_KEY, "the project has no source yet"),))
    tickets = sorted(world.tickets, key=lambda ticket: (ticket.key, ticket.generation))
    by_key = {ticket.key: ticket for ticket in tickets}
    rows = _rows(world, tickets)
    follows = _follows(world, rows, by_key)
    arriving = {new: old for old, new in follows.items()}
    steps: list[Step] = []
    not_done: list[NotDone] = []
    for key in sorted({*rows.groups, *by_key} - set(follows)):
        known = by_key[arriving[key]] if key in arriving else by_key.get(key)
        if known is None:
            generation = (world.generations or {}).get(key, 0) + 1
            _create(world, key, generation, rows.living(key), steps, not_done)
        elif known.halo_id is None:
            _create(world, key, known.generation, rows.living(key), steps, not_done, known)
        else:
            _decide(world, known, key, rows, steps, not_done)
    not_done += _below_the_filter(world, tickets)
    if world.parent is None or world.parent.halo_id is None:
        if world.tickets or any(step.kind is Kind.CREATE for step in steps):
            steps.insert(0, _parent(world, rows))
    else:
        _set_parent(world, world.parent, tickets, steps, not_done)
    return Plan(tuple(steps), tuple(not_done), _held(world, steps))


def _rows(world: World, tickets: Sequence[Ticket]) -> _Rows:
    """The findings of the project. What a ticket has told of stays in it, whatever its score or its owner is now."""
    homes = {
        (pair, ticket.key.rpartition("@")[0]): ticket.key
        for ticket in tickets
        if ticket.halo_id is not None
        for pair, state in ticket.told.items()
        if state in ALIVE
    }
    column = _column(world.settings)
    groups: dict[str, list[Row]] = {}
    key_of: dict[Pair, str] = {}
    row_of: dict[Pair, Row] = {}
    frame = _believed(world)
    wanted = pl.col("severity").is_in(world.settings.severities()) & pl.col("state").is_in(ALIVE)
    told = _told_frame(tickets)
    rows = pl.concat([frame.filter(wanted), frame.filter(~wanted).join(told, on=KEY, how="semi")])
    for row in rows.sort(KEY).iter_rows(named=True):
        pair = row["asset"], row["vulnerability"]
        key = str(row[column])
        if world.settings.granularity is Granularity.SOLUTION_OWNER:
            owners = sorted(row.get("owner_tags") or [])
            key = homes.get((pair, key), f"{key}@{owners[0] if owners else 'nobody'}")
        groups.setdefault(key, []).append(row)
        key_of[pair] = key
        row_of[pair] = row
    return _Rows(groups, key_of, row_of)


def _column(settings: Settings) -> str:
    return {
        Granularity.SOLUTION: "solution",
        Granularity.SOLUTION_OWNER: "solution",
        Granularity.ASSET: "asset",
        Granularity.VULNERABILITY: "vulnerability",
    }[settings.granularity]


def _believed(world: World) -> pl.DataFrame:
    """The findings; where the project says so, those that were long not reported are no longer unconfirmed."""
    frame = world.findings.with_columns(
        pl.col("severity").fill_null(SEVERITIES[-1]),
        # Without a solution the vulnerability stands for it.
        pl.coalesce("solution", "vulnerability").alias("solution"),
    )
    if not world.settings.resolve_unreported or "missed" not in frame.columns:
        return frame
    is_unreported = (pl.col("state") == State.UNCONFIRMED.value) & (pl.col("missed") >= ENOUGH_MISSES)
    state = pl.when(is_unreported.fill_null(False)).then(pl.lit(UNREPORTED)).otherwise("state")
    return frame.with_columns(state.alias("state"))


def _told_frame(tickets: Sequence[Ticket]) -> pl.DataFrame:
    pairs = sorted({pair for ticket in tickets for pair in ticket.told})
    return pl.DataFrame(pairs, schema=dict.fromkeys(KEY, pl.String), orient="row")


def _finding(row: Row) -> Finding:
    return Finding(
        row["asset"],
        row.get("host_name") or row.get("ip") or "",
        row["vulnerability"],
        row.get("title") or "",
        row["state"],
        row.get("scan"),
        row.get("scan_started"),
        row.get("since"),
        row.get("missed") or 0,
    )


def _findings_of(ticket: Ticket, key: str, rows: _Rows) -> list[Finding]:
    """The findings of a ticket: those of its key, and all that it has told of, wherever they are now.

    What was settled before the ticket told of it is not the ticket's.
    """
    own = [row for row in rows.groups.get(key, ()) if row["state"] in ALIVE or _pair(row) in ticket.told]
    findings = [_finding(row) for row in own]
    held = {_pair(row) for row in own}
    for pair, told in sorted(ticket.told.items()):
        if pair not in held:
            findings.append(_elsewhere(pair, told, rows.row_of.get(pair)))
    return findings


def _pair(row: Row) -> Pair:
    return row["asset"], row["vulnerability"]


def _elsewhere(pair: Pair, told: str, row: Row | None) -> Finding:
    """A finding that a ticket has told of and that is not under its key."""
    if row is None:
        return Finding(pair[0], "", pair[1], "", OUT if told in ALIVE else told, None, None)
    finding = _finding(row)
    if told in (SUPERSEDED, OUT) or (finding.is_alive and told not in ALIVE):
        return replace(finding, state=told)
    return replace(finding, state=SUPERSEDED) if finding.is_alive else finding


def _follows(world: World, rows: _Rows, by_key: Mapping[str, Ticket]) -> dict[str, str]:
    """Old and new key of each ticket whose living findings have all moved to one other key, which has no ticket.

    Of several that moved to the same key the first follows, open ones first.
    """
    found: dict[str, str] = {}
    for key, ticket in sorted(by_key.items(), key=lambda item: (item[1].status in ENDED, item[0])):
        told = [pair for pair, state in ticket.told.items() if state in ALIVE and pair in rows.row_of]
        now = {rows.key_of[pair] for pair in told if rows.row_of[pair]["state"] in ALIVE}
        if ticket.halo_id is None or len(now) != 1 or rows.living(key):
            continue
        new = now.pop()
        if new not in by_key and new not in found.values() and new not in (world.taken or {}):
            found[key] = new
    return found


def _decide(world: World, ticket: Ticket, key: str, rows: _Rows, steps: list[Step], not_done: list[NotDone]) -> None:
    """Steps for a ticket that exists; its findings are now under ``key``."""
    moved = key if key != ticket.key else ""
    decision = decide(
        ticket,
        _findings_of(ticket, key, rows),
        skew=world.skew,
        linked=world.settings.reopen_linked,
        moved=moved,
        released=ticket.name in world.released,
    )
    if decision.linked:
        # The new ticket comes before the comment that tells of it: a run that ends between them loses no ticket.
        _create(world, key, ticket.generation + 1, rows.living(key), steps, not_done, follows=ticket)
    steps += decision.steps
    not_done += decision.not_done
    if moved:
        reason = f"its findings moved to {moved}"
        steps.append(Step(Kind.FOLLOW, ticket.key, ticket.generation, reason, {"key": moved}))


def _create(
    world: World,
    key: str,
    generation: int,
    living: Sequence[Row],
    steps: list[Step],
    not_done: list[NotDone],
    known: Ticket | None = None,
    *,
    follows: Ticket | None = None,
) -> None:
    """A step for a new ticket. ``known``: it was planned before. ``follows``: the ticket that it is linked to."""
    if not living:
        if known is not None:
            not_done.append(NotDone(known.name, "nothing of it is open any more"))
        return
    if world.taken and key in world.taken and known is None and follows is None:
        not_done.append(NotDone(key, f"covered by {world.taken[key]}"))
        return
    findings = [_finding(row) for row in living]
    severity = min((row["severity"] for row in living), key=SEVERITIES.index)
    assets = list({row["asset"]: row for row in living}.values())
    agent, team, why = world.settings.assigned(assets)
    due = world.settings.due_on(severity, world.today)
    values = _values(world, living, severity, _DUE)
    summary = template.fill(world.settings.child_summary, values)
    details = template.fill(world.settings.child_details, values)
    if follows is not None:
        details += (
            f"\n\nFollows ticket {follows.halo_id}, which was {follows.status.value if follows.status else 'open'}."
        )
    body: dict[str, Any] = {
        "summary": template.summary(summary.replace(_DUE, due.isoformat())),
        "details": details.replace(_DUE, due.isoformat()),
        "priority": world.settings.priorities[severity],
        "due": due.isoformat(),
        "agent": agent,
        "team": team,
    }
    if follows is not None:
        body["follows"] = follows.halo_id
    days = due.isoformat() if due == world.settings.due else world.settings.due_days[severity]
    same = digest([{**body, "summary": summary, "details": details, "due": days}])
    reason = f"{Counts.of(findings).in_words()} on {len(assets)} assets; {severity}, due {due}; {why}"
    told = {"|".join(finding.pair): finding.state for finding in findings}
    steps.append(Step(Kind.CREATE, key, generation, reason, body, evidence(findings), told, same))


def _below_the_filter(world: World, tickets: Sequence[Ticket]) -> list[NotDone]:
    column = _column(world.settings)
    left = (
        _believed(world)
        .filter(pl.col("state").is_in(ALIVE) & ~pl.col("severity").is_in(world.settings.severities()))
        .join(_told_frame(tickets), on=KEY, how="anti")
        .group_by(column)
        .len()
        .sort(column)
    )
    return [
        NotDone(str(key), f"below the filter: {count} findings less severe than {world.settings.min_severity}")
        for key, count in left.iter_rows()
    ]


def _parent(world: World, rows: _Rows) -> Step:
    living = [row for key in sorted(rows.groups) for row in rows.living(key)]
    severity = min((row["severity"] for row in living), key=SEVERITIES.index, default="none")
    due = world.settings.due.isoformat() if world.settings.due else None
    values = _values(world, living, severity, due or "no date")
    body = {
        "summary": template.summary(template.fill(world.settings.parent_summary, values)),
        "details": template.fill(world.settings.parent_details, values),
        "due": due,
        "priority": world.settings.priorities[severity],
        "agent": world.settings.default_agent,
        "team": world.settings.default_team,
    }
    count = sum(1 for key in rows.groups if rows.living(key))
    return Step(Kind.CREATE_PARENT, PARENT_KEY, 1, f"the project has {count} tickets' worth of work", body)


def _set_parent(
    world: World, parent: Ticket, tickets: Sequence[Ticket], steps: list[Step], not_done: list[NotDone]
) -> None:
    """The parent's status, by what its children will have after the steps before. A person's word is not overruled."""
    coming = {
        (step.ticket_key, step.generation): Status(step.body["status"])
        for step in steps
        if step.kind in (Kind.SET_STATUS, Kind.REOPEN)
    }
    # A linked ticket is newer than an ended one, and Not Started comes before all that is ended.
    children = [coming.get((ticket.key, ticket.generation), ticket.status) for ticket in tickets if ticket.halo_id]
    created = [Status.NOT_STARTED for step in steps if step.kind is Kind.CREATE]
    wanted = of_parent([*(status for status in children if status), *created])
    if wanted is None or parent.status is wanted:
        return
    if parent.status is None:
        not_done.append(NotDone(PARENT_KEY, "its status in HaloITSM is not mapped to one of ours"))
    elif parent.agreed is not None and parent.status is not parent.agreed:
        words = f"somebody set it to {parent.status.value}, and its children are {wanted.value}"
        not_done.append(NotDone(PARENT_KEY, words if wanted is parent.agreed else f"{words} now: a person decides"))
    elif world.settings.dynamic and wanted in ENDED:
        not_done.append(NotDone(PARENT_KEY, f"its children are {wanted.value}: the lead settles a dynamic project"))
    else:
        reason = f"its children are {wanted.value} at the most urgent"
        steps.append(Step(Kind.SET_STATUS, PARENT_KEY, parent.generation, reason, {"status": wanted.value}))


def _held(world: World, steps: Sequence[Step]) -> str:
    """Why a plan waits for an approver: mass changes."""
    live = sum(1 for ticket in world.tickets if ticket.halo_id and ticket.status not in ENDED)
    ends = {status.value for status in ENDED}
    children = [step for step in steps if step.ticket_key != PARENT_KEY]
    resolved = sum(1 for step in children if step.kind is Kind.SET_STATUS and step.body["status"] in ends)
    creates = sum(1 for step in children if step.kind is Kind.CREATE)
    settings = world.settings
    if resolved >= settings.mass_least and resolved > settings.mass_share * live:
        return f"it would resolve {resolved} of {live} live tickets"
    if creates > settings.most_creates:
        return f"it would create {creates} tickets"
    return ""


def _values(world: World, rows: Sequence[Row], severity: str, due: str) -> dict[str, str]:
    first: Row = rows[0] if rows else {}
    hosts = sorted({row.get("host_name") or row.get("ip") or row["asset"] for row in rows})
    cves = sorted({cve for row in rows for cve in row.get("cves") or []})
    worst = max((row.get("cvss") or 0.0 for row in rows), default=0.0)
    top = next((row for row in rows if (row.get("cvss") or 0.0) == worst), first)
    assets = {row["asset"] for row in rows}
    risk = f"{sum(row.get('risk') or 0.0 for row in rows):.0f}"
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
        "SOL_RISK_SCORE": risk,
        "SOL_RISK_REDUCTION": risk,
        "RISK_SCORE": risk,
        "DEVICE": hosts[0] if len(assets) == 1 else "",
        "ASSET_COUNT": str(len(assets)),
        "ASSET_NAME_LIST": template.listed(hosts),
        "ASSET_IP_LIST": template.listed(sorted({row["ip"] for row in rows if row.get("ip")})),
        "ASSET_OS_LIST": template.listed(sorted({row["os"] for row in rows if row.get("os")})),
        "VULN_COUNT": str(len(rows)),
        "VULN_LIST": template.listed(sorted({row.get("title") or row["vulnerability"] for row in rows})),
        "CVE_LIST": template.listed(cves),
        "TOP_CVE": (sorted(top.get("cves") or []) or [""])[0],
        "TOP_CVSS": f"{worst:.1f}" if worst else "",
        "TOP_VPR": _highest(rows, "vpr"),
        "TOP_EPSS": _highest(rows, "epss"),
        "KEV": "yes" if any(row.get("kev") for row in rows) else "",
        "SEVERITY": severity,
        "DUE_DATE": due,
        "SCAN_DATE": world.scanned.date().isoformat() if world.scanned else "",
        "LINK": world.link,
    }


def _highest(rows: Sequence[Row], column: str) -> str:
    """The highest value of a column, "" where no row has it."""
    return str(max((row[column] for row in rows if row.get(column) is not None), default=""))
