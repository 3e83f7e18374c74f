"""Files of scanners on the command line: coverage, filters, the same file again, mappings, names, errors of rows."""

from __future__ import annotations

import csv
import errno
import io
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest

from remediation.sources import copied
from remediation.store import models
from tests.sources.one_scan import SCAN, Item, classic_csv, explore_csv, nessus_csv, nessus_xml, text, weekly_csv

from .test_refused_input import refused

ALL = ("--coverage", "devices")


def take(line: Any, content: str, *options: str, source: str = "weekly") -> Any:
    ended = line("import", line.file("report", content), "--source", source, "--json", *options)
    assert ended.code == 0, ended
    return ended.json


def states(source: str = "weekly") -> dict[str, str]:
    found = models.Finding.objects.filter(source__name=source)
    return {f"{row.asset.partition('.')[0]} {row.vulnerability}": row.state for row in found}


def weekly(*found: str, day: int = 20) -> str:
    """A weekly file: each row is "host plugin vendor"."""
    rows = []
    for one in found:
        host, plugin, vendor = one.split()
        seen = f"2026-11-{day:02d}T01:00:00Z"
        rows.append({"hostname": host, "plugin_id": plugin, "title": f"{vendor} hole {plugin}", "last seen": seen})
    return text(rows)


def test_what_is_not_listed_stays_by_default(line: Any) -> None:
    value = take(line, weekly("a 1 Cisco", "a 2 Microsoft"))
    assert value["kind"] == "weekly" and value["findings"] == 2
    for day in (21, 22, 23):
        take(line, weekly("a 1 Cisco", day=day))
    assert states() == {"a 1": "open", "a 2": "open"}


def test_a_full_file_tells_what_is_no_longer_reported(line: Any) -> None:
    take(line, weekly("a 1 Cisco", "a 2 Cisco", "b 1 Cisco"), *ALL)
    take(line, weekly("a 1 Cisco", day=21), *ALL)
    # Of a device that is not in it, a file says nothing.
    assert states() == {"a 1": "open", "a 2": "unconfirmed", "b 1": "open"}
    assert models.Finding.objects.get(vulnerability="2").missed == 1
    take(line, weekly("a 1 Cisco", day=22), *ALL)
    assert models.Finding.objects.get(vulnerability="2").missed == 2


def test_a_filtered_file_after_a_full_one_closes_nothing_of_other_vendors(line: Any) -> None:
    take(line, weekly("a 1 Cisco", "a 2 Cisco", "a 3 Microsoft", "a 4 Microsoft"), *ALL)
    take(line, weekly("a 1 Cisco", day=21), *ALL, "--only-vendor", "cisco")
    assert states() == {"a 1": "open", "a 2": "unconfirmed", "a 3": "open", "a 4": "open"}


def test_the_same_file_again_says_so_also_reordered(line: Any) -> None:
    assert not take(line, nessus_csv(), *ALL)["unchanged"]
    counts = models.Observation.objects.count(), models.SnapshotRecord.objects.count()
    rows = list(csv.DictReader(io.StringIO(nessus_csv(), newline="")))
    for content in (nessus_csv(), text(rows[::-1]), text(rows, delimiter=";")):
        value = take(line, content, *ALL)
        assert value["unchanged"]
    assert "the same as before" in line("import", line.file("x", nessus_csv()), "--source", "weekly", *ALL).out
    assert (models.Observation.objects.count(), models.SnapshotRecord.objects.count()) == counts


@pytest.mark.parametrize("write", [weekly_csv, nessus_xml])
def test_files_of_two_kinds_are_no_series(line: Any, write: Any) -> None:
    take(line, nessus_csv())
    file = line.file("other", write())
    refused(line, "import", file, "--source", "weekly", says="Give it a source of its own")


TITLED = "hostname,title\na,Cisco hole 1\na,Cisco hole 2\n"


