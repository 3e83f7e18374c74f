"""A .nessus file, version 2: what Nessus and Tenable's scanners export as XML.

Seen in many published files and read by several independent programs: the elements, the attributes of ReportItem, and
the tags of HostProperties that are used here. A severity is a number from 0 to 4.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from .progress import Tell, unheard
from .scanner_rows import LINE, NO_FINDING
from .xml_report import Rows, visit

ROOT = "NessusClientData_v2"
SEVERITIES = {"0": "None", "1": "Low", "2": "Medium", "3": "High", "4": "Critical"}
# Children of ReportItem, and the columns that they are read to.
_TEXTS = {
    "solution": "solution_fix",
    "cvss3_base_score": "cvss3",
    "cvss_base_score": "cvss2",
    "vpr_score": "vpr",
    "epss_score": "epss",
    "exploit_available": "exploits",
}
_ATTRIBUTES = {
    "pluginID": "vulnerability",
    "pluginName": "title",
    "pluginFamily": "family",
    "port": "port",
    "protocol": "protocol",
}
_TAG, _CVE = "tag", "cve"


def read_nessus(path: Path, tell: Tell = unheard) -> pl.DataFrame:
    """Its rows, with the columns of SCANNER_ROWS. Raises NotUnderstood and CutOff.

    An asset has no id of the source's own, as in the CSV of the same scan: it is named by the name in the report, else,
    where that is an address, by its full host name, else by its NetBIOS name.
    """
    return visit(path, ROOT, _Nessus(), tell)


class _Nessus:
    """Rows are made when their host ends, because nothing promises that its properties come first."""

    wanted = frozenset({*_TEXTS, _TAG, _CVE})

    def __init__(self) -> None:
        self.rows = Rows()
        self._host: dict[str, str] = {}
        self._line = 0
        self._tag = ""
        self._items: list[dict[str, Any]] = []
        self._item: dict[str, Any] = {}

    def started(self, name: str, attributes: dict[str, str], line: int) -> None:
        if name == "ReportItem":
            self._item = {column: attributes.get(one) for one, column in _ATTRIBUTES.items()}
            severity = attributes.get("severity", "")
            self._item["severity"] = SEVERITIES.get(severity, severity)
            self._item[LINE] = line
        elif name == _TAG:
            self._tag = attributes.get("name", "")
        elif name == "ReportHost":
            self._host, self._items, self._line = {"name": attributes.get("name", "")}, [], line

    def ended(self, name: str, text: str | None) -> None:
        if name == _TAG:
            self._host[self._tag] = text or ""
        elif name == _CVE:
            self._item["cves"] = f"{self._item.get('cves', '')} {text}"
        elif name in _TEXTS:
            self._item[_TEXTS[name]] = text
        elif name == "ReportItem":
            self._items.append(self._item)
        elif name == "ReportHost":
            self._end_host()

    def _end_host(self) -> None:
        told = self._host
        name = told["name"]
        names = [name, told.get("host-fqdn", ""), told.get("netbios-name", "")]
        asset = {
            "host_name": next((one for one in names if one and not _is_address(one)), name),
            "ip": told.get("host-ip") or (name if _is_address(name) else None),
            "mac": told.get("mac-address"),
            "os": told.get("operating-system"),
            "scan_started": told.get("HOST_START_TIMESTAMP") or told.get("HOST_START"),
            "scan_finished": told.get("HOST_END_TIMESTAMP") or told.get("HOST_END"),
        }
        for item in self._items or [{"state": NO_FINDING, LINE: self._line}]:
            self.rows.add({**asset, **item})
        self._items = []


def _is_address(name: str) -> bool:
    return name.replace(".", "").isdigit() or ":" in name
