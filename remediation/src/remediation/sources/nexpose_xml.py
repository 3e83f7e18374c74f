"""An export "XML 2.0" of InsightVM or Nexpose.

The elements and attributes are those of the vendor's own guide to the format, read second-hand, and of several
independent programs that read it. How an excepted result is written is taken from its word only: one that holds
"exception".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from .progress import Tell, unheard
from .scanner_rows import LINE, NO_FINDING
from .xml_report import Rows, visit

ROOT = "NexposeReport"
# The attributes of a vulnerability's definition, and the columns that they are read to.
_DEFINED = {"title": "title", "cvssScore": "cvss2", "cvssV3Score": "cvss3", "riskScore": "risk"}


def read_nexpose(path: Path, tell: Tell = unheard) -> pl.DataFrame:
    """Its rows, with the columns of SCANNER_ROWS. Raises NotUnderstood and CutOff.

    An asset is named by its device-id, which is the console's own number of it.
    """
    visitor = _Nexpose()
    rows = visit(path, ROOT, visitor, tell)
    return visitor.completed(rows)


class _Nexpose:
    wanted = frozenset({"name", "reference", "solution"})

    def __init__(self) -> None:
        self.rows = Rows()
        self._scans: dict[str, dict[str, str]] = {}
        self._definitions: dict[str, dict[str, Any]] = {}
        self._definition: dict[str, Any] = {}
        self._node: dict[str, Any] = {}
        self._tests: list[dict[str, Any]] = []
        self._port: dict[str, str] = {}
        self._source = ""
        self._within_names = False

    def started(self, name: str, attributes: dict[str, str], line: int) -> None:
        if name == "test":
            self._add_test(attributes, line)
        elif name == "node":
            self._begin_node(attributes, line)
        elif name == "endpoint":
            self._port = {"port": attributes.get("port", ""), "protocol": attributes.get("protocol", "")}
        elif name == "names":
            self._within_names = True
        elif name == "os" and self._node and not self._node.get("os") and not self._port:
            words = (attributes.get(one, "") for one in ("vendor", "product", "version"))
            self._node["os"] = " ".join(word for word in words if word)
        elif name == "scan":
            self._scans[attributes.get("id", "")] = attributes
        elif name == "vulnerability":
            self._definition = {column: attributes.get(one) for one, column in _DEFINED.items()}
            self._definition["severity"] = _word(attributes.get("severity", ""))
            self._definitions[attributes.get("id", "").lower()] = self._definition
        elif name == "reference":
            self._source = attributes.get("source", "").upper()
        elif name == "exploit":
            self._definition["exploits"] = str(int(self._definition.get("exploits", "0")) + 1)

    def ended(self, name: str, text: str | None) -> None:
        if name == "name" and self._within_names:
            self._node.setdefault("host_name", (text or "").strip())
        elif name == "names":
            self._within_names = False
        elif name == "endpoint":
            self._port = {}
        elif name == "reference" and self._source == "CVE":
            self._definition["cves"] = f"{self._definition.get('cves', '')} {text}"
        elif name == "solution":
            self._definition["solution_fix"] = " ".join((text or "").split())
        elif name == "node":
            for test in self._tests or [{"state": NO_FINDING}]:
                self.rows.add({**self._node, **test})
            self._node, self._tests = {}, []

    def _begin_node(self, attributes: dict[str, str], line: int) -> None:
        self._tests = []
        self._node = {
            "asset_id": attributes.get("device-id"),
            "ip": attributes.get("address"),
            "mac": attributes.get("hardware-address"),
            "sites": attributes.get("site-name", "").replace("|", "/"),
            LINE: line,
        }

    def _add_test(self, attributes: dict[str, str], line: int) -> None:
        status = attributes.get("status", "").lower()
        if not status.startswith(("vulnerable", "exception-vulnerable")):
            return
        self._tests.append(
            {
                **self._port,
                "vulnerability": attributes.get("id", "").lower(),
                "scan": attributes.get("scan-id"),
                "first_found": attributes.get("vulnerable-since"),
                "accepted": status if "exception" in status else None,
                LINE: line,
            }
        )

    def completed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with what stands elsewhere in the file: the definitions at its end, and the scans at its beginning.

        What names no scan is of the only one, where there is one.
        """
        defined = pl.DataFrame(
            [{"vulnerability": key, **told} for key, told in self._definitions.items()],
            schema=dict.fromkeys(
                ("vulnerability", *_DEFINED.values(), "severity", "exploits", "cves", "solution_fix"), pl.String
            ),
        )
        scans = pl.DataFrame(
            [
                {"scan": key, "scan_started": told.get("startTime"), "scan_finished": told.get("endTime")}
                for key, told in self._scans.items()
            ],
            schema=dict.fromkeys(("scan", "scan_started", "scan_finished"), pl.String),
        )
        only = pl.lit(scans["scan"][0] if scans.height == 1 else None, pl.String)
        told = [name for name in (*defined.columns, *scans.columns) if name not in ("vulnerability", "scan")]
        joined = rows.drop(told).with_columns(pl.coalesce("scan", only))
        joined = joined.join(defined, on="vulnerability", how="left", maintain_order="left")
        return joined.join(scans, on="scan", how="left", maintain_order="left").select(rows.columns)


def _word(severity: str) -> str:
    """InsightVM's word for its own number, documented: 8 to 10 Critical, 4 to 7 Severe, 1 to 3 Moderate."""
    if not severity.isdecimal():
        return severity
    return "Critical" if int(severity) >= 8 else "Severe" if int(severity) >= 4 else "Moderate"
