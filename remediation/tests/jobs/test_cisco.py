"""What Cisco is asked for, what is kept of it, and that a job goes on where the one before it ended."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from cryptography.fernet import Fernet
from django.utils import timezone as clock

from remediation.ending import Ending
from remediation.enrichment.cisco import reading
from remediation.jobs import feed_tasks
from remediation.jobs.cisco import ask_cisco, check_access, is_due
from remediation.jobs.status import status
from remediation.store import models
from remediation.store.advisories import about_device, about_vulnerability, wanted
from remediation.store.intake import take_in
from remediation.store.secrets import seal
from stand_ins.cisco_openvuln import CiscoOpenVuln

from ..store.scans import scan
from .conftest import waiting_jobs

ONE, FLAW, RELEASE = "cisco-sa-iosxe-webui-x1", "cve CVE-2026-30001", "release iosxe 17.9.1"
# Of each vulnerability: its title, family, CVEs, and on which asset it is.
WORLD: dict[str, tuple[str, str, list[str], str]] = {
    "critical-1": ("Web UI (cisco-sa-iosxe-webui-x1)", "CISCO", ["CVE-2026-30001"], "switch"),
    "high-2": ("SSH server is old", "Misc.", ["cve-2026-22222 "], "switch"),
    "high-3": ("openssl", "Ubuntu", ["CVE-2026-33333"], "web"),
    "medium-4": ("Cisco AnyConnect", "Windows", ["CVE-2026-44444"], "web"),
    "low-5": ("Cisco thing without CVE (cisco-sa-thing-a1)", "CISCO", [], "switch"),
}


@pytest.fixture
def world(store: str, monkeypatch: pytest.MonkeyPatch) -> models.Source:
    monkeypatch.setenv("REMEDIATION_KEY", Fernet.generate_key().decode())
    source = models.Source.objects.create(name="console", kind="insightvm")
    found: dict[str, list[str]] = {}
    for name, (_, _, _, asset) in WORLD.items():
        found.setdefault(asset, []).append(name)
    take_in(source, scan(found, datetime(2026, 11, 20, tzinfo=timezone.utc)))
    for name, (title, family, cves, _) in WORLD.items():
        models.Vulnerability.objects.filter(vulnerability=name).update(title=title, family=family, cves=cves)
    models.Asset.objects.filter(asset="switch").update(os="Cisco IOS XE 17.9.1")
    models.Asset.objects.filter(asset="web").update(os="Ubuntu Linux 22.04")
    return source


@pytest.fixture
def row(world: models.Source, cisco: CiscoOpenVuln) -> models.Cisco:
    return models.Cisco.objects.create(client_id=cisco.client_id, secret=seal(cisco.client_secret))


def ask(most: int = 200) -> Any:
    return ask_cisco(sleep=lambda _: None, most=most)


def paths(cisco: CiscoOpenVuln) -> list[str]:
    """What was asked for since the last look, without tokens."""
    asked = [path.partition("v2/")[2].partition("?")[0] for method, path in cisco.requests if method == "GET"]
    cisco.requests.clear()
    return asked


EXPECTED = ["OSType/iosxe", "cve/CVE-2026-44444", "cve/CVE-2026-30001", "cve/CVE-2026-22222"]


def test_only_what_may_be_of_ciscos_is_asked_for_and_once(row: models.Cisco, cisco: CiscoOpenVuln) -> None:
    ended = ask()
    assert ended.value == {"kept": 5, "refused": 0, "left": 0, "changed": 0} and ended.ending is Ending.DONE
    assert paths(cisco) == [*EXPECTED, "advisory/cisco-sa-thing-a1"]
    answers = {one.about: one.advisories for one in models.CiscoAnswer.objects.all()}
    assert answers[FLAW] == answers[RELEASE] == [ONE] and answers["cve CVE-2026-44444"] == []
    assert models.CiscoAnswer.objects.get(about=RELEASE).fixed == {ONE: ["17.9.4a"]}
    # What is cached, nothing among it, is not asked for again; and after 90 days it is.
    assert ask().value["kept"] == 0 and paths(cisco) == []
    models.CiscoAnswer.objects.update(again=clock.now())
    assert ask().value["kept"] == 5


def test_without_an_access_or_where_it_is_off_nothing_is_asked(
    world: models.Source, cisco: CiscoOpenVuln, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask() is None and not is_due(clock.now())
    models.Cisco.objects.create(client_id="a", secret=seal("b"))
    assert is_due(clock.now())
    monkeypatch.setattr("django.conf.settings.CISCO", {"api": "", "token": ""})
    assert ask() is None and not is_due(clock.now()) and not cisco.requests


def test_a_job_goes_on_where_the_last_one_ended_however_it_did(row: models.Cisco, cisco: CiscoOpenVuln) -> None:
    assert ask(most=2).value["left"] == 3
    assert paths(cisco) == EXPECTED[:2]
    due = models.Feed.objects.get(name="cisco").due
    assert due is not None and due < clock.now() + timedelta(minutes=11)
    cisco.faults.contents[".*/CVE-2026-22222"] = b"<h1>no</h1>"
    assert ask().value == {"kept": 2, "refused": 1, "left": 0, "changed": 0}
    assert paths(cisco) == [*EXPECTED[2:], "advisory/cisco-sa-thing-a1"]
    assert "no JSON object" in models.CiscoAnswer.objects.get(about="cve CVE-2026-22222").said
    assert is_due(clock.now() + timedelta(days=2)) and not is_due(clock.now())


def test_a_429_is_kept_and_what_was_answered_before_it_stays(row: models.Cisco, cisco: CiscoOpenVuln) -> None:
    ask(most=1)
    cisco.faults.failing, cisco.faults.status = 1, 429
    ended = ask()
    assert ended.ending is Ending.FAILED and "429" in ended.text
    feed = models.Feed.objects.get(name="cisco")
    assert feed.due is not None and 590 < (feed.due - clock.now()).total_seconds() <= 600
    assert "429" in next(one for one in status()["feeds"] if one["feed"] == "cisco")["wrong"]
    assert models.CiscoAnswer.objects.count() == 1
    paths(cisco)
    assert ask().ending is Ending.FAILED and not paths(cisco), "nobody asks before that"
    models.Cisco.objects.update(waits_until=clock.now())
    assert ask().value["kept"] == 4 and status()["ok"]


def test_nonsense_everywhere_ends_it_soon_and_takes_nothing_away(row: models.Cisco, cisco: CiscoOpenVuln) -> None:
    ask()
    before = set(models.CiscoAnswer.objects.values_list("about", "read"))
    models.CiscoAnswer.objects.update(again=clock.now())
    cisco.faults.contents[".*/v2/.*"] = b'{"advisories": "all"}'
    paths(cisco)
    assert ask().ending is Ending.REFUSED and len(paths(cisco)) == reading.MOST_STRANGE
    assert set(models.CiscoAnswer.objects.values_list("about", "read")) == before
    assert models.CiscoAnswer.objects.get(about=RELEASE).advisories == [ONE]


def test_what_changed_is_asked_for_again_and_new_ones_are_found(row: models.Cisco, cisco: CiscoOpenVuln) -> None:
    cisco.advisories[ONE].updated -= timedelta(days=9)
    ask()
    paths(cisco)
    models.CiscoAnswer.objects.update(read=clock.now() - timedelta(days=3))
    models.Cisco.objects.update(known_until=clock.now().date() - timedelta(days=2))
    releases = {("iosxe", "17.9.1"): ["17.12.1"]}
    cisco.publish(
        "cisco-sa-new-n1", "A new one", ["CVE-2026-55555"], products=["Cisco IOS XE Software"], fixed=releases
    )
    cisco.publish("cisco-sa-other-o1", "Of something else", products=["Cisco NX-OS Software"])
    assert ask().value == {"kept": 1, "refused": 0, "left": 0, "changed": 1}
    assert paths(cisco) == ["all/lastpublished", "OSType/iosxe"]
    assert set(models.CiscoAnswer.objects.get(about=RELEASE).advisories) == {ONE, "cisco-sa-new-n1"}
    # Nothing has changed since.
    models.Cisco.objects.update(known_until=clock.now().date() - timedelta(days=1))
    assert ask().value["kept"] == 0 and paths(cisco) == ["all/lastpublished"]
    # A change of a known one: all that named it.
    models.CiscoAnswer.objects.update(read=clock.now() - timedelta(days=3))
    models.Cisco.objects.update(known_until=clock.now().date() - timedelta(days=1))
    cisco.publish(ONE, "Cisco IOS XE: worse than thought", ["CVE-2026-30001"], cvss=10.0, fixed=releases)
    assert ask().value["changed"] >= 2
    assert models.Advisory.objects.get(advisory=ONE).cvss == 10
    assert models.CiscoAnswer.objects.get(about=RELEASE).fixed[ONE] == ["17.12.1"]


def test_what_is_known_of_a_vulnerability_and_a_device(row: models.Cisco, world: models.Source) -> None:
    ask()
    flaw = models.Vulnerability.objects.get(vulnerability="critical-1")
    (found,) = about_vulnerability(flaw)
    (fix,) = found.fixes  # type: ignore[attr-defined]
    assert found.advisory == ONE and (fix[0].software.title, fix[1]) == ("Cisco IOS XE 17.9.1", "17.9.4a")
    assert not about_vulnerability(models.Vulnerability.objects.get(vulnerability="high-3"))
    (known,) = about_device(models.Asset.objects.all())
    assert known.read is not None and [one.first for one in known.advisories] == ["17.9.4a"]  # type: ignore[attr-defined]
    # The scanner's own word stays.
    assert (flaw.severity, flaw.cvss) == ("critical", None)


def test_hostile_titles_and_systems_are_only_texts(row: models.Cisco, cisco: CiscoOpenVuln) -> None:
    models.Asset.objects.filter(asset="web").update(os="Cisco IOS XE 17.9.1'; DROP TABLE store_cve; --%s")
    evil = "Cisco (cisco-sa-../../token) %s <script>"
    models.Vulnerability.objects.filter(vulnerability="low-5").update(title=evil)
    cisco.publish("cisco-sa-evil", "<script>\0" + "x" * 10_000, ["CVE-2026-30001"])
    assert ask().value["refused"] == 0
    assert all(".." not in path for path in paths(cisco))
    assert len(models.Advisory.objects.get(advisory="cisco-sa-evil").title) == 500


def test_the_job_is_asked_for_where_it_is_due(row: models.Cisco, cisco: CiscoOpenVuln) -> None:
    feed_tasks.look_for_due_feeds(0)
    assert waiting_jobs() == ["cisco"]
    models.Feed.objects.create(name="cisco", due=clock.now() + timedelta(hours=1))
    assert not is_due(clock.now())


def test_an_access_is_checked_before_it_is_stored(row: models.Cisco, cisco: CiscoOpenVuln) -> None:
    assert check_access(row, lambda _: None) == ""
    row.secret = seal("wrong")
    assert "gives no token" in check_access(row, lambda _: None)


def test_many_findings_are_looked_through_in_a_moment(world: models.Source) -> None:
    names = [f"low-{number}" for number in range(3000)]
    snapshot = scan({"switch": names}, datetime(2026, 11, 21, tzinfo=timezone.utc))
    cves = pl.Series("cves", [[f"CVE-2026-{10000 + number}"] for number in range(3000)])
    snapshot.findings.replace_column(snapshot.findings.get_column_index("cves"), cves)
    take_in(world, snapshot)
    models.Asset.objects.filter(asset="switch").update(os="Cisco IOS XE 17.9.1")
    assert len([one for one in wanted() if one.startswith("cve ")]) >= 3000
