"""A .nessus file, version 2: what Nessus and Tenable's scanners export as XML.

How certain its parts are:

- Documented by Tenable ("Nessus v2 File Format", 2016, of which only the contents were read): there are a Report,
  ReportHost and ReportItem.
- Seen in every published file of 2013 and 2022 that was looked at, and read by several independent programs: the
  attributes of ReportItem, severity from 0 to 4, HostProperties and their tags host-ip, host-fqdn, netbios-name,
  mac-address, operating-system, HOST_START and HOST_END, and the children of ReportItem that are read here. Not every
  host has every tag. HostProperties come first. epss_score was seen only in what other programs read.
- Seen in files of 2022: HOST_START_TIMESTAMP, seconds since 1970. HOST_START is the same moment by the scanner's own
  clock, without a zone: there an hour from UTC.
- Credentialed_Scan, true or false, is not read: it does not tell whether all credentials worked.

A Policy has texts of more than a mebibyte, as the list of its plugins. Only texts that are read have a greatest length.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from .progress import Tell, unheard
from .scanner_rows import LINE, NO_FINDING, scanner_rows
from .xml_report import Rows, Values, misplaced, visit

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
_CVE, _RISK, _DESCRIPTION = "cve", "risk_factor", "description"
_ATTRIBUTES = {
    "pluginID": "vulnerability",
    "pluginName": "title",
    "pluginFamily": "family",
    "port": "port",
    "protocol": "protocol",
}
_TAG = "tag"
_NAMES = ("host-fqdn", "netbios-name")
_TAGS = {
    *_NAMES,
    *("host-ip", "mac-address", "operating-system"),
    *("HOST_START", "HOST_START_TIMESTAMP", "HOST_END", "HOST_END_TIMESTAMP"),
}
# The number of a host in the file.
_HOST = "host"


def read_nessus(path: Path, tell: Tell = unheard) -> pl.DataFrame:
    """Its rows, with the columns of SCANNER_ROWS. Raises NotUnderstood and CutOff.

    An asset has no id of the source's own, as in the CSV of the same scan: it is named by the name in the report, else,
    where that is an address, by its full host name, else by its NetBIOS name.
    """
    visitor = _Nessus()
    visit(path, ROOT, visitor, tell)
    return visitor.completed()


class _Nessus:
    """Hosts are joined to their items at the end, because nothing promises that their properties come first."""

    def __init__(self) -> None:
        numbers = {LINE: pl.Int64, _HOST: pl.Int64}
        self.rows = Rows(
            *_ATTRIBUTES.values(), *_TEXTS.values(), _DESCRIPTION, "severity", "cves", "state", kinds=numbers
        )
        told = ("host_name", "ip", "mac", "os", "scan_started", "scan_finished")
        self._hosts = Rows(*told, kinds={_HOST: pl.Int64})
        self._host: dict[str, str] | None = None
        self._line = 0
        # How many rows there were when the host began.
        self._before = 0
        self._tag = ""
        self._item: dict[str, Any] | None = None
        self._cves = Values()
        # The plugins whose description was read. It is the same with each of their items.
        self._described: set[str | None] = set()

    def started(self, name: str, attributes: dict[str, str], line: int) -> bool:
        if self._item is not None:
            if name in ("ReportItem", "ReportHost"):
                raise misplaced(name, line)
            if name == _DESCRIPTION:
                return self._item["vulnerability"] not in self._described
            return name in _TEXTS or name in (_CVE, _RISK)
        if name == "ReportItem":
            if self._host is None:
                raise misplaced(name, line)
            self._item = {column: attributes.get(one) for one, column in _ATTRIBUTES.items()}
            severity = attributes.get("severity")
            self._item["severity"] = SEVERITIES.get(severity or "", severity)
            self._item |= {LINE: line, _HOST: self._hosts.count}
            self._cves = Values()
        elif name == "ReportHost":
            if self._host is not None:
                raise misplaced(name, line)
            self._host, self._line, self._before = {"name": attributes.get("name", "")}, line, self.rows.count
        elif name == _TAG and self._host is not None:
            self._tag = attributes.get("name", "")
            return self._tag in _TAGS
        return False

    def nested(self, _: str, __: dict[str, str], text: str, /) -> str:
        return text

    def ended(self, name: str, text: str | None) -> None:
        if self._item is not None:
            self._end_within(self._item, name, text or "")
        elif name == _TAG and self._host is not None and text is not None:
            self._host[self._tag] = text.strip()
        elif name == "ReportHost" and self._host is not None:
            self._end_host(self._host)
            self._host = None

    def completed(self) -> pl.DataFrame:
        """The rows with what is told of their hosts."""
        hosts = self._hosts.frame()
        return scanner_rows(self.rows.frame().join(hosts, on=_HOST, how="left", maintain_order="left"))

    def _end_within(self, item: dict[str, Any], name: str, text: str) -> None:
        if name == "ReportItem":
            self.rows.add({**item, "cves": self._cves.text()})
            self._item = None
        elif name == _CVE:
            self._cves.add(text)
        elif name == _RISK:
            # The severity is what the scan counts by; a policy or a person may have changed it.
            item["severity"] = item["severity"] or text
        elif name == _DESCRIPTION and text:
            item[_DESCRIPTION] = text
            self._described.add(item["vulnerability"])
        elif name in _TEXTS:
            item[_TEXTS[name]] = text

    def _end_host(self, told: dict[str, str]) -> None:
        if self.rows.count == self._before:
            self.rows.add({"state": NO_FINDING, LINE: self._line, _HOST: self._hosts.count})
        name = told["name"]
        names = [name, *(told.get(one, "") for one in _NAMES)]
        self._hosts.add(
            {
                _HOST: self._hosts.count,
                "host_name": next((one for one in names if one and not _is_address(one)), name),
                "ip": told.get("host-ip") or (name if _is_address(name) else None),
                "mac": told.get("mac-address"),
                "os": told.get("operating-system"),
                "scan_started": told.get("HOST_START_TIMESTAMP") or told.get("HOST_START"),
                "scan_finished": told.get("HOST_END_TIMESTAMP") or told.get("HOST_END"),
            }
        )


def _is_address(name: str) -> bool:
    return name.replace(".", "").isdigit() or ":" in name
