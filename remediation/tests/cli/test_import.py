"""A series of report files: what each proves, and what the person who brings it says of it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from remediation.store import models

from .test_refused_input import refused


def states(source: str = "weekly") -> dict[str, str]:
    found = models.Finding.objects.filter(source__name=source)
    return {f"{row.asset} {row.vulnerability}": row.state for row in found}


def take(line: Any, name: str, *found: str, day: int = 20, options: tuple[str, ...] = (), wide: bool = True) -> Any:
    file = line.report(name, *found, day=day, wide=wide)
    coverage = () if "--coverage" in options else ("--coverage", "devices")
    ended = line("import", file, "--source", "weekly", "--json", *coverage, *options)
    assert ended.code == 0, ended
    return ended.json


def news(value: dict[str, Any]) -> bool:
    return not value["unchanged"]


@pytest.mark.parametrize("wide", [True, False], ids=["with-the-scan", "without-the-scan"])
def test_a_later_file_proves_for_its_assets_what_a_scan_proves(line: Any, wide: bool) -> None:
    take(line, "a.csv", "1 v1 s1", "1 v2 s1", "2 v1 s1", wide=wide)
    take(line, "b.csv", "1 v1 s1", day=21, wide=wide)
    assert states() == {"1 v1": "open", "1 v2": "remediated", "2 v1": "open"}


def test_a_file_of_the_same_scan_proves_nothing(line: Any) -> None:
    take(line, "a.csv", "1 v1 s1", "1 v2 s1")
    take(line, "b.csv", "1 v1 s1")
    assert states() == {"1 v1": "open", "1 v2": "unconfirmed"}


def test_of_an_asset_that_is_not_in_the_file_nothing_changes(line: Any) -> None:
    take(line, "a.csv", "1 v1 s1", "2 v1 s1")
    for day in (21, 22, 23):
        take(line, "b.csv", "1 v1 s1", day=day)
    assert states() == {"1 v1": "open", "2 v1": "open"}
    assert not models.Observation.objects.exclude(kind="new").exists()


def test_accepting_less_coverage_settles_nothing_and_is_remembered(line: Any) -> None:
    nine = [f"{number} v1 s1" for number in range(9)]
    take(line, "a.csv", *nine)
    less = line.report("b.csv", nine[0], day=21)
    refused(line, "import", less, "--source", "weekly", "--coverage", "devices", says="--clean")
    take(line, "b.csv", nine[0], day=21, options=("--accept-coverage",))
    assert set(states().values()) == {"open"}
    # The next file of the same size needs no approver.
    take(line, "c.csv", nine[0], day=22)
    # Nor does one that is as large as the first.
    take(line, "d.csv", *nine, day=23)
    assert models.Observation.objects.count() == 9


@pytest.mark.parametrize("options", [(), ("--coverage", "listed")], ids=["devices", "listed"])
def test_the_same_file_again_changes_nothing_even_after_others(line: Any, options: tuple[str, ...]) -> None:
    first = ["1 v1 s1", "1 v2 s1", "2 v1 s1"]
    take(line, "a.csv", *first, options=options)
    take(line, "b.csv", "1 v1 s1", "2 v1 s1", day=21, options=options)
    before = states(), models.Observation.objects.count(), models.SnapshotRecord.objects.count()
    for day, found in ((20, first), (21, ["2 v1 s1", "1 v1 s1"])):
        assert not news(take(line, "again.csv", *found, day=day, options=options))
    assert (states(), models.Observation.objects.count(), models.SnapshotRecord.objects.count()) == before


def test_a_file_that_is_older_reopens_nothing(line: Any) -> None:
    take(line, "a.csv", "1 v1 s1", "1 v2 s1")
    take(line, "b.csv", "1 v1 s1", day=22)
    assert states()["1 v2"] == "remediated"
    take(line, "late.csv", "1 v1 s1", "1 v2 s1", "1 v3 s1", day=21)
    assert states()["1 v2"] == "remediated"


@pytest.mark.parametrize("wide", [True, False])
def test_of_a_file_that_is_older_only_assets_that_were_not_scanned_since_are_news(line: Any, wide: bool) -> None:
    newer = line.report("week8.csv", "1 v1 s1", day=27, wide=wide)
    older = line.report("week7.csv", "1 v1 s1", "1 v2 s1", "2 v2 s1", day=20, wide=wide)
    renamed = Path(older).read_text("utf-8").replace("host1.corp.example", "old-name.corp.example")
    assert line("import", newer, "--source", "weekly").code == 0
    assert line("import", line.file("week7.csv", renamed), "--source", "weekly").code == 0
    found = models.Finding.objects.order_by("asset", "vulnerability").values_list("asset", "vulnerability", "state")
    assert list(found) == [("1", "v1", "open"), ("2", "v2", "open")]
    assert models.Asset.objects.get(asset="1").host_name == "host1.corp.example"


def test_a_file_with_no_more_columns_than_are_needed_proves_and_keeps_what_is_known(line: Any) -> None:
    take(line, "a.csv", "1 v1 s1", "1 v2 s1", wide=False)
    models.Asset.objects.update(owner_tags=["web-team"])
    header = "vulnerability_key,asset_id,last_assessed,severity,vulnerability_title,solution_key,solution_summary,extra"
    rows = ("v1,1,2026-11-22 01:00:00,Severe,Title of v1,s1,Apply s1,x", "v3,2,2026-11-22 01:00:00,Moderate,T,,,")
    file = line.file("b.csv", "\n".join((header, *rows, "")))
    assert line("import", file, "--source", "weekly", "--coverage", "devices").code == 0
    assert states() == {"1 v1": "open", "1 v2": "remediated", "2 v3": "open"}
    assert models.Asset.objects.get(asset="1").owner_tags == ["web-team"]
    severities = models.Vulnerability.objects.values_list("vulnerability", "severity")
    assert dict(severities) == {"v1": "high", "v2": "high", "v3": "medium"}


def test_of_a_list_only_what_is_listed_is_known(line: Any) -> None:
    take(line, "a.csv", "1 v1 s1", "1 v2 s1", "2 v1 s1")
    take(line, "b.csv", "1 v1 s1", "1 v3 s1", day=21, options=("--coverage", "listed"))
    assert states() == {"1 v1": "open", "1 v2": "open", "1 v3": "open", "2 v1": "open"}
    # However short it is.
    nine = [f"{number} v1 s1" for number in range(9)]
    take(line, "c.csv", *nine, day=22)
    take(line, "d.csv", nine[0], day=23, options=("--coverage", "listed"))
    less = line.report("e.csv", nine[0], day=24)
    refused(line, "import", less, "--source", "weekly", "--coverage", "devices", says="from 9 assets to 1")


@pytest.mark.parametrize("name", ["2", "host2.corp.example", "HOST2.corp.example.", "10.0.0.2"])
@pytest.mark.parametrize("wide", [True, False], ids=["with-the-scan", "without-the-scan"])
def test_a_clean_device_is_named_and_its_findings_are_settled(line: Any, name: str, wide: bool) -> None:
    take(line, "a.csv", "1 v1 s1", "2 v1 s1", "3 v1 s1", wide=wide)
    models.Asset.objects.filter(asset="2").update(ip="10.0.0.2")
    value = take(line, "b.csv", "1 v1 s1", day=21, options=("--clean", name), wide=wide)
    assert value["clean"] == {name: ["2"]} and value["assets"] == 2
    assert states() == {"1 v1": "open", "2 v1": "remediated", "3 v1": "open"}
    row = models.Asset.objects.get(asset="2")
    assert f"{row.scan_started:%d %H:%M}" == "21 01:00" and row.host_name == "host2.corp.example"
    assert models.Observation.objects.get(kind="remediated").detail["scan"] == "word of a person on the report"
    assert not news(take(line, "b.csv", "1 v1 s1", day=21, options=("--clean", name), wide=wide))


def test_all_assets_of_a_name_are_clean_and_said(line: Any) -> None:
    take(line, "a.csv", "1 v1 s1", "2 v1 s1", "3 v1 s1")
    models.Asset.objects.filter(asset__in="23").update(host_name="twin.corp.example")
    file = line.report("b.csv", "1 v1 s1", day=21)
    ended = line("import", file, "--source", "weekly", "--coverage", "devices", "--clean", "twin.corp.example")
    assert ended.code == 0 and "Clean: twin.corp.example (asset 2, 3, all 2 of that name)." in ended.out
    assert states() == {"1 v1": "open", "2 v1": "remediated", "3 v1": "remediated"}


def test_a_clean_device_by_the_scan_in_which_it_had_findings_stays_unsettled(line: Any) -> None:
    take(line, "a.csv", "1 v1 s1", "2 v1 s1")
    take(line, "b.csv", "1 v2 s1", "1 v1 s1", options=("--clean", "2"))
    assert states()["2 v1"] == "unconfirmed"


def test_an_empty_report_with_all_devices_clean(line: Any) -> None:
    take(line, "a.csv", "1 v1 s1", "2 v1 s1")
    options = ("--clean", "1", "--clean", "host2.corp.example")
    take(line, "none.csv", options=options)
    assert set(states().values()) == {"remediated"}
    count = models.Observation.objects.count()
    take(line, "none.csv", options=options)
    assert models.Observation.objects.count() == count


def test_clean_devices_that_cannot_be(line: Any) -> None:
    take(line, "a.csv", "1 v1 s1", "2 v1 s1")
    file = line.report("b.csv", "1 v1 s1", day=21)
    words = ("import", file, "--source", "weekly", "--coverage", "devices")
    refused(line, *words, "--clean", "hots2.corp.example", says="The nearest: host2.corp.example")
    refused(line, *words, "--clean", "host2", says="The nearest: host2.corp.example")
    refused(line, *words, "--clean", "", says="no device ''")
    refused(line, *words, "--clean", "host1.corp.example", says="has findings of 'host1.corp.example'")
    refused(line, *words, "--coverage", "listed", "--clean", "2", says="Leave --clean out")
    new = ("import", file, "--source", "new", "--coverage", "devices", "--clean", "2")
    refused(line, *new, says="It knows no device yet")
    undated = Path(file).read_text("utf-8").replace("2026-11-21 01:00:00", "")
    words = ("import", line.file("undated.csv", undated), *words[2:])
    refused(line, *words, "--clean", "2", says="last_assessed")


def test_a_file_is_not_read_into_a_console(line: Any) -> None:
    password = line.file("password", "secret")
    words = ("--kind", "insightvm", "--url", "http://127.0.0.1:9", "--user", "u", "--password-file", password)
    assert line("source", "add", "c", *words).code == 0
    refused(line, "import", line.report("a.csv", "1 v1 s1"), "--source", "c", says="their own source")


def test_a_packed_report(line: Any) -> None:
    plain = Path(line.report("a.csv", "1 v1 s1"))
    packed = plain.with_name("a.csv.gz")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert line("import", str(packed), "--source", "weekly", "--kind", "insightvm-report").code == 0
    assert states() == {"1 v1": "open"}