@pytest.mark.parametrize("options", [(), ("--map", "host_name=hostname", "--map", "title=title")])
def test_files_that_name_vulnerabilities_otherwise_are_no_series(line: Any, options: tuple[str, ...]) -> None:
    named = ("--map", "host_name=hostname", "--map", "vulnerability=plugin_id") if options else ()
    content = "hostname,plugin_id,title\na,1,Cisco hole 1\na,2,Cisco hole 2\n"
    take(line, content, *ALL, *named)
    # Also where the column is there and empty.
    for other in (TITLED, "hostname,plugin_id,title\na,,Cisco hole 1\n"):
        file = line.file("other", other)
        refused(line, "import", file, "--source", "weekly", *ALL, *options, says="'weekly' before it by id")
        assert "hole" not in line("import", file, "--source", "weekly", *options).err
    assert states() == {"a 1": "open", "a 2": "open"}
    # A file without rows names nothing.
    take(line, "hostname,title\n", *ALL, *options, "--clean", "a")
    take(line, TITLED, *options, source="other")


def test_a_source_that_is_older_learns_what_names_vulnerabilities(line: Any) -> None:
    take(line, TITLED)
    models.Source.objects.update(settings={})
    take(line, TITLED + "a,Cisco hole 3\n")
    assert models.Source.objects.get().settings == {"named_by": "title"}


def test_what_a_short_file_does_not_tell_stays_known(line: Any) -> None:
    take(line, nessus_csv())
    take(line, "Plugin ID,Host,Name\n97833,web1.example.com,MS17-010\n")
    row = models.Vulnerability.objects.get(vulnerability="97833")
    assert (row.severity, row.cvss, row.cves) == ("critical", 8.1, ["CVE-2017-0143", "CVE-2017-0144"])
    assert models.Solution.objects.get(solution="97833").fix == "Install the update."


def test_a_state_is_believed_over_what_is_listed(line: Any) -> None:
    take(line, explore_csv())
    fixed = [Item(**{**vars(item), "state": "FIXED"}) if item.plugin == "97833" else item for item in SCAN]
    take(line, explore_csv(fixed))
    found = models.Finding.objects.values_list("vulnerability", "state")
    assert {state for plugin, state in found if plugin == "97833"} == {"remediated"}
    assert {state for plugin, state in found if plugin != "97833"} == {"open"}


def test_a_mapping_is_remembered(line: Any) -> None:
    content = "Server;Loch\nweb1;Q1\n"
    refused(line, "import", line.file("a.csv", content), "--source", "weekly", says="--map host_name=COLUMN")
    take(line, content, "--map", "host_name=Server", "--map", "vulnerability=Loch")
    take(line, "Loch;Server;mehr\nQ2;web1;x\n")
    assert states() == {"web1 Q1": "open", "web1 Q2": "open"}
    refused(line, "import", line.file("c.csv", "Rechner;Loch\na;b\n"), "--source", "weekly", says="no column 'Server'")
    refused(line, "import", line.file("c.csv", content), "--source", "x", "--map", "Server", says="not of the form")


@pytest.mark.parametrize("is_wide_first", [True, False])
@pytest.mark.parametrize(("write", "column"), [(explore_csv, "asset.id"), (classic_csv, "Asset UUID")])
def test_one_scan_with_more_columns_or_fewer_is_the_same(
    line: Any, write: Any, column: str, is_wide_first: bool
) -> None:
    wide = list(csv.DictReader(io.StringIO(write(), newline=""), delimiter=";" if ";" in write()[:200] else ","))
    narrow = [{name: cell for name, cell in row.items() if name != column} for row in wide]
    for rows in (wide, narrow) if is_wide_first else (narrow, wide):
        take(line, text(rows), *ALL)
    found = models.Finding.objects.values_list("asset", "vulnerability", "state")
    assert len(found) == len({(item.host, item.plugin) for item in SCAN if item.plugin}) and {
        state for _, _, state in found
    } == {"open"}


def test_a_name_or_address_of_many_machines_joins_none(line: Any) -> None:
    header = "Asset IP Address,Asset Names,Vulnerability ID,Vulnerability Title,Vulnerability Test Result Code\n"
    one, other = (f"10.0.0.{number},localhost.localdomain,{name},{name},vv\n" for number, name in ((1, "a"), (2, "b")))
    take(line, header + one + other, *ALL)
    take(line, header + one, *ALL)
    found = models.Finding.objects.values_list("asset", "state")
    assert set(found) == {("10.0.0.1", "open"), ("10.0.0.2", "open")}


