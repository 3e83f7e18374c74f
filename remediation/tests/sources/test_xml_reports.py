"""Reports in XML: what is read of them, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from remediation.sources.errors import CutOff, NotUnderstood, SourceError
from remediation.sources.nessus_xml import read_nessus
from remediation.sources.nexpose_xml import read_nexpose
from remediation.sources.scanner_rows import NO_FINDING, NOT_TESTED, SCANNER_ROWS
from remediation.sources.xml_report import BLOCK, kind_of_xml

HOST = '<NessusClientData_v2><Report name="r"><ReportHost name="{}"><HostProperties>{}</HostProperties>{}</ReportHost>'
END = "</Report></NessusClientData_v2>"
ITEM = '<ReportItem pluginID="7" pluginName="P" severity="3" port="443" protocol="tcp" pluginFamily="F">{}</ReportItem>'
ALL = (
    "<cve>CVE-2026-1000</cve><cve>CVE-2026-1001</cve><solution>Do &lt;it&gt;.\nNow.</solution>"
    "<cvss3_base_score>7.5</cvss3_base_score><cvss_base_score>5.0</cvss_base_score><vpr_score>6.7</vpr_score>"
    "<epss_score>0.5</epss_score><exploit_available>true</exploit_available><plugin_output>x</plugin_output>"
)

NEXPOSE = """<?xml version="1.0"?>
<NexposeReport version="2.0">
<scans><scan id="9" name="DMZ" startTime="20261120T010000000" endTime="20261120T020000000" status="finished"/></scans>
<nodes>
<node address="10.0.0.1" hardware-address="001B2100AA01" status="alive" device-id="41" site-name="DMZ|2">
<names><name>web1.example.com</name><name>web1</name></names>
<fingerprints><os certainty="1.0" vendor="Ubuntu" product="Linux" version="22.04"/><os product="other"/></fingerprints>
<tests><test id="OS-Hole" status="vulnerable-version" scan-id="9" vulnerable-since="20261001T010000000">
<Paragraph>proof</Paragraph></test>
<test id="no-hole" status="not-vulnerable-version" scan-id="9"/></tests>
<endpoints><endpoint protocol="tcp" port="443" status="open"><services><service name="HTTPS"><fingerprints>
<fingerprint product="nginx"/></fingerprints><tests>
<test id="tls-hole" status="vulnerable-exploited"/><test id="old" status="exception-vulnerable-version"/>
</tests></service></services></endpoint></endpoints></node>
<node address="10.0.0.2" device-id="42"><tests/></node>
</nodes>
<VulnerabilityDefinitions>
<vulnerability id="os-hole" title="A hole" severity="8" cvssScore="9.3" riskScore="612.5"><exploits><exploit id="1"/>
<exploit id="2"/></exploits><references><reference source="CVE">CVE-2026-1000</reference>
<reference source="BID">7</reference></references><solution><ContainerBlockElement><Paragraph>Install the
update.</Paragraph></ContainerBlockElement></solution><description><Paragraph>It lets
all in.</Paragraph></description></vulnerability>
<vulnerability id="TLS-hole" title="Another" severity="4"/>
</VulnerabilityDefinitions></NexposeReport>
"""


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "report"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def cells(rows: pl.DataFrame, place: int = 0) -> dict[str, Any]:
    """What a row tells."""
    return {name: cell for name, cell in rows.row(place, named=True).items() if cell is not None}


def nessus(host: str = "web1", properties: str = "", items: str = ITEM.format(ALL)) -> str:
    return HOST.format(host, properties, items) + END


def test_a_nessus_item_with_all_that_is_known(file: Any) -> None:
    properties = (
        '<tag name="host-ip">10.0.0.1</tag><tag name="mac-address">AA:BB\nCC:DD</tag>'
        '<tag name="operating-system">Linux</tag><tag name="HOST_START">Fri Nov 20 18:00:00 2026</tag>'
        '<tag name="HOST_END_TIMESTAMP">1763665200</tag>'
    )
    rows = read_nessus(file(nessus(properties=properties)))
    assert rows.schema == pl.Schema(SCANNER_ROWS) and rows.height == 1
    assert cells(rows) == {
        **{"line": 2, "host_name": "web1", "ip": "10.0.0.1", "mac": "AA:BB\nCC:DD", "os": "Linux"},
        **{"scan_started": "Fri Nov 20 18:00:00 2026", "scan_finished": "1763665200"},
        **{"vulnerability": "7", "title": "P", "severity": "High", "family": "F", "port": "443", "protocol": "tcp"},
        **{"cvss3": "7.5", "cvss2": "5.0", "vpr": "6.7", "epss": "0.5", "exploits": "true"},
        **{"cves": "CVE-2026-1000 CVE-2026-1001", "solution_fix": "Do <it>.\nNow."},
    }


@pytest.mark.parametrize(
    "host, properties, name, ip",
    [
        ("web1", "", "web1", None),
        ("10.0.0.1", "", "10.0.0.1", "10.0.0.1"),
        (
            "10.0.0.1",
            '<tag name="host-fqdn">a.example.com</tag><tag name="netbios-name">A</tag>',
            "a.example.com",
            None,
        ),
        ("10.0.0.1", '<tag name="netbios-name">A</tag><tag name="host-ip">10.0.0.9</tag>', "A", "10.0.0.9"),
        ("fe80::1", "", "fe80::1", "fe80::1"),
    ],
)
def test_what_names_a_nessus_host(file: Any, host: str, properties: str, name: str, ip: str | None) -> None:
    row = cells(read_nessus(file(nessus(host, properties))))
    assert (row["host_name"], row.get("ip")) == (name, ip or (host if name != "web1" else None))


def test_a_nessus_host_without_items_is_told(file: Any) -> None:
    rows = read_nessus(file(nessus(items="")))
    assert (rows["state"].to_list(), rows["vulnerability"].to_list()) == ([NO_FINDING], [None])


def test_properties_that_come_after_the_items_count(file: Any) -> None:
    late = nessus().replace(
        "</ReportHost>", '<HostProperties><tag name="host-ip">10.0.0.5</tag></HostProperties></ReportHost>'
    )
    assert cells(read_nessus(file(late)))["ip"] == "10.0.0.5"


@pytest.mark.parametrize(
    "severity, risk, word",
    [
        *(('severity="0"', "None", "None"), ('severity="1"', "None", "Low"), ('severity="4"', "High", "Critical")),
        # What is no severity is passed on, and judged elsewhere.
        *(('severity="5"', "High", "5"), ("", "High", "High"), ("", "", None)),
    ],
)
def test_a_nessus_severity_is_that_of_the_item(file: Any, severity: str, risk: str, word: str | None) -> None:
    item = ITEM.replace('severity="3"', severity).format(f"<risk_factor>{risk}</risk_factor>")
    assert cells(read_nessus(file(nessus(items=item)))).get("severity") == word


def test_each_nessus_host_has_its_own_properties(file: Any) -> None:
    first, second = nessus(properties='<tag name="host-ip">10.0.0.1</tag>'), nessus("web2", items=ITEM.format("") * 2)
    rows = read_nessus(file(first.removesuffix(END) + second.removeprefix('<NessusClientData_v2><Report name="r">')))
    assert rows.select("host_name", "ip").rows() == [("web1", "10.0.0.1"), ("web2", None), ("web2", None)]


def test_each_nessus_item_has_its_own_cves(file: Any) -> None:
    rows = read_nessus(file(nessus(items=ITEM.format(ALL) + ITEM.format("<cve>CVE-2026-7</cve>") + ITEM.format(""))))
    assert rows["cves"].to_list() == ["CVE-2026-1000 CVE-2026-1001", "CVE-2026-7", None]


def test_what_stands_in_the_policy_is_no_finding(file: Any) -> None:
    policy = (
        f"<Policy><solution>x</solution><cve>CVE-2026-1</cve><tag name='host-ip'>x</tag><p>{'1;' * 2**20}</p></Policy>"
    )
    row = cells(read_nessus(file(nessus(items=ITEM.format("")).replace("<Report ", f"{policy}<Report ", 1))))
    assert not {"solution_fix", "cves", "ip"} & set(row)


def test_a_nexpose_export(file: Any) -> None:
    rows = read_nexpose(file(NEXPOSE))
    assert rows.schema == pl.Schema(SCANNER_ROWS) and rows.height == 4
    asset = {
        **{"asset_id": "41", "host_name": "web1.example.com", "ip": "10.0.0.1", "mac": "001B2100AA01"},
        **{"os": "Ubuntu Linux 22.04", "sites": "DMZ/2", "scan": "9"},
        **{"scan_started": "20261120T010000000", "scan_finished": "20261120T020000000"},
        "last_found": "20261120T010000000",
    }
    assert cells(rows, 0) == {
        **asset,
        **{"line": 8, "vulnerability": "os-hole", "title": "A hole", "severity": "Critical", "cvss2": "9.3"},
        **{"risk": "612.5", "exploits": "2", "cves": "CVE-2026-1000", "solution_fix": "Install the update."},
        **{"description": "It lets all in."},
        **{"first_found": "20261001T010000000"},
    }
    told = {"line": 13, "vulnerability": "tls-hole", "title": "Another", "severity": "Severe"}
    assert cells(rows, 1) == {**asset, **told, "port": "443", "protocol": "tcp"}
    assert cells(rows, 2)["accepted"] == "exception-vulnerable-version"
    assert (cells(rows, 3)["asset_id"], cells(rows, 3)["state"]) == ("42", NO_FINDING)


def test_what_names_no_scan_is_of_none_where_there_are_several(file: Any) -> None:
    two = NEXPOSE.replace("</scans>", '<scan id="10" startTime="20261121T010000000"/></scans>')
    assert "scan" not in cells(read_nexpose(file(two)), 1)


NODE = '<NexposeReport><scans>{}</scans><nodes><node address="10.0.0.1" {}>{}</node></nodes>{}</NexposeReport>'
TEST = '<tests><test id="a" status="{}"/></tests>'


@pytest.mark.parametrize(
    "status, is_accepted",
    [
        *(("vulnerable-exploited", False), ("vulnerable-version", False), ("vulnerable-potential", False)),
        *(("potential", False), ("exception-vulnerable-exploited", True), ("exception-vulnerable-version", True)),
        ("exception-vulnerable-potential", True),
    ],
)
def test_which_results_are_findings(file: Any, status: str, is_accepted: bool) -> None:
    rows = read_nexpose(file(NODE.format("", "", TEST.format(status), "")))
    assert rows.select("vulnerability", "state", "accepted").rows() == [("a", None, status if is_accepted else None)]


@pytest.mark.parametrize(
    "status, state",
    [
        *(
            ("not-vulnerable", NO_FINDING),
            ("overridden-vulnerable-version", NO_FINDING),
            ("Skipped-Version", NO_FINDING),
        ),
        *(("skipped-disabled", NOT_TESTED), ("skipped-dos", NOT_TESTED), ("no-tests", NOT_TESTED)),
        *(("error", NOT_TESTED), ("unknown", NOT_TESTED), ("", NOT_TESTED)),
    ],
)
def test_which_results_tell_that_it_is_not_there(file: Any, status: str, state: str) -> None:
    other = '<node device-id="42"><tests/></node>'
    rows = read_nexpose(
        file(NODE.format("", 'device-id="41"', TEST.format(status), "").replace("</nodes>", f"{other}</nodes>"))
    )
    assert rows.select("asset_id", "vulnerability", "state").rows() == [("41", None, state), ("42", None, NO_FINDING)]


@pytest.mark.parametrize(
    "scans, node, is_told",
    [
        *(("", "", True), ('<scan id="1" status="finished"/>', 'status="alive"', True)),
        # It did not answer, or the scan may not have come to it: that it has no finding is not known.
        *(('<scan id="1" status="finished"/>', 'status="dead"', False), ("", 'status="filtered"', False)),
        *(('<scan id="1" status="stopped"/>', 'status="alive"', False), ('<scan id="1" status="error"/>', "", False)),
        ('<scan id="1" status="finished"/><scan id="2" status="running"/>', "", False),
    ],
)
def test_only_an_asset_that_was_assessed_is_told_to_be_clean(file: Any, scans: str, node: str, is_told: bool) -> None:
    rows = read_nexpose(file(NODE.format(scans, node, "<tests/>", "")))
    assert rows["state"].to_list() == ([NO_FINDING] if is_told else [])
    found = read_nexpose(file(NODE.format(scans, node, TEST.format("vulnerable-version"), "")))
    # So it is of one that has some: these are listed, and no more.
    assert found["vulnerability"].to_list() == ["a"] + [None] * (not is_told)
    assert found["state"].to_list() == [None] + [NOT_TESTED] * (not is_told)


@pytest.mark.parametrize(
    "text, read",
    [
        ("<Paragraph>One\n  line.</Paragraph>\n <Paragraph>Two</Paragraph>", "One line.\nTwo"),
        (
            "<Paragraph>Do:<UnorderedList><ListItem> <Paragraph>this</Paragraph></ListItem><ListItem>that</ListItem>"
            "<ListItem> </ListItem></UnorderedList></Paragraph>",
            "Do:\n- this\n- that",
        ),
        (
            'See <URLLink LinkURL="https://a.example/1" href="x">the note</URLLink>.',
            "See the note (https://a.example/1).",
        ),
        ('<URLLink LinkURL="https://a.example/1"/>', "https://a.example/1"),
        ('<URLLink LinkURL="https://a.example/1">https://a.example/1</URLLink>', "https://a.example/1"),
        ('<Paragraph preformat="true">one\n two</Paragraph>', "one\ntwo"),
        ('<reference source="CVE">CVE-2026-1</reference>', "CVE-2026-1"),
    ],
)
def test_how_a_nexpose_solution_reads(file: Any, text: str, read: str) -> None:
    defined = f'<vulnerability id="a"><solution>{text}</solution></vulnerability>'
    row = cells(read_nexpose(file(NODE.format("", "", TEST.format("vulnerable-version"), defined))))
    assert row["solution_fix"] == read and "cves" not in row


@pytest.mark.parametrize(
    "severity, word",
    [("10", "Critical"), ("8", "Critical"), ("7", "Severe"), ("4", "Severe"), ("3", "Moderate"), ("1", "Moderate")]
    + [("0", "0"), ("11", "11"), ("high", "high"), ("", None), ("1" * 4301, "1" * 4301)],
)
def test_the_word_of_a_nexpose_severity(file: Any, severity: str, word: str | None) -> None:
    defined = f'<vulnerability id="A" severity="{severity}"/><vulnerability id="a" severity="9"/>'
    rows = read_nexpose(file(NODE.format("", "", TEST.format("vulnerable-version"), defined)))
    # Of two definitions, the first counts.
    assert rows.height == 1 and cells(rows).get("severity") == word


def test_the_operating_system_that_is_most_certain(file: Any) -> None:
    systems = (
        '<os certainty="0.5" product="A"/><os certainty="0.9" vendor="Linux" product="Linux" version="2.6"/>'
        '<os certainty="0.9" product="B"/><os certainty="?" product="C"/>'
    )
    node = NODE.format("", "", f"<fingerprints>{systems}</fingerprints>", "")
    assert cells(read_nexpose(file(node)))["os"] == "Linux 2.6"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings(file: Any, encoding: str) -> None:
    name = encoding.removesuffix("-sig")
    content = f'<?xml version="1.0" encoding="{name}"?>' + nessus(items=ITEM.format("<solution>é</solution>"))
    path = file(content.encode(encoding))
    assert kind_of_xml(path) == "nessus" and cells(read_nessus(path))["solution_fix"] == "é"


def test_many_rows_in_many_blocks(file: Any) -> None:
    items = "".join(
        ITEM.replace('"7"', f'"{number}"').format(f"<solution>{'x' * 50}</solution>") for number in range(45_000)
    )
    content = nessus(items=items)
    assert len(content) > 20 * BLOCK
    told: list[str] = []
    rows = read_nessus(file(content), told.append)
    assert rows["vulnerability"].to_list() == [str(number) for number in range(45_000)]
    assert re.fullmatch(rf"{BLOCK:,} of {len(content):,} bytes, 1,\d\d\d rows", told[0]) and len(told) > 20
    assert told[-1] == f"{len(content):,} of {len(content):,} bytes, 45,000 rows"


REFUSED: dict[str, tuple[str, type[SourceError], str]] = {
    "cut-in-a-tag": (nessus()[:-5], CutOff, "before its end"),
    "cut-between": (HOST.format("secret", "", ITEM.format(ALL)), CutOff, "before its end"),
    "two-roots": (nessus() * 2, NotUnderstood, "junk after document element"),
    "another-root": ("<secret/>", NotUnderstood, "first element is not"),
    "a-doctype": ("<!DOCTYPE secret>" + nessus(), NotUnderstood, "DOCTYPE"),
    "an-entity": (nessus(properties="&secret;"), NotUnderstood, "undefined entity"),
    "too-deep": (nessus(properties="<a>" * 200), NotUnderstood, "100 deep"),
    "a-long-text": (nessus(items=ITEM.format(f"<solution>{'x' * 2_000_000}</solution>")), NotUnderstood, "1048576"),
    "a-long-tag": (nessus(host="x" * 9_000_000), NotUnderstood, "has no end"),
    "a-nul": (nessus(properties="\0"), NotUnderstood, "not well-formed"),
    "empty": ("", CutOff, "before its end"),
    "a-long-attribute": (nessus(host="x" * 2_000_000), NotUnderstood, "1048576"),
    "many-attributes": (
        nessus(items="<a " + " ".join(f'secret{number}=""' for number in range(101)) + "/>"),
        NotUnderstood,
        "100 attributes",
    ),
    "many-cves": (nessus(items=ITEM.format("<cve>xxxxxxxxxx</cve>" * 100_000)), NotUnderstood, "values of one cell"),
    "an-item-of-no-host": (
        nessus().replace("<ReportHost", "<secret").replace("/ReportHost", "/secret"),
        NotUnderstood,
        "ReportItem in line 1",
    ),
    "an-item-in-an-item": (nessus(items=ITEM.format(ITEM.format(""))), NotUnderstood, "ReportItem in line 1"),
    "a-host-in-a-host": (nessus(items='<ReportHost name="secret"/>'), NotUnderstood, "ReportHost in line 1"),
    **{
        f"encoding-{name}": (f'<?xml version="1.0" encoding="{name}"?>{nessus()}', NotUnderstood, "none of UTF-8")
        for name in ("secret", "utf-7", "shift_jis", "rot13", "idna")
    },
}


@pytest.mark.parametrize("content, kind, says", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(file: Any, content: str, kind: type[SourceError], says: str) -> None:
    with pytest.raises(kind, match=says) as refused:
        read_nessus(file(content))
    assert "secret" not in str(refused.value) and "xxx" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [b"\xff<NessusClientData_v2/>", nessus("w\u00e9b").encode("latin-1"), nessus("w\u00e9b").encode("utf-16")[:-1]],
    ids=["a-stray-byte", "latin-1-undeclared", "utf-16-cut"],
)
def test_bytes_that_are_no_text_are_refused(file: Any, content: bytes) -> None:
    with pytest.raises((NotUnderstood, CutOff)):
        read_nessus(file(content))


MISPLACED = {
    "a-test-of-no-node": "<nodes><test id='secret' status='vulnerable-version'/></nodes>",
    "a-node-in-a-node": "<nodes><node><node/></node></nodes>",
    "a-node-in-a-definition": "<vulnerability id='a'><description><node/></description></vulnerability>",
    "a-definition-in-a-definition": "<vulnerability id='a'><vulnerability id='secret'/></vulnerability>",
}


@pytest.mark.parametrize("content", MISPLACED.values(), ids=MISPLACED)
def test_what_would_be_lost_is_refused(file: Any, content: str) -> None:
    with pytest.raises(NotUnderstood, match="stands where no scanner writes it") as refused:
        read_nexpose(file(f"<NexposeReport>{content}</NexposeReport>"))
    assert "secret" not in str(refused.value)


def test_a_long_text_that_is_not_read_does_no_harm(file: Any) -> None:
    assert read_nessus(file(nessus(items=ITEM.format(f"<plugin_output>{'x' * 9_000_000}</plugin_output>")))).height == 1
    assert read_nessus(file(nessus(properties=f'<tag name="netstat">{"x" * 9_000_000}</tag>'))).height == 1


def test_a_text_is_as_long_as_it_is_however_deep_it_stands(file: Any) -> None:
    deep = "<Paragraph>" * 50 + "x" * 100_000 + "</Paragraph>" * 50
    defined = f'<vulnerability id="a"><solution>{deep}</solution></vulnerability>'
    rows = read_nexpose(file(NODE.format("", "", TEST.format("vulnerable-version"), defined)))
    assert rows["solution_fix"].to_list() == ["x" * 100_000]


def test_kinds(file: Any) -> None:
    assert kind_of_xml(file("<?xml version='1.0'?><!-- <a> --><NexposeReport/>")) == "nexpose-xml"
    # A DOCTYPE is refused when the file is read; it is not opened here either.
    assert kind_of_xml(file('<!DOCTYPE NexposeReport [<!ENTITY a "&b;">]><a/>')) == "nexpose-xml"
    assert kind_of_xml(file("a,b\n")) is None and kind_of_xml(file("")) is None
    for content in ("<html>", "<", "<!-- ", "<!--" * BLOCK, "<!-- <NexposeReport> --><a/>"):
        with pytest.raises(NotUnderstood, match="no report that is known"):
            kind_of_xml(file(content))
