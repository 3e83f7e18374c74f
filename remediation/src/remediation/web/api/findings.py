"""Findings: that an asset has a vulnerability, or had one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from ...domain.ledger import State
from ...domain.snapshot import SEVERITIES
from ...service_day import service_day
from ...store import models
from ...store.counts import accepted_of
from ...store.listing import Column, Filter, Listing
from ..listing.choices import named
from ..roles import VIEWER
from ..vulnerabilities.rows import GRADED
from .lists import Page, listed, parameters_of
from .operations import operation

router = Router(tags=["findings"])
_STATE = f"CASE WHEN {accepted_of('finding.source_id')} THEN '{State.EXCEPTED.value}' ELSE finding.state END"
# In the order of two numbers that never change: the asset's, and the vulnerability's.
FINDINGS = Listing(
    name="findings",
    rows="""store_finding AS finding
        JOIN store_asset AS asset ON asset.source_id = finding.source_id AND asset.asset = finding.asset
        JOIN store_vulnerability AS known
          ON known.source_id = finding.source_id AND known.vulnerability = finding.vulnerability""",
    key="known.id",
    columns=(
        Column("asset", "Asset", "asset.id", order="asset.id", order_type="bigint"),
        Column("device", "Device", "asset.device_id"),
        Column("host_name", "Host name", "asset.host_name"),
        Column("ip", "Address", "asset.ip"),
        Column("vulnerability", "Vulnerability", "known.id"),
        Column("source", "Source", "(SELECT name FROM store_source WHERE store_source.id = finding.source_id)"),
        Column("source_id", "The source's id of the vulnerability", "known.vulnerability"),
        Column("title", "Title", "coalesce(known.title, known.vulnerability)"),
        Column("severity", "Severity", "known.severity"),
        Column("cves", "CVEs", "known.cves"),
        Column("solution", "Solution", "finding.solution"),
        Column("state", "State", _STATE),
        Column("since", "Since", "finding.since"),
        Column("first_found", "First found", "finding.first_found"),
        Column("last_found", "Last seen", "finding.last_found"),
    ),
    filters=(
        Filter("device", "Numbers of devices", "asset.device_id = ANY(%(device)s)", "rows"),
        Filter("vulnerability", "Numbers of vulnerabilities", "known.id = ANY(%(vulnerability)s)", "rows"),
        Filter("severity", "Severity", GRADED, "choices", [(one, one) for one in SEVERITIES]),
        Filter("state", "State", f"{_STATE} = ANY(%(state)s)", "choices", [(one.value, one.value) for one in State]),
        Filter("source", "Source", "finding.source_id = %(source)s::bigint", "choice", named(models.Source)),
    ),
    order="asset",
    of_two=True,
)


class Finding(Schema):
    """That an asset of one source has a vulnerability, or had it."""

    asset: int
    device: int | None
    host_name: str | None
    ip: str | None
    vulnerability: int
    source: str
    source_id: str = Field(description="The source's own id of the vulnerability")
    title: str
    severity: str | None = Field(description="critical, high, medium, low or none; null: not told")
    cves: list[str]
    solution: str | None = Field(description="The source's own id of what to do about it")
    state: str = Field(description=", ".join(one.value for one in State) + "; excepted also where its risk is accepted")
    since: datetime | None = Field(description="Since when its source says so")
    first_found: datetime | None
    last_found: datetime | None


@operation(router, "GET", "", role=VIEWER, answer=Page[Finding], parameters=parameters_of(FINDINGS))
def list_findings(request: HttpRequest) -> dict[str, Any]:
    """What was ever found, also what is gone since: ``state`` leaves it out."""
    return listed(request, replace(FINDINGS, given={"today": service_day()}))