def test_names_of_machines(line: Any) -> None:
    take(line, weekly("old.example.com 1 Cisco"))
    ended = line("source", "naming", "weekly", "--suffix", "example.com", "--alias", "old=new", "--json")
    assert ended.json == {"suffixes": ["example.com"], "aliases": {"old": "new"}}
    take(line, weekly("OLD.example.com. 2 Cisco", "new 3 Cisco"))
    assert states() == {"old 1": "open", "new 2": "open", "new 3": "open"}
    refused(line, "source", "naming", "weekly", "--alias", "a=b", "--alias", "b=a", says="circle")
    assert "old is new" in line("source", "naming", "weekly").out


def test_errors_of_rows_are_counted_shown_and_written(line: Any, tmp_path: Path) -> None:
    rows = [f"host{number},{number},7.5" for number in range(300)] + [f"h,{number},75" for number in range(120)]
    content = "\n".join(["hostname,plugin_id,cvss", *rows, ",1,5", "", ";".join("")]) + "\n"
    file, errors = line.file("a.csv", content), tmp_path / "errors.csv"
    ended = line("import", file, "--source", "weekly", "--errors", str(errors))
    assert ended.code == 0
    assert "Left out: 1 rows with errors." in ended.out
    assert "Left out: 120 values; their findings are kept." in ended.out
    assert "line 302, cvss: no number from 0 to 10" in ended.out and "and 111 more: --errors FILE" in ended.out
    assert len(errors.read_text("utf-8").splitlines()) == 122
    refused(line, "import", file, "--source", "weekly", "--errors", str(errors), says="is there already")
    value = line("import", file, "--source", "weekly", "--json").json
    dropped = value["rows_dropped"]
    assert (dropped["left_out"], dropped["values_left_out"], len(dropped["errors"])) == (1, 120, 100)
    refused(line, "import", file, "--source", "weekly", "--bad-rows", "0", says="1 of 421 rows cannot be used")


def test_sums_are_told(line: Any) -> None:
    ended = line("import", line.file("a.csv", "hostname,plugin_id\na,1\nTotal,1\n"), "--source", "weekly")
    assert "Left out: 1 rows of sums at the end." in ended.out and states() == {"a 1": "open"}
    value = take(line, "hostname,plugin_id\na,1\nb,2\nTotal,2\n")
    assert value["rows_dropped"]["totals"] == 1 and value["assets"] == 2


def nexpose(day: int, status: str, *found: str) -> str:
    tests = "".join(f'<test id="{one}" status="vulnerable-version" scan-id="{day}"/>' for one in found)
    scan = f'<scan id="{day}" startTime="202611{day}T010000000" endTime="202611{day}T020000000" status="{status}"/>'
    node = f'<node address="10.0.0.1" device-id="41" status="alive"><tests>{tests}</tests></node>'
    defined = "".join(f'<vulnerability id="{one}" title="{one}" severity="8"/>' for one in "abc")
    return (
        f'<NexposeReport version="2.0"><scans>{scan}</scans><nodes>{node}</nodes>'
        f"<VulnerabilityDefinitions>{defined}</VulnerabilityDefinitions></NexposeReport>"
    )


def test_a_scan_that_was_stopped_proves_only_what_it_lists(line: Any) -> None:
    take(line, nexpose(20, "finished", "a", "b"), *ALL)
    for day in (21, 22):
        take(line, nexpose(day, "stopped", "a", "c"), *ALL)
    assert states() == {"41 a": "open", "41 b": "open", "41 c": "open"}
    take(line, nexpose(23, "finished", "a"), *ALL)
    assert states() == {"41 a": "open", "41 b": "unconfirmed", "41 c": "unconfirmed"}
    models.Finding.objects.filter(vulnerability="c").update(state="remediated")
    # One of before that comes late is no news.
    take(line, nexpose(22, "stopped", "c"), *ALL)
    assert states() == {"41 a": "open", "41 b": "unconfirmed", "41 c": "remediated"}


@pytest.mark.parametrize(
    "status, state", [("error", "open"), ("skipped-dos", "open"), ("not-vulnerable", "unconfirmed")]
)
def test_a_test_that_failed_proves_nothing(line: Any, status: str, state: str) -> None:
    take(line, nexpose(20, "finished", "a", "b"), *ALL)
    failed = f'<test id="b" status="{status}" scan-id="21"/></tests>'
    take(line, nexpose(21, "finished", "a").replace("</tests>", failed), *ALL)
    assert states() == {"41 a": "open", "41 b": state}


