"""A static project of exactly the findings that a report lists, such as the export of a console's own project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from halo_emulator import HaloEmulator
from remediation.store import models

from .test_refused_input import refused

# No header of a console's export of a project is published: this one is made up, and read by a mapping.
EXPORT = "Machine;Hole;How bad\nweb1;Old TLS;Severe\nweb1;Guest account;\nweb2;Old TLS;Severe\n"
MAPPING = ("--map", "host_name=Machine", "--map", "title=Hole", "--map", "severity=How bad")


@pytest.fixture
def connected(line: Any, halo: HaloEmulator) -> Any:
    assert line("connect", "halo", "--ticket-type", "Vulnerability").code == 0
    return line


def create(line: Any, *more: str, name: str = "June", content: str = EXPORT) -> tuple[str, ...]:
    file = line.file("project.csv", content)
    return ("project", "create", name, "--connection", "halo", "--from-report", file, "--source", "export", *more)


def tickets(line: Any, project: str = "June") -> list[str]:
    steps = line("plan", project, "--json").json["steps"]
    return [step["ticket"] for step in steps if step["ticket"] != "project"]


def test_a_project_holds_just_what_its_report_lists(connected: Any) -> None:
    made = connected(*create(connected, *MAPPING, "--json"))
    assert made.code == 0 and made.json["report"]["findings"] == 3
    assert tickets(connected) == ["Guest account", "Old TLS"]
    assert connected("apply", "June").code == 0
    # What comes up in the source later is not in it, and why is told; what goes on in it is.
    later = connected.file("later.csv", "Machine;Hole;How bad\nweb3;Old TLS;Severe\nweb1;Weak key;Severe\n")
    assert connected("import", later, "--source", "export").code == 0
    plan = connected("plan", "June", "--json").json
    assert plan["steps"] == []
    reasons = {one["key"]: one["reason"] for one in plan["not_done"]}
    assert reasons == {
        key: "the project is static: 1 finding not in the report that it was made of" for key in ("Old TLS", "Weak key")
    }


def test_another_project_of_the_source_has_the_rest(connected: Any) -> None:
    all_of_it = connected.file("all.csv", EXPORT + "web3;Old TLS;Severe\n")
    assert connected("import", all_of_it, "--source", "export", *MAPPING).code == 0
    # By the mapping that the source remembers. The first project has what the second would have as well.
    assert connected(*create(connected, content="Machine;Hole;How bad\nweb1;Old TLS;\n")).code == 0
    assert connected("project", "create", "rest", "--connection", "halo", "--source", "export").code == 0
    assert tickets(connected) == ["Old TLS"] and tickets(connected, "rest") == ["Old TLS"]
    for project, assets in (("June", ["web1"]), ("rest", ["web2", "web3"])):
        assert connected("apply", project).code == 0
        told = models.Ticket.objects.get(project__name=project, key="Old TLS").note["told"]
        assert sorted(pair.partition("|")[0] for pair in told) == assets


def test_the_same_report_makes_a_second_project(connected: Any) -> None:
    assert connected(*create(connected, *MAPPING)).code == 0
    again = connected(*create(connected, name="July"))
    assert again.code == 0 and "the same as before" in again.out and "Next: remediation plan 'July'" in again.out
    assert models.Project.objects.get(name="July").listed.count() == 3


def test_settings_say_more(connected: Any) -> None:
    file = connected.file("settings.toml", 'min_severity = "high"\ngranularity = "asset"\n')
    assert connected(*create(connected, *MAPPING, "--settings", file)).code == 0
    assert tickets(connected) == ["web1", "web2"]
    assert models.Project.objects.get().settings["static"] is True
    # One that is no longer static has no such list.
    later = connected.file("later.csv", "Machine;Hole;How bad\nweb3;Old TLS;Severe\n")
    assert connected("import", later, "--source", "export").code == 0
    assert connected("project", "set", "June", "--settings", connected.file("s.toml", "static = false\n")).code == 0
    assert tickets(connected) == ["web1", "web2", "web3"]


def test_a_wider_filter_takes_nothing_out(connected: Any) -> None:
    assert connected(*create(connected, *MAPPING)).code == 0 and connected("apply", "June").code == 0
    assert connected("project", "set", "June", "--min-severity", "high").out.endswith(
        "1 of its findings leave their tickets with the next apply.\n"
    )
    assert connected("project", "set", "June", "--min-severity", "none").out == "Project 'June' is changed.\n"


def test_what_is_refused_leaves_nothing_behind(connected: Any, tmp_path: Path) -> None:
    refused(connected, *create(connected), says="--map host_name=COLUMN")
    refused(connected, *create(connected, *MAPPING, content="Machine;Hole;How bad\n"), says="covers no asset at all")
    dynamic = connected.file("settings.toml", "static = false\ndynamic = true\n")
    refused(connected, *create(connected, *MAPPING, "--settings", dynamic), says="is static")
    words = ("project", "create", "x", "--connection", "halo")
    refused(connected, *words, "--map", "a=b", says="--from-report")
    refused(connected, *words, "--from-report", str(tmp_path / "none"), says="The name of a source cannot be used")
    refused(connected, *words, "--from-report", str(tmp_path / "none"), "--source", "s", says="There is no file")
    assert not models.Source.objects.exists() and not models.Project.objects.exists()
    assert connected(*create(connected, *MAPPING)).code == 0
    refused(connected, *create(connected, *MAPPING), says="a project named 'June' already")
    assert connected("import", connected.report("other.csv", "1 v1 s1"), "--source", "other").code == 0
    refused(connected, "project", "set", "June", "--source", "other", says="stays with that source")
