"""Planning a project: ``domain.planning`` against grouping its findings and filling bare templates."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from string import Template

import polars as pl

from tools.bench.measure import Result

from remediation.domain import template
from remediation.domain.ledger import KEY, empty_ledger
from remediation.domain.observe import observe
from remediation.domain.plan import Kind
from remediation.domain.planning import World, plan
from remediation.domain.project import Settings
from remediation.domain.status import Status
from remediation.domain.ticket import Ticket, pair_of
from remediation.store.bulk import asset_rows, solution_rows, vulnerability_rows

from .child import Side, Taken, compared, taken
from .findings import EACH, START, snapshot

SIZES = (10_000, 100_000, 1_000_000)
_GOAL = 4.0


def run(quick: bool) -> Result:
    """The benchmark."""
    sizes, rounds = ((1_000, 10_000), 2) if quick else (SIZES, 3)
    result = Result(
        "plan",
        "Planning a project",
        f"plan() of a project over so many findings, of which {EACH} are under each solution, in a fresh process, "
        f"{rounds} times in turn with its floor. The floor is what anybody must do who makes these tickets: group the "
        "findings by solution, by polars, with the names of assets and vulnerabilities and the highest scores, and "
        "fill summary and details of each by string.Template; it also gets the keys and states of each one's "
        "findings, without which no later plan knows what a ticket has told. First: there are no tickets yet. "
        "Converged: each solution has its ticket, which has told of all its findings, and the plan is empty. Long "
        "lists: solutions are on more assets than a text names, so that each ticket gets a file with all of them. "
        "The goal is for the largest size.",
    )
    for size in sizes:
        for world, long_lists in (("", False), (", long lists", True)):
            if long_lists and size == sizes[-1]:
                continue
            sides: dict[str, list[Taken]] = {"first": [], "converged": [], "floor": []}
            for _ in range(rounds):
                for name, found in sides.items():
                    found.append(taken("plan", name, size, long_lists))
            if any(one.value for one in sides["converged"]) or not all(one.value for one in sides["first"]):
                raise RuntimeError("a first plan was empty, or that of a converged world was not")
            for name in ("first", "converged"):
                compared(
                    result,
                    f"{size:,}, {name}{world}",
                    sides[name],
                    sides["floor"],
                    _GOAL if size == sizes[-1] else None,
                )
    return result


def first(size: int, long_lists: bool) -> Side:
    """The first plan; how many steps it has."""
    made = world_of(size, long_lists)
    return lambda: len(plan(made).steps)


def converged(size: int, long_lists: bool) -> Side:
    """The plan once the first one was carried out; how many steps it has."""
    made = world_of(size, long_lists)
    steps = plan(made).steps
    tickets = [
        Ticket(
            step.ticket_key,
            halo_id=number,
            status=Status.NOT_STARTED,
            agreed=Status.NOT_STARTED,
            changed=START,
            told={pair_of(pair): state for pair, state in step.told.items()},
            listed=True,
        )
        for number, step in enumerate(steps, start=1)
        if step.kind is Kind.CREATE
    ]
    own = next(step for step in steps if step.kind is Kind.CREATE_PARENT)
    parent = Ticket(
        own.ticket_key,
        halo_id=len(steps) + 1,
        status=Status.NOT_STARTED,
        agreed=Status.NOT_STARTED,
        changed=START,
        numbers=own.body["numbers"],
        numbers_told=made.today,
    )
    after = replace(made, tickets=tickets, parent=parent)
    return lambda: len(plan(after).steps)


def floor(size: int, long_lists: bool) -> Side:
    """The floor; how many texts it has made."""
    findings = world_of(size, long_lists).findings
    summary, details = Template(template.CHILD_SUMMARY), Template(template.CHILD_DETAILS)
    ends = {"SEVERITY": "high", "DUE_DATE": "2026-12-20"}

    def grouped() -> int:
        groups = findings.group_by("solution").agg(
            pl.first("solution_name").alias("SOL_NAME"),
            pl.first("solution_fix").alias("SOL_FIX"),
            pl.col("host_name").unique().alias("ASSET_NAME_LIST"),
            pl.col("title").unique().alias("VULN_LIST"),
            pl.col("cves").list.explode().unique().alias("CVE_LIST"),
            pl.col("risk").sum().alias("RISK_SCORE"),
            pl.col("asset").n_unique().alias("ASSET_COUNT"),
            pl.len().alias("VULN_COUNT"),
            *(*KEY, "state"),
        )
        texts = [
            (summary.safe_substitute(row, **ends), details.safe_substitute(row, **ends))
            for row in groups.iter_rows(named=True)
        ]
        return len(texts)

    return grouped


def world_of(size: int, long_lists: bool) -> World:
    """What a project over all findings sees before its first run."""
    seen = snapshot(size, long_lists=long_lists)
    ledger = observe(seen, empty_ledger()).delta
    findings = (
        ledger.join(asset_rows(seen).drop("scan", "scan_started", "credentials"), on="asset", how="left")
        .join(vulnerability_rows(seen).drop("description"), on="vulnerability", how="left")
        .join(
            solution_rows(seen)
            .drop("vulnerabilities")
            .rename(lambda name: name if name == "solution" else f"solution_{name}"),
            on="solution",
            how="left",
        )
    )
    settings = Settings(min_severity="none", most_creates=size)
    return World("bench", settings, findings, (), None, (START + timedelta(days=2)).date(), slug="bench")