def test_an_old_file_without_dates_says_nothing_again(line: Any) -> None:
    first, second = ("hostname,plugin_id\n" + "".join(f"a,{one}\n" for one in some) for some in ("12", "23"))
    take(line, first, *ALL)
    take(line, second, *ALL)
    before = list(models.Finding.objects.order_by("vulnerability").values("vulnerability", "state", "missed"))
    for again, is_told in ((first, True), (second, False), (first, True)):
        value = take(line, again, *ALL)
        assert value["unchanged"] and ("--accept-coverage" in " ".join(value["errors"])) is is_told
    assert list(models.Finding.objects.order_by("vulnerability").values("vulnerability", "state", "missed")) == before
    # Unless its person says that it is new, and the world really is again what it was.
    assert not take(line, first, *ALL, "--accept-coverage")["unchanged"]
    assert states() == {"a 1": "open", "a 2": "open", "a 3": "unconfirmed"}
    assert take(line, first, *ALL, "--accept-coverage")["unchanged"]


def test_bytes_that_are_no_utf_8_are_told(line: Any) -> None:
    file = line.folder / "mixed.csv"
    file.write_bytes("hostname,plugin_id,title\na,1,Lücke\nb,2,".encode() + b"L\xfccke\n")
    ended = line("import", str(file), "--source", "weekly")
    assert ended.code == 0 and "1 bytes are no UTF-8, as the others are." in ended.out
    assert set(models.Vulnerability.objects.values_list("title", flat=True)) == {"Lücke"}
    assert line("import", str(file), "--source", "weekly", "--json").json["bytes_not_utf8"] == 1


