"""An export "XML 2.0" of InsightVM or Nexpose.

How certain its parts are:

- Documented by Rapid7's XML Export 2.0 schema, of which the begin was read: scans, nodes and VulnerabilityDefinitions
  stand in this order; a scan has an id, startTime, endTime and status.
- Documented by its guide to report formats: a result that an exception hides has the status
  exception-vulnerable-exploited, -version or -potential; one that other checks have overridden is negative; and which
  severities have which word.
- Documented by its own client: a device's id is unique, and the console assigns it. That it is the id of the asset in
  the console's other interfaces is likely, and no document that was read says so.
- Seen in published exports of 2013 and 2021, and read by several independent programs: everything else that is read
  here, but what follows. Times are like 20210211T162340221, and no zone is told. The test of a service stands within
  its endpoint; a test beside the endpoints has no port.
- Read by one program each: the status "potential", and the elements of exploits. cvssV3Score is a guess.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from .progress import Tell, unheard
from .scanner_rows import LINE, NO_FINDING, NOT_TESTED, scanner_rows
from .xml_report import Rows, Values, misplaced, visit

ROOT = "NexposeReport"
# The attributes of a vulnerability's definition, and the columns that they are read to.
_DEFINED = {"title": "title", "cvssScore": "cvss2", "cvssV3Score": "cvss3", "riskScore": "risk"}
_SCAN = {"id": "scan", "startTime": "scan_started", "endTime": "scan_finished"}
# An asset that did not answer was not assessed, and a scan that was stopped did not assess all that it names.
_ASSESSED, _WHOLE = ("", "alive"), ("", "finished")
# The results that are findings. An exception only hides one.
_FOUND = ("vulnerable", "exception-vulnerable", "potential")
# The results that say that it is not there. Any other, as error, unknown or skipped-dos, says that it was not tested.
# What becomes of each is the same as of its code in InsightVM's CSV, also of skipped-version (sv).
_NOT_FOUND = ("not-vulnerable", "overridden-vulnerable", "skipped-version")
# What no definition and no text holds.
_NOT_WITHIN = ("vulnerability", "node", "test")
# InsightVM's words for its own numbers, documented: 8 to 10 Critical, 4 to 7 Severe, 1 to 3 Moderate.
_WORDS = {str(number): "Critical" if number > 7 else "Severe" if number > 3 else "Moderate" for number in range(1, 11)}
# The number of a node in the file.
_NODE = "node"
# Ends a line. XML allows it in no text.
_BREAK = "\x1e"


def read_nexpose(path: Path, tell: Tell = unheard) -> pl.DataFrame:
    """Its rows, with the columns of SCANNER_ROWS. Raises NotUnderstood and CutOff.

    An asset is named by its device-id, which is the console's own number of it. Tests that found nothing, failed or
    were skipped are no rows. Of an asset that did not answer, of which a test did not come to a result, or where a scan
    in the file was not finished, only the findings that are listed count: it has a row of the state NOT_TESTED, and
    none where it has no such test and no findings.
    """
    visitor = _Nexpose()
    visit(path, ROOT, visitor, tell)
    return visitor.completed()


class _Nexpose:
    """Nodes, definitions and scans are joined to the tests at the end, because the definitions stand there."""

    def __init__(self) -> None:
        numbers = {_NODE: pl.Int64}
        told = ("vulnerability", "scan", "first_found", "accepted", "port", "protocol", "state")
        self.rows = Rows(*told, kinds={LINE: pl.Int64, **numbers})
        self._nodes = Rows("asset_id", "host_name", "ip", "mac", "os", "sites", kinds=numbers)
        self._definitions = Rows(
            "vulnerability", *_DEFINED.values(), "severity", "exploits", "cves", "solution_fix", "description"
        )
        self._scans = Rows(*_SCAN.values())
        self._all_whole = True
        self._node: dict[str, Any] | None = None
        self._line = 0
        # How many rows there were when the node began.
        self._before = 0
        self._has_failed = False
        self._certainty = -1.0
        self._port: dict[str, str] = {}
        self._within_names = False
        self._definition: dict[str, Any] | None = None
        self._cves = Values()
        self._exploits = 0

    def started(self, name: str, attributes: dict[str, str], line: int) -> bool:
        if self._definition is not None:
            return self._start_within_definition(name, attributes, line)
        if name == "vulnerability":
            self._definition = {column: attributes.get(one) for one, column in _DEFINED.items()}
            self._definition["vulnerability"] = attributes.get("id", "").lower()
            self._definition["severity"] = _WORDS.get(attributes.get("severity", ""), attributes.get("severity"))
            self._cves, self._exploits = Values(), 0
        elif name == "scan":
            self._scans.add({column: attributes.get(one) for one, column in _SCAN.items()})
            self._all_whole &= attributes.get("status", "").lower() in _WHOLE
        elif name == "node":
            self._start_node(attributes, line)
        elif name == "test":
            self._add_test(attributes, line)
        elif self._node is not None:
            return self._start_within_node(self._node, name, attributes)
        return False

    def nested(self, name: str, attributes: dict[str, str], text: str, /) -> str:
        if name in _NOT_WITHIN:
            raise misplaced(name, self._line)
        if name == "URLLink":
            url = attributes.get("LinkURL") or attributes.get("href", "")
            if url in text:
                return text
            return f"{text.rstrip()} ({url})" if text.strip() else url
        if attributes.get("preformat", attributes.get("preFormat")) == "true":
            text = text.replace("\n", _BREAK)
        return f"{_BREAK}- {text.lstrip()}{_BREAK}" if name == "ListItem" else f"{_BREAK}{text}{_BREAK}"

    def ended(self, name: str, text: str | None) -> None:
        if self._definition is not None:
            self._end_within_definition(self._definition, name, text or "")
        elif name == "name" and text is not None and self._node is not None:
            self._node["host_name"] = text.strip()
        elif name == "names":
            self._within_names = False
        elif name == "endpoint":
            self._port = {}
        elif name == "node" and self._node is not None:
            self._end_node(self._node)

    def completed(self) -> pl.DataFrame:
        """The rows with what stands elsewhere in the file. What names no scan is of the only one, if there is one."""
        nodes, scans = self._nodes.frame(), self._scans.frame().unique("scan", keep="first", maintain_order=True)
        definitions = self._definitions.frame().unique("vulnerability", keep="first", maintain_order=True)
        only = pl.lit(scans["scan"][0] if scans.height == 1 else None, pl.String)
        rows = self.rows.frame().with_columns(pl.coalesce("scan", only))
        for frame, key in ((nodes, _NODE), (definitions, "vulnerability"), (scans, "scan")):
            rows = rows.join(frame, on=key, how="left", maintain_order="left")
        # Also where the scan says nothing else of its asset, it saw the finding then.
        return scanner_rows(rows.with_columns(pl.col("scan_started").alias("last_found")))

    def _start_node(self, attributes: dict[str, str], line: int) -> None:
        if self._node is not None:
            raise misplaced("node", line)
        self._line, self._before, self._certainty = line, self.rows.count, -1.0
        self._has_failed = False
        self._node = {
            _NODE: self._nodes.count,
            "asset_id": attributes.get("device-id"),
            "ip": attributes.get("address"),
            "mac": attributes.get("hardware-address"),
            "sites": attributes.get("site-name", "").replace("|", "/"),
            "status": attributes.get("status", "").lower(),
        }

    def _start_within_node(self, node: dict[str, Any], name: str, attributes: dict[str, str]) -> bool:
        if name == "endpoint":
            self._port = {column: attributes.get(column, "") for column in ("port", "protocol")}
        elif name == "names":
            self._within_names = True
        elif name == "os" and not self._port:
            self._take_os(node, attributes)
        return name == "name" and self._within_names and not node.get("host_name")

    def _take_os(self, node: dict[str, Any], attributes: dict[str, str]) -> None:
        """The operating system of which the scan is most certain, the first of several."""
        certainty = _number(attributes.get("certainty", ""))
        if certainty > self._certainty:
            self._certainty = certainty
            words = dict.fromkeys(attributes.get(one, "") for one in ("vendor", "product", "version"))
            node["os"] = " ".join(word for word in words if word)

    def _add_test(self, attributes: dict[str, str], line: int) -> None:
        if self._node is None:
            raise misplaced("test", line)
        status = attributes.get("status", "").lower()
        if not status.startswith(_FOUND):
            self._has_failed |= not status.startswith(_NOT_FOUND)
            return
        self.rows.add(
            {
                **self._port,
                _NODE: self._node[_NODE],
                "vulnerability": attributes.get("id", "").lower(),
                "scan": attributes.get("scan-id"),
                "first_found": attributes.get("vulnerable-since"),
                "accepted": status if "exception" in status else None,
                LINE: line,
            }
        )

    def _end_node(self, node: dict[str, Any]) -> None:
        is_assessed = node["status"] in _ASSESSED and self._all_whole and not self._has_failed
        is_told = self.rows.count > self._before or self._has_failed
        if is_assessed and not is_told:
            self.rows.add({"state": NO_FINDING, LINE: self._line, _NODE: node[_NODE]})
        elif is_told and not is_assessed:
            self.rows.add({"state": NOT_TESTED, LINE: self._line, _NODE: node[_NODE]})
        self._nodes.add(node)
        self._node = None

    def _start_within_definition(self, name: str, attributes: dict[str, str], line: int) -> bool:
        if name in _NOT_WITHIN:
            raise misplaced(name, line)
        self._line = line
        self._exploits += name == "exploit"
        return name in ("solution", "description") or (
            name == "reference" and attributes.get("source", "").upper() == "CVE"
        )

    def _end_within_definition(self, definition: dict[str, Any], name: str, text: str) -> None:
        if name == "reference" and text:
            self._cves.add(text)
        elif name == "solution":
            definition["solution_fix"] = _lines(text)
        elif name == "description":
            definition["description"] = _lines(text)
        elif name == "vulnerability":
            exploits = str(self._exploits) if self._exploits else None
            self._definitions.add({**definition, "cves": self._cves.text(), "exploits": exploits})
            self._definition = None


def _lines(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.split(_BREAK))
    return "\n".join(line for line in lines if line not in ("", "-"))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
