"""What a new ticket is made with: custom fields, and whose it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from remediation.domain.plan import Kind, Plan
from remediation.domain.planning import plan as plan_of
from remediation.store import models
from remediation.tickets.instance import NotInHalo


def custom(monkeypatch: pytest.MonkeyPatch, **fields: str) -> None:
    """Each create of a plan has custom fields."""

    def planned(world: Any) -> Plan:
        made = plan_of(world)
        steps = [
            (
                replace(step, body={**step.body, "customfields": fields})
                if step.kind in (Kind.CREATE, Kind.CREATE_PARENT)
                else step
            )
            for step in made.steps
        ]
        return replace(made, steps=tuple(steps))

    monkeypatch.setattr("remediation.tickets.run.plan_of", planned)


def shown(scene: Any, key: str) -> dict[str, str]:
    return {row["name"]: row["value"] for row in scene.ticket(key)["customfields"]}


def test_custom_fields_by_name_and_by_id(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    custom(monkeypatch, **{"CFRiskScore": "812", "202": "a1, a2", "cfinsightreference": ""})
    scene.scan("a1 v1 s1")
    _, outcome = scene.run().apply()
    assert not outcome.failed
    for key in ("project", "s1"):
        assert shown(scene, key) == {"CFRiskScore": "812", "CFAffectedAssets": "a1, a2"}
    assert not [row.result for row in models.Step.objects.all() if "warning" in row.result]
    assert not [line for line in scene.said if "WARNING" in line]


def test_a_custom_field_satisfies_the_type(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.halo.mandatory_fields[21] = {"CFRiskScore"}
    custom(monkeypatch, CFRiskScore="812")
    scene.scan("a1 v1 s1")
    _, outcome = scene.run().apply()
    assert not outcome.failed and shown(scene, "s1") == {"CFRiskScore": "812"}


def test_a_field_that_halo_dropped_is_named_and_its_ticket_is_not_made_again(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    custom(monkeypatch, **{"CFRiskScore": "812", "CFtopcve": "CVE-2026-1", "999": "x"})
    scene.scan("a1 v1 s1")
    _, outcome = scene.run().apply()
    assert len(outcome.done) == 2 and not outcome.failed and not outcome.waiting
    for row in models.Step.objects.all():
        assert row.state == "done"
        assert row.result["warning"].endswith("custom fields: CFtopcve, 999")
    assert len([line for line in scene.said if "WARNING" in line and "CFtopcve" in line]) == 2
    assert shown(scene, "s1") == {"CFRiskScore": "812"}
    plan, _ = scene.run().apply()
    assert not plan.steps and len(scene.tickets()["s1"]) == 1


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"client": "northwind clinics"}, {"client_id": 12}),
        ({"site": "Northwind Lab"}, {"client_id": 12, "site_id": 19}),
        ({"client": "Northwind Clinics", "site": "Northwind Lab"}, {"client_id": 12, "site_id": 19}),
        ({"requester": "Samir Haddad"}, {"client_id": 12, "site_id": 19, "user_id": 53}),
        ({"requester": "jo.lindqvist@harbour.example"}, {"client_id": 13, "site_id": 20, "user_id": 54}),
        (
            {"client": "Northwind Clinics", "requester": "Alice Brandt"},
            {"client_id": 12, "site_id": 18, "user_id": 52},
        ),
    ],
    ids=str,
)
def test_whose_a_ticket_is(scene: Any, options: dict[str, str], place: dict[str, int]) -> None:
    scene.options(**options)
    scene.scan("a1 v1 s1")
    scene.run().apply()
    sent = [request.body[0] for request in scene.halo.requests if request.method == "POST" and "ickets" in request.path]
    for body in sent:
        assert {name: body[name] for name in ("client_id", "site_id", "user_id") if name in body} == place
    assert len(sent) == 2
    for key in ("project", "s1"):
        assert {name: scene.ticket(key)[name] for name in place} == place
    assert len([path for path in scene.lists() if path.endswith(("Client", "Site", "Users"))]) == len(options)


def test_a_name_that_is_gone_keeps_the_creates_waiting_and_holds_nothing_else_up(scene: Any) -> None:
    scene.scan("a1 v1 s1")
    scene.run().apply()
    scene.options(client="Northwind")
    scene.later(days=1)
    scene.scan("a2 v2 s2")
    _, outcome = scene.run().apply()
    (reason,) = outcome.waiting.values()
    assert not outcome.failed
    assert "no client named 'Northwind'" in reason and "Northwind Clinics" in reason
    assert scene.status("s1") == "Remediated" and "s2" not in scene.tickets()


def test_names_that_do_not_fit_together_or_are_not_one(scene: Any) -> None:
    halo = scene.halo.lists
    halo.users.append({**halo.users[1], "id": 90, "emailaddress": "other@northwind.example"})
    halo.clients += [{"id": 500 + number, "name": f"Client {number:02d}"} for number in range(30)]

    def refused(**options: str) -> str:
        scene.options(**{"client": "", "site": "", "requester": "", **options})
        with pytest.raises(NotInHalo) as error:
            scene.run()._instance.place()
        return str(error.value)

    assert "2 users named 'Alice Brandt'" in refused(requester="Alice Brandt")
    there = refused(client="Harbour Logistics", site="Northwind Lab")
    assert (
        "no site named 'Northwind Lab' there" in there and "Harbour Dock 4" in there and "Northwind Main" not in there
    )
    many = refused(client="None of them")
    assert "Client 01" in many and "and 13 more or above" in many and "Client 29" not in many
