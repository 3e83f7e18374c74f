"""The commands of investigations, from an organisation that is added to a ticket that somebody asks for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from halo_emulator import HaloEmulator
from remediation.store import models
from stand_ins.insightidr import Idr

from .conftest import Line


@pytest.fixture
def idr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Idr]:
    with Idr() as running:
        monkeypatch.setenv("INSIGHTIDR_API_KEY", running.api_key)
        yield running


def test_from_an_organisation_to_a_ticket(line: Line, halo: HaloEmulator, idr: Idr) -> None:
    rrn, low = idr.investigate("Odd sign-in", priority="HIGH"), idr.investigate("Noise", priority="LOW")
    assert line("connect", "halo", "--ticket-type", "Incident").code == 0
    how = line.file("how.toml", 'comments_back = true\n[rule]\npriorities = ["HIGH"]\n')
    added = line("investigations", "add", "soc", "--connection", "halo", "--url", idr.url, "--settings", how)
    assert added.code == 0 and "paused" in added.out and idr.api_key not in added.out + added.err
    planned = line("plan", "Investigations of soc", "--json")
    assert [step["kind"] for step in planned.json["steps"]] == ["create"] and len(halo.tickets) == 6
    assert line("apply", "Investigations of soc").code == 0
    assert idr.comments(rrn)[0].body.startswith("[HaloITSM #") and not idr.comments(low)
    assert line("investigations", "ticket", low).code == 0
    assert line("apply", "Investigations of soc").code == 0
    listed = line("investigations", "list", "--json").json["investigations"]
    assert {one["rrn"] for one in listed if one["ticket"]} == {rrn, low}
    assert line("investigations", "decide", rrn, "--disposition", "BENIGN").code == 0
    assert models.Investigation.objects.get(rrn=rrn).disposition_chosen == "BENIGN"
    assert "Noise" not in line("status").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "soc", "--url", "{url}"], "Choose the HaloITSM connection"),
        (["add", "soc", "--connection", "halo"], "Give the region"),
        (["add", "soc", "--connection", "halo", "--region", "mars"], "us2"),
        (["add", "soc", "--connection", "nobody", "--url", "{url}"], "There are: halo"),
        (["ticket", "rrn:nobody"], "No investigation has the RRN"),
        (["decide", "rrn:nobody"], "Give --side or --disposition"),
    ],
)
def test_what_cannot_be_is_refused(line: Line, halo: HaloEmulator, idr: Idr, words: list[str], said: str) -> None:
    assert line("connect", "halo").code == 0
    ended = line("investigations", *(word.format(url=idr.url) for word in words))
    assert ended.code == 4 and said in ended.err


def test_a_key_that_is_refused_stores_nothing(
    line: Line, halo: HaloEmulator, idr: Idr, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert line("connect", "halo").code == 0
    monkeypatch.setenv("INSIGHTIDR_API_KEY", "wrong")
    ended = line("investigations", "add", "soc", "--connection", "halo", "--url", idr.url)
    assert ended.code == 1 and "refuses the API key" in ended.err and "wrong" not in ended.err
    assert not models.InvestigationSource.objects.exists()
