"""One scan of three machines, written as each of the formats that scanners write."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

DESCRIPTION = 'Of many\nlines, "quoted" & <b>not bold</b>.'
SEEN, FIRST = "2026-11-20T18:00:00Z", "2026-10-01T06:00:00Z"


@dataclass(frozen=True)
class Item:
    """What a scan says of one port of one host."""

    host: str
    ip: str
    plugin: str
    name: str
    severity: str
    port: int
    cves: tuple[str, ...] = ()
    cvss3: str = ""
    state: str = "Active"

    @property
    def uuid(self) -> str:
        return f"00000000-0000-4000-8000-{sum(self.host.encode()):012d}"


SCAN = (
    Item(
        "web1.example.com", "10.0.0.1", "97833", "MS17-010", "Critical", 445, ("CVE-2017-0143", "CVE-2017-0144"), "8.1"
    ),
    Item("web1.example.com", "10.0.0.1", "51192", "SSL Certificate Cannot Be Trusted", "Medium", 443, (), "6.5"),
    Item("web1.example.com", "10.0.0.1", "51192", "SSL Certificate Cannot Be Trusted", "Medium", 8443, (), "6.5"),
    Item("web1.example.com", "10.0.0.1", "10287", "Traceroute Information", "None", 0),
    Item(
        "db1.example.com", "10.0.0.2", "97833", "MS17-010", "Critical", 445, ("CVE-2017-0143", "CVE-2017-0144"), "8.1"
    ),
    Item("sw1.example.com", "10.0.0.3", "70658", 'SSH CBC Mode, "weak"\nciphers', "Low", 22, ("CVE-2008-5161",), "3.7"),
)


def text(rows: Iterable[Mapping[str, Any]], **dialect: Any) -> str:
    """Rows as CSV. All have the columns of the first."""
    listed = list(rows)
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(listed[0]), **{"lineterminator": "\r\n", **dialect})
    writer.writeheader()
    writer.writerows(listed)
    return file.getvalue()


def by_cve(items: Iterable[Item]) -> list[tuple[Item, str]]:
    """A row for each CVE, as Nessus writes them."""
    return [(item, cve) for item in items for cve in item.cves or ("",)]


def nessus_csv(items: Iterable[Item] = SCAN) -> str:
    return text(
        {
            "Plugin ID": item.plugin,
            "CVE": cve,
            "CVSS v2.0 Base Score": "",
            "Risk": item.severity,
            "Host": item.host,
            "Protocol": "tcp",
            "Port": item.port,
            "Name": item.name,
            "Synopsis": "A hole.",
            "Description": DESCRIPTION,
            "Solution": "Install the update.",
            "See Also": "",
            "Plugin Output": "\n output \n",
            "CVSS v3.0 Base Score": item.cvss3,
            "Metasploit": "",
        }
        for item, cve in by_cve(items)
    )


def short_nessus_csv(items: Iterable[Item] = SCAN) -> str:
    return text(
        {
            "Name": item.name,
            "Host": item.host.upper() + ".",
            "Plugin ID": item.plugin,
            "Port": item.port,
            "Risk": item.severity.lower(),
            "CVE": cve,
            "CVSS": item.cvss3,
        }
        for item, cve in by_cve(items)
    )


def classic_csv(items: Iterable[Item] = SCAN) -> str:
    return text(
        {
            "Plugin ID": item.plugin,
            "CVE": cve,
            "CVSS": "",
            "Risk": item.severity,
            "Host": item.ip,
            "Protocol": "tcp",
            "Port": item.port,
            "Name": item.name,
            "Solution": "Install the update.",
            "Asset UUID": item.uuid,
            "Vulnerability State": item.state,
            "IP Address": item.ip,
            "FQDN": item.host,
            "NetBios": "",
            "CVSS3 Base Score": item.cvss3,
            "Vulnerability Priority Rating (VPR)": "null",
            "First Found": FIRST,
            "Last Found": SEEN,
            "Severity": "3",
            "Modification": "NONE",
        }
        for item, cve in by_cve(items)
    )


def explore_csv(items: Iterable[Item] = SCAN) -> str:
    return text(
        (
            {
                "asset.display_fqdn": item.host,
                "asset.display_ipv4_address": item.ip,
                "asset.id": item.uuid,
                "asset.name": item.host.partition(".")[0],
                "definition.cve": ", ".join(item.cves),
                "definition.cvss3.base_score": item.cvss3,
                "definition.description": DESCRIPTION,
                "definition.family": "Windows",
                "definition.id": item.plugin,
                "definition.name": item.name,
                "definition.solution": "Install the update.",
                "definition.vpr.score": "",
                "first_observed": FIRST,
                "id": f"finding of {item.host}",
                "last_seen": SEEN,
                "port": item.port,
                "protocol": "TCP",
                "risk_modified": "NONE",
                "severity": item.severity,
                "state": item.state.upper(),
            }
            for item in items
        ),
        delimiter=";",
    )


def tenable_sc_csv(items: Iterable[Item] = SCAN) -> str:
    return text(
        (
            {
                "Plugin": item.plugin,
                "Plugin Name": item.name,
                "Family": "Windows",
                "Severity": item.severity,
                "IP Address": item.ip,
                "Protocol": "TCP",
                "Port": item.port,
                "Exploit?": "No",
                "MAC Address": "",
                "DNS Name": item.host,
                "NetBIOS Name": "WORKGROUP\\" + item.host.partition(".")[0].upper(),
                "Steps to Remediate": "Install the update.",
                "Description": DESCRIPTION,
                "CVSS V3 Base Score": item.cvss3,
                "CVE": ",".join(item.cves),
                "First Discovered": "Oct 1, 2026 06:00:00 UTC",
                "Last Observed": "Nov 20, 2026 18:00:00 UTC",
            }
            for item in items
        ),
        quoting=csv.QUOTE_ALL,
    )


def weekly_csv(items: Iterable[Item] = SCAN) -> str:
    return text(
        {
            "hostname": item.host,
            "ip_address": item.ip,
            "plugin_id": item.plugin,
            "title": item.name,
            "cve": cve,
            "severity": item.severity,
            "cvss_v3_score": item.cvss3,
            "port": item.port,
        }
        for item, cve in by_cve(items)
    )


def nessus_xml(items: Iterable[Item] = SCAN) -> str:
    listed = list(items)
    hosts = dict.fromkeys((item.host, item.ip) for item in listed)
    numbers = {"None": 0, "Low": 1, "Medium": 2, "High": 3, "Critical": 4}
    parts = [
        '<?xml version="1.0" ?>\n<NessusClientData_v2>\n<Policy><policyName>x</policyName></Policy>\n<Report name="x">'
    ]
    for host, ip in hosts:
        parts.append(
            f'<ReportHost name={quoteattr(host)}><HostProperties><tag name="host-ip">{ip}</tag>'
            f'<tag name="HOST_START">Fri Nov 20 17:00:00 2026</tag></HostProperties>'
        )
        for item in listed:
            if item.host == host:
                cves = "".join(f"<cve>{cve}</cve>" for cve in item.cves)
                score = f"<cvss3_base_score>{item.cvss3}</cvss3_base_score>" if item.cvss3 else ""
                parts.append(
                    f'<ReportItem port="{item.port}" svc_name="x" protocol="tcp" severity="{numbers[item.severity]}" '
                    f'pluginID="{item.plugin}" pluginName={quoteattr(item.name)} pluginFamily="Windows">{cves}{score}'
                    f"<description>{escape(DESCRIPTION)}</description>"
                    "<solution>Install the update.</solution></ReportItem>"
                )
        parts.append("</ReportHost>")
    return "\n".join([*parts, "</Report></NessusClientData_v2>"])


FORMATS = {
    "nessus-csv": nessus_csv,
    "short nessus-csv": short_nessus_csv,
    "tenable-classic": classic_csv,
    "tenable-explore": explore_csv,
    "tenable-sc": tenable_sc_csv,
    "weekly": weekly_csv,
    "nessus": nessus_xml,
}
