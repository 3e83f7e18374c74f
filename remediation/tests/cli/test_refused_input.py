"""Input that cannot be used: exit code 4, an error that says what to do, and nothing changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from halo_emulator import HaloEmulator
from remediation import cli
from remediation.cli.ending import Refused
from remediation.sources import errors
from remediation.store import models
from remediation.store.intake import Suspicious
from remediation.tickets.apply import HaloAway
from remediation.tickets.instance import NotInHalo
from remediation.tickets.lease import Busy
from stand_ins.insightvm_console import Console


def rows() -> list[int]:
    """How many rows there are of everything."""
    tables = (models.Source, models.SnapshotRecord, models.Finding, models.Asset, models.Connection, models.Project)
    return [table.objects.count() for table in (*tables, models.Observation, models.Ticket, models.Plan)]


def refused(line: Any, *words: str, says: str) -> None:
    before = rows()
    ended = line(*words)
    assert (ended.code, ended.out) == (4, ""), ended
    assert says in ended.err
    assert rows() == before


@pytest.mark.parametrize("empty", ["", "\n"])
def test_an_empty_report(line: Any, empty: str) -> None:
    refused(line, "import", line.file("empty.csv", empty), "--source", "weekly", says="holds nothing")


def test_a_report_without_rows(line: Any) -> None:
    refused(line, "import", line.report("none.csv"), "--source", "weekly", says="no asset at all")


def test_a_cut_file(line: Any) -> None:
    whole = Path(line.report("whole.csv", "1 v1 s1", "2 v1 s1")).read_text("utf-8")
    cut = line.file("cut.csv", whole[:-20])
    refused(line, "import", cut, "--source", "weekly", says="middle of a line")


def test_a_wrong_header(line: Any) -> None:
    file = line.file("x.csv", "host,secret finding\n1,2\n")
    refused(line, "import", file, "--source", "weekly", says="lacks a column that names the vulnerability")
    assert "secret finding" not in line("import", str(line.folder / "x.csv"), "--source", "weekly").err


def test_a_cell_that_is_no_time_is_not_quoted(line: Any) -> None:
    whole = Path(line.report("whole.csv", "1 v1 s1")).read_text("utf-8")
    broken = line.file("broken.csv", whole.replace("2026-11-20 01:00:00", "the text of a finding"))
    ended = line("import", broken, "--source", "weekly")
    assert ended.code == 4 and "the text" not in ended.err and not models.Source.objects.exists()


def test_no_file(line: Any) -> None:
    refused(line, "import", str(line.folder / "nowhere.csv"), "--source", "weekly", says="nowhere.csv")


def test_shrunk_coverage_until_it_is_accepted(line: Any) -> None:
    all_of_it = ("--source", "weekly", "--coverage", "devices")
    line("import", line.report("a.csv", *(f"{number} v1 s1" for number in range(9))), *all_of_it)
    less = line.report("b.csv", "1 v1 s1", day=21)
    refused(line, "import", less, *all_of_it, says="coverage shrank from 9 assets to 1")
    assert line("import", less, *all_of_it, "--accept-coverage").code == 0


def test_unknown_names(line: Any, halo: HaloEmulator) -> None:
    refused(line, "plan", "nowhere", says="There is no project named 'nowhere'. There are: none.")
    refused(line, "apply", "nowhere", says="There are: none.")
    refused(line, "source", "read", "nowhere", says="There is no source named 'nowhere'")
    line.project("1 v1 s1")
    refused(line, "plan", "P", says="There are: p.")
    refused(line, "source", "read", "weekly", says="remediation import FILE")
    refused(line, "project", "create", "p", "--connection", "halo", says="already")
    refused(line, "project", "create", "q", "--connection", "nowhere", says="There are: halo.")


def test_a_missing_variable(line: Any, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HALO_CLIENT_SECRET")
    refused(line, "connect", "halo", says="not set: HALO_CLIENT_SECRET.")


def test_a_wrong_secret_of_halo(line: Any, halo: HaloEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALO_CLIENT_SECRET", "not-the-secret-of-this-test")
    refused(line, "connect", "halo", says="Client")
    assert "not-the-secret" not in line("connect", "halo").err


def test_mappings_that_cannot_be_used(line: Any, halo: HaloEmulator) -> None:
    refused(line, "connect", "halo", "--status", "Remediated", says="OURS=THEIRS")
    refused(line, "connect", "halo", "--status", "Done=Closed", says="There are: Not Started")
    refused(line, "connect", "halo", "--status", "Remediated=Fixed", says="It has: Action Required")


def test_settings_that_cannot_be_used(line: Any, halo: HaloEmulator) -> None:
    line.project("1 v1 s1")
    for text, says in (
        ("owner = ", "no TOML"),
        ("ovner = 1", "There is no setting 'ovner'"),
        ('min_severity = "bad"', "There is no severity 'bad'"),
        ('granularity = "bad"', "bad"),
        ('child_summary = "$SOL_NAM"', "$SOL_NAME"),
        ('due = "tomorrow"', "tomorrow"),
        ('rules = [{agnet = "x"}]', "agnet"),
        ("rules = [1]", "settings"),
    ):
        file = line.file("s.toml", text)
        refused(line, "project", "set", "p", "--settings", file, says=says)
        refused(line, "project", "create", "q", "--connection", "halo", "--settings", file, says=says)
    refused(line, "project", "set", "p", "--settings", "/nowhere.toml", says="cannot be read")
    for words, says in (
        ((), "Say what is to change"),
        (("--source", "nowhere"), "There are: weekly."),
        (("--connection", "nowhere"), "There are: halo."),
    ):
        refused(line, "project", "set", "p", *words, says=says)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "it is empty"),
        (" \t", "it is empty"),
        (" p", "begins or ends with a blank"),
        ("x" * 201, "it has 201 characters, and 200 are the most"),
        ("é" * 5000, "it has 5000 characters"),
        ("a\nb", "cannot be printed"),
        ("a\udcff", "cannot be printed"),
    ],
)
def test_names_that_are_none(line: Any, halo: HaloEmulator, name: str, says: str) -> None:
    line.project("1 v1 s1")
    secret, report = line.file("secret", "x"), line.report("again.csv", "1 v1 s1", day=21)
    console = ("--kind", "insightvm", "--url", "https://x", "--user", "u", "--password-file", secret)
    refused(line, "project", "create", name, "--connection", "halo", says=says)
    refused(line, "connect", name, says=says)
    refused(line, "source", "add", name, *console, says=says)
    refused(line, "import", report, "--source", name, says=says)


def test_slugs_of_like_and_long_names_are_free_and_short(line: Any, halo: HaloEmulator) -> None:
    line.project("1 v1 s1")
    names = ["web", "web-3", "Web!", "Web?", "web 3", "日本", "---", "y" * 200, "y" * 199]
    for name in names:
        assert line("project", "create", "--connection", "halo", "--", name).code == 0, name
    assert list(models.Project.objects.order_by("pk").values_list("slug", flat=True)) == [
        *("p", "web", "web-3", "web-2", "web-4", "web-3-2", "project", "project-2"),
        *("y" * 60, "y" * 60 + "-2"),
    ]


def test_a_project_names_its_source_where_there_are_several(line: Any, halo: HaloEmulator) -> None:
    line("connect", "halo")
    refused(line, "project", "create", "p", "--connection", "halo", says="none yet")
    for name in ("one", "two"):
        line("import", line.report(f"{name}.csv", "1 v1 s1"), "--source", name)
    refused(line, "project", "create", "p", "--connection", "halo", says="There are: one, two.")


def test_a_password_file_that_cannot_be_used(line: Any) -> None:
    words = ("source", "add", "c", "--kind", "insightvm", "--url", "https://x", "--user", "u", "--password-file")
    refused(line, *words, "/nowhere", says="cannot be read")
    refused(line, *words, line.file("empty", "\n"), says="is empty")


def test_a_console_that_refuses_the_password(line: Any, database: str) -> None:
    with Console(database) as console:
        console.polls_until_ready = 0
        console.seed_demo()
        words = ("--kind", "insightvm", "--url", console.url, "--user", console.user, "--password-file")
        line("source", "add", "c", *words, line.file("wrong", "wrong-password-of-this-test"))
        refused(line, "source", "read", "c", says="refuses the user or the password")
        assert "wrong-password" not in line("source", "read", "c").err
        line("source", "add", "c", *words, line.file("right", console.password))
        read = line("source", "read", "c", "--json")
        assert read.code == 0
        assert set(read.json) == {
            *("snapshot", "rows", "findings", "instances", "assets", "vulnerabilities", "cves"),
            *("severities", "errors", "unchanged"),
        }
        assert line("run", "--json").json["sources"]["c"]["unchanged"]


def test_exit_codes_are_by_class(store: str) -> None:
    class Wrapped(errors.NotUnderstood):
        """A kind that the command line has never heard of."""

    for error, code in (
        (Wrapped("What.", "Do."), 4),
        (errors.WrongCredentials("What.", "Do."), 4),
        (errors.CertificateRefused("What.", "Do."), 4),
        (errors.ReportFailed("What.", "Do."), 4),
        (errors.Unreachable("What.", "Do."), 1),
        (errors.SourceBusy("What.", "Do."), 1),
        (Suspicious("What. Do."), 4),
        (Refused("What. Do."), 4),
        (NotInHalo("What. Do."), 4),
        (Busy("What. Do."), 3),
        (HaloAway("What. Do."), 3),
    ):
        assert cli.told(error) == ("What. Do.", code), error


def test_of_an_unexpected_error_only_kind_and_place_are_told() -> None:
    try:
        raise LookupError("the text of a finding and a secret")
    except LookupError as error:
        text, code = cli.told(error)
    assert code == 1 and "LookupError" in text and Path(__file__).name in text and "finding" not in text


SOURCE = ("source", "add", "c", "--url", "https://x", "--user", "u", "--password-file", "p")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("project", "create", "p", "--connection", "halo", "--min-severity", "bad"), "'high'"),
        (("project", "set", "p", "--granularity", "bad"), "'solution-owner'"),
        ((*SOURCE, "--kind", "nessus"), "'insightvm'"),
        (("import", "a.csv", "--source", "weekly", "--kind", "excel"), "'insightvm-report'"),
        (("import", "a.csv", "--source", "weekly", "--only-severity", "bad"), "'critical'"),
        (("import", "a.csv", "--source", "weekly", "--coverage", "all"), "'listed'"),
    ],
)
def test_a_value_that_an_option_does_not_have(line: Any, words: tuple[str, ...], says: str) -> None:
    ended = line(*words)
    assert (ended.code, ended.out) == (2, "") and says in ended.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--ticket-type", "Vulnerabilty"), "no tickettype named 'Vulnerabilty', or more than one. It has: "),
        (("--ticket-type", "Incident", "--parent-type", "Projct"), "no tickettype named 'Projct'"),
        (("--closing-agent", "Nobody"), "no agent named 'Nobody'"),
        (("--client", "Nowhere"), "no client named 'Nowhere'"),
    ],
)
def test_a_connection_that_names_what_halo_does_not_have(
    line: Any, halo: HaloEmulator, words: tuple[str, ...], says: str
) -> None:
    refused(line, "connect", "halo", *words, says=says)