def test_no_room_for_a_copy_is_told_with_the_folder(line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(copied, "_copy", full)
    ended = line("import", line.file("a.csv", weekly("a 1 Cisco")), "--source", "weekly")
    assert ended.code == 1 and tempfile.gettempdir() in ended.err and "TMPDIR" in ended.err


def test_a_folder_is_watched_for_one_source(line: Any, tmp_path: Path) -> None:
    folder, link = tmp_path / "in", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    (folder / "tenable").mkdir()
    assert line("source", "watch", "weekly", str(folder)).code == 0
    for place in (folder, link, folder / "done", link / "refused"):
        refused(line, "source", "watch", "other", str(place), says="is watched for the source 'weekly' already")
    # Its own is changed, a folder within is another one, and one that is let go is free.
    assert line("source", "watch", "weekly", str(link), "--coverage", "devices").code == 0
    assert line("source", "watch", "other", str(folder / "tenable")).code == 0
    assert line("source", "watch", "weekly", "--stop").code == 0
    assert line("source", "watch", "third", str(folder)).code == 0


def test_what_does_not_fit_together(line: Any) -> None:
    file = line.file("a.csv", weekly("a 1 Cisco"))
    refused(line, "import", file, "--source", "s", "--only-vendor", "cisco", says="--coverage devices")
    refused(line, "import", file, "--source", "s", "--clean", "b", says="--coverage devices")


def test_a_clean_device_is_named(line: Any) -> None:
    take(line, weekly("a 1 Cisco", "b 1 Cisco"), *ALL)
    value = take(line, weekly("a 1 Cisco", day=21), *ALL, "--clean", "B")
    assert value["clean"] == {"B": ["b"]} and states() == {"a 1": "open", "b 1": "unconfirmed"}


@pytest.mark.parametrize("write", [nessus_csv, nessus_xml])
def test_progress_is_told_from_the_beginning(line: Any, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from remediation.cli import progress

    monkeypatch.setattr(progress, "PAUSE", 0.0)
    monkeypatch.setattr(progress.paced, "__defaults__", (0.0,))
    said = line("import", line.file("a", write()), "--source", "weekly").err
    assert "bytes copied" in said and "rows" in said and "findings are compared" in said


def test_a_folder_is_watched_and_a_token_made_for_it(line: Any, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    refused(line, "source", "watch", "weekly", str(folder), says="is no folder")
    folder.mkdir()
    refused(line, "source", "watch", "weekly", says="Name a folder, or say --stop")
    words = ("--coverage", "devices", "--only-vendor", "Cisco", "--json")
    watched = line("source", "watch", "weekly", str(folder), *words).json
    assert watched["folder"] == str(folder) and watched["only"]["vendors"] == ["Cisco"]
    token = line("source", "token", "weekly").out.strip()
    assert len(token) > 40 and token not in str(models.Source.objects.get().settings)
    assert line("source", "watch", "weekly", "--stop").code == 0
    refused(line, "source", "token", "weekly", says="No folder of 'weekly' is watched")
    assert "folder" not in models.Source.objects.get().settings


def test_what_a_source_said_is_exported_and_imported_again(line: Any, tmp_path: Path) -> None:
    take(line, nessus_csv())
    file = str(tmp_path / "export.csv")
    assert line("source", "export", "weekly", file, "--json").json == {"rows": 5}
    refused(line, "source", "export", "weekly", file, says="cannot be written")
    value = take(line, Path(file).read_text("utf-8"), source="copy")
    assert (value["kind"], value["findings"]) == ("insightvm-report", 5) and states("copy") == states()


def explore(*found: str) -> str:
    """Tenable's findings: each row is "host plugin state last-seen"."""
    names = ("asset.name", "definition.id", "definition.name", "state", "last_seen")
    cells = [one.split() for one in found]
    return text(dict(zip(names, (host, plugin, f"T{plugin}", state, seen))) for host, plugin, state, seen in cells)


def test_an_older_file_settles_nothing_that_was_seen_later(line: Any) -> None:
    take(line, explore("a 1 ACTIVE 2026-11-20", "a 2 ACTIVE 2026-11-20"), *ALL)
    take(line, explore("a 1 ACTIVE 2026-11-05"), *ALL)
    assert states() == {"a 1": "open", "a 2": "open"}
    take(line, explore("a 1 ACTIVE 2026-11-22"), *ALL)
    assert states() == {"a 1": "open", "a 2": "unconfirmed"}


def test_an_older_word_that_it_is_fixed_settles_nothing_that_came_back(line: Any) -> None:
    take(line, explore("a 1 RESURFACED 2026-11-25"))
    take(line, explore("a 1 FIXED 2026-11-20"))
    assert states() == {"a 1": "open"}
    take(line, explore("a 1 FIXED 2026-11-25"))
    assert states() == {"a 1": "remediated"}


def test_a_row_that_is_left_out_settles_nothing(line: Any) -> None:
    rows = [f"a,{number},T" for number in range(40)]
    take(line, "\n".join(["hostname,plugin_id,title", *rows, "b,1,T", ""]), *ALL)
    file = line.file("b.csv", "\n".join(["hostname,plugin_id,title", *rows[:39], "a,39,T, with a comma", "b,1,T", ""]))
    ended = line("import", file, "--source", "weekly", *ALL)
    assert ended.code == 0 and "what this file lacks is not counted as missing" in ended.out
    assert set(states().values()) == {"open"}


def nessus(*plugins: str) -> str:
    """One host with an item of each plugin, on one line."""
    items = "".join(f'<ReportItem pluginID="{one}" pluginName="T" severity="2" port="0"/>' for one in plugins)
    host = f'<ReportHost name="a"><HostProperties/>{items}</ReportHost>'
    return f'<NessusClientData_v2><Report name="r">{host}</Report></NessusClientData_v2>'


def test_an_item_of_a_nessus_file_that_is_left_out_settles_nothing(line: Any) -> None:
    plugins = [str(number) for number in range(1, 41)]
    take(line, nessus(*plugins), *ALL)
    ended = line("import", line.file("b", nessus(*plugins[:39], "")), "--source", "weekly", *ALL)
    assert ended.code == 0 and "what this file lacks is not counted as missing" in ended.out
    assert set(states().values()) == {"open"}


def test_the_filter_counts_for_our_own_report_too(line: Any) -> None:
    take(line, Path(line.report("a.csv", "1 v1 s1", "1 v2 s1")).read_text("utf-8"), *ALL)
    models.Vulnerability.objects.filter(vulnerability="v2").update(severity="low")
    newer = Path(line.report("b.csv", "1 v1 s1", day=21)).read_text("utf-8")
    take(line, newer, *ALL, "--only-severity", "high")
    assert states() == {"1 v1": "open", "1 v2": "open"}


def test_settings_that_change_during_an_import_stay(line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from remediation.jobs import imports

    take(line, weekly("a 1 Cisco"))
    reading = imports.read_any

    def meanwhile(*given: Any) -> Any:
        models.Source.objects.update(settings={"naming": {"suffixes": ["x"], "aliases": {}}})
        return reading(*given)

    monkeypatch.setattr(imports, "read_any", meanwhile)
    take(line, weekly("a 2 Cisco"))
    assert models.Source.objects.get().settings["naming"]["suffixes"] == ["x"]


@pytest.mark.parametrize("cell", ["N/A", "null", "-", "#REF!", "Unknown", " "])
def test_words_for_nothing_name_no_machine(line: Any, cell: str) -> None:
    rows = [
        {"FQDN": cell, "Host": host, "Plugin ID": "1", "Name": "T", "Vulnerability State": "Active"} for host in "ab"
    ]
    value = take(line, text(rows))
    assert value["kind"] == "tenable-classic" and states() == {"a 1": "open", "b 1": "open"}


@pytest.mark.parametrize("seen", ["11/12/26", "1/2/3", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_time_of_another_age_is_left_out_and_told(line: Any, seen: str) -> None:
    value = take(line, explore(f"a 1 ACTIVE {seen}"))
    assert value["rows_dropped"]["values_left_out"] == 1 and states() == {"a 1": "open"}


def test_keys_that_are_too_long_and_headers_within(line: Any) -> None:
    good = [f"h{number},{number}" for number in range(60)]
    content = "\n".join(
        ["hostname,plugin_id", *good, "hostname,plugin_id", f"{'x' * 9000},1", "a,9.78E+04", "b,7.0", ""]
    )
    value = take(line, content)
    assert value["findings"] == 61 and value["rows_dropped"]["left_out"] == 2
    assert models.Finding.objects.get(asset="b").vulnerability == "7"


def random_words(count: int) -> str:
    """Words that no index can pack."""
    chance = random.Random(1)
    return " ".join(f"{chance.getrandbits(40):x}" for _ in range(count))


def test_a_solution_and_a_site_that_are_too_long_are_left_out(line: Any) -> None:
    header = "hostname,vulnerability_name,nexpose_id,best_solution,member_of_sites"
    value = take(line, f"{header}\na,t,{random_words(900)},Do it.,DMZ\nb,t,s,Do it.,{random_words(900)}\n")
    assert value["rows_dropped"]["values_left_out"] == 2 and states() == {"a t": "open", "b t": "open"}
    assert dict(models.Asset.objects.values_list("asset", "sites")) == {"a": ["DMZ"], "b": []}
    assert set(models.Finding.objects.values_list("asset", "solution")) == {("a", "t"), ("b", "s")}


def test_of_a_title_that_is_a_book_the_begin_is_kept(line: Any) -> None:
    title = random_words(90_000)
    take(line, f"hostname,plugin_id,title,solution\na,1,{title},{title}\n")
    assert models.Vulnerability.objects.get().title == models.Solution.objects.get().fix == title[:20_000]


def test_keys_of_many_bytes_fit_together(line: Any) -> None:
    chance = random.Random(1)
    asset, vulnerability = ("".join(chr(0x20000 + chance.randrange(40_000)) for _ in range(250)) for _ in range(2))
    take(line, f"hostname,plugin_id\n{asset},{vulnerability}\n")
    assert models.Finding.objects.count() == 1


@pytest.mark.parametrize("told, stored", [("4", 4), ("99999999999", None)])
def test_credentials_by_a_mapping(line: Any, told: str, stored: int | None) -> None:
    maps = ("host_name=h", "vulnerability=v", "credentials=c", "scan_started=s")
    value = take(line, f"h,v,c,s\na,1,{told},2026-11-20\n", *(word for one in maps for word in ("--map", one)))
    assert value["rows_dropped"]["values_left_out"] == (stored is None)
    assert models.Asset.objects.get().credentials == models.Finding.objects.get().credentials == stored
