"""The command ``device register``."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from remediation.store import models

REGISTER = "Computer;Alias;Team\nhost1.corp.example;host2;Web\nnever;;=1+1\n"


@pytest.fixture
def one(line: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert line("import", line.report("a.csv", "1 v1 s1", "2 v2 s2"), "--source", "weekly").code == 0
    return line


def test_a_register_is_shown_and_taken_in(one: Any) -> None:
    file = one.file("register.csv", REGISTER)
    shown = one("device", "register", file, "--preview")
    assert shown.code == 0 and "2 new: host1.corp.example, never" in shown.out and "Nothing was changed." in shown.out
    assert "weekly:2 goes from host2.corp.example to host1.corp.example" in shown.out
    for more in ((), ("--json",)):
        refused = one("device", "register", file, *more)
        assert refused.code == 4 and "Say --yes" in refused.err
    assert not models.RegisteredDevice.objects.exists() and models.Device.objects.count() == 2
    taken = one("device", "register", file, "--yes", "--json")
    assert taken.code == 0 and taken.json["taken"] is True and taken.json["new"] == ["host1.corp.example", "never"]
    assert taken.json["columns"] == {"name": "Computer", "aliases": "Alias", "owner": "Team"}
    device = models.Device.objects.get()
    assert device.name == "host1.corp.example" and device.registered.get().owner == "Web"
    assert models.AuditEntry.objects.get(what="register taken in").of == "register.csv"
    again = one("device", "register", file, "--yes")
    assert again.code == 0 and again.out == "The register holds the same already. Nothing was changed.\n"
    assert models.AuditEntry.objects.filter(what="register taken in").count() == 1
    part = one("device", "register", one.file("part.csv", "Computer,Team\nnew1,x\n"), "--keep", "--yes")
    assert "1 new: new1" in part.out and "0 gone" in part.out and models.RegisteredDevice.objects.count() == 3


def test_what_cannot_be_used_is_refused(one: Any) -> None:
    wrong = one.file("wrong.csv", "Computer,IP\na,1.2.3\n")
    cases: tuple[tuple[tuple[str, ...], str], ...] = (
        ((wrong,), "line 2, an address is none"),
        ((wrong, "--column", "x=IP"), "not of the form FIELD=COLUMN"),
        ((wrong, "--column", "addresses=Z"), "no column 'Z'"),
        ((str(one.folder / "nowhere.csv"),), "There is no file"),
    )
    for words, says in cases:
        ended = one("device", "register", *words, "--yes")
        assert ended.code in (1, 4) and says in ended.err, words
    assert not models.RegisteredDevice.objects.exists()
    chosen = one("device", "register", wrong, "--column", "name=Computer", "--column", "addresses=IP", "--yes")
    assert chosen.code != 0
