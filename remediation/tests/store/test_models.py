"""The tables as Django makes them on an empty database, and what they refuse."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from remediation.domain.ledger import LEDGER
from remediation.store import models


@pytest.fixture
def project(store: str) -> models.Project:
    source = models.Source.objects.create(name="console", kind="insightvm")
    halo = models.Connection.objects.create(name="halo", settings={"tenant": "acme"})
    return models.Project.objects.create(name="Patch the DMZ", slug="patch-the-dmz", connection=halo, source=source)


def ticket(project: models.Project, reference: str = "r", **fields: Any) -> models.Ticket:
    return models.Ticket.objects.create(project=project, key="patch", reference=reference, **fields)


def test_migrations_apply_on_an_empty_database_and_can_be_taken_back(empty_store: str) -> None:
    call_command("migrate", verbosity=0, interactive=False)

    def tables() -> set[str]:
        return {name for name in connection.introspection.table_names() if name.startswith("store_")}

    assert tables() == {
        model._meta.db_table for model in apps.get_app_config("store").get_models(include_auto_created=True)
    }
    call_command("migrate", "store", "zero", verbosity=0, interactive=False)
    assert tables() == set()


def migrate(name: str) -> None:
    call_command("migrate", "store", name, verbosity=0, interactive=False)


def rows(query: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def test_what_is_searched_and_ranked_survives_its_migration_and_its_way_back(empty_store: str) -> None:
    def ranks() -> Any:
        return rows("SELECT vulnerability, rank, graded_rank FROM store_vulnerability ORDER BY vulnerability")

    migrate("0031_ticket_templates")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO store_vulnerability (source_id, vulnerability, title, severity, graded, cves)"
            " VALUES (7, 'a', 'A flaw', 'high', NULL, '{CVE-2026-1}'), (7, 'b', NULL, 'low', 'critical', '{}'),"
            " (7, 'c', NULL, 'odd', 'none', '{}')"
        )
    before = ranks()
    assert before == [("a", 3, 3), ("b", 1, 4), ("c", 0, 0)]
    migrate("0032_cheaper_vulnerabilities")
    assert ranks() == before
    searched = rows("SELECT vulnerability, title, cves FROM store_searchedvulnerability ORDER BY vulnerability")
    assert searched == [("a", "A flaw", ["CVE-2026-1"]), ("b", None, []), ("c", None, [])]
    migrate("0031_ticket_templates")
    assert ranks() == before
    assert {"vulnerability_by_rank", "vulnerability_in_kev", "vulnerability_by_graded", "vulnerability_words"} <= {
        name for (name,) in rows("SELECT indexname FROM pg_indexes WHERE tablename = 'store_vulnerability'")
    }


def test_what_the_feeds_told_survives_its_migration_and_its_way_back(empty_store: str) -> None:
    def told(columns: str) -> Any:
        return rows(f"SELECT vulnerability, {columns} ORDER BY 1")

    columns = "kev, kev_due, kev_ransomware, feed_epss"
    migrate("0032_cheaper_vulnerabilities")
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO store_vulnerability (source_id, vulnerability, epss, {columns})"
            " VALUES (7, 'a', 0.5, true, '2026-12-01', true, 0.9), (7, 'b', NULL, false, NULL, false, 0.25),"
            " (7, 'c', NULL, false, NULL, false, NULL)"
        )
    before = told(f"{columns} FROM store_vulnerability")
    migrate("0033_enrichment_apart")
    its = "FROM store_vulnerability JOIN store_enrichment ON vulnerability_id = id"
    assert told(f"{columns} {its}") == before
    assert told(f"known_epss {its}") == [("a", 0.5), ("b", 0.25), ("c", None)]
    migrate("0032_cheaper_vulnerabilities")
    assert told(f"{columns} FROM store_vulnerability") == before


def test_observations_keep_their_order_through_their_migration_and_its_way_back(empty_store: str) -> None:
    def observed(number: str) -> Any:
        return rows(f"SELECT asset, snapshot_id, kind FROM store_observation ORDER BY {number}")

    migrate("0034_words_put_in_together")
    write = "INSERT INTO store_observation (source_id, asset, vulnerability, snapshot_id, kind, detail{}) VALUES "
    with connection.cursor() as cursor:
        cursor.execute(write.format("") + "(7, 'b', 'v', 1, 'new', '{}'), (7, 'a', 'v', 1, 'new', '{}')")
        cursor.execute(write.format("") + "(7, 'b', 'v', 2, 'remediated', '{}')")
    before = observed("id")
    migrate("0035_observations_by_finding")
    assert observed("place") == before == [("b", 1, "new"), ("a", 1, "new"), ("b", 2, "remediated")]
    with connection.cursor() as cursor:
        cursor.execute(write.format(", place") + "(7, 'b', 'v', 3, 'rediscovered', '{}', 3 * 2::bigint ^ 32)")
    migrate("0034_words_put_in_together")
    with connection.cursor() as cursor:
        cursor.execute(write.format("") + "(7, 'b', 'v', 4, 'remediated', '{}')")
    assert observed("id") == [*before, ("b", 3, "rediscovered"), ("b", 4, "remediated")]


def test_a_solution_gets_the_vulnerabilities_of_its_findings(empty_store: str) -> None:
    migrate("0035_observations_by_finding")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO store_solution (source_id, solution) VALUES (7, 'patch'), (7, 'other'), (8, 'patch')"
        )
        cursor.execute(
            "INSERT INTO store_finding (source_id, asset, vulnerability, solution, state) VALUES (7, '1', 'b', 'patch', "
            "'open'), (7, '2', 'b', 'patch', 'open'), (7, '1', 'a', 'patch', 'remediated'), (7, '1', 'c', NULL, 'open')"
        )
    migrate("0036_vulnerabilities_of_solutions")
    found = rows("SELECT source_id, solution, vulnerabilities FROM store_solution ORDER BY 1, 2")
    assert found == [(7, "other", []), (7, "patch", ["a", "b"]), (8, "patch", [])]
    migrate("0035_observations_by_finding")


def test_a_rank_follows_whatever_writes_a_severity(store: str) -> None:
    source = models.Source.objects.create(name="console", kind="insightvm")
    row = models.Vulnerability.objects.create(source=source, vulnerability="a", severity="high", rank=0)
    written = models.Vulnerability.objects.filter(pk=row.pk)
    assert written.values_list("rank", "graded_rank").get() == (3, 3)
    written.update(graded="low")
    assert written.values_list("rank", "graded_rank").get() == (3, 1)
    written.update(severity="critical", graded=None)
    assert written.values_list("rank", "graded_rank").get() == (4, 4)


def test_migrations_are_what_the_models_say(store: str) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_nothing_is_wrong_by_django(store: str) -> None:
    call_command("check", fail_level="WARNING", databases=["default"])


def test_the_ledger_has_the_domains_columns() -> None:
    columns = {field.column for field in models.Finding._meta.local_concrete_fields}
    assert columns == {"source_id", *LEDGER}


def test_keys_are_ordered_by_their_bytes(store: str) -> None:
    with psycopg.connect(store) as raw:
        rows = raw.execute(
            "SELECT DISTINCT c.collname FROM pg_attribute a JOIN pg_collation c ON c.oid = a.attcollation "
            "WHERE a.attrelid = 'store_finding'::regclass AND a.attname IN ('asset', 'vulnerability', 'solution')"
        ).fetchall()
    assert rows == [("C",)]


def test_a_reference_belongs_to_one_ticket(project: models.Project) -> None:
    ticket(project)
    with pytest.raises(IntegrityError, match="reference"), transaction.atomic():
        ticket(project, generation=2)
    with pytest.raises(IntegrityError, match="ticket_once"), transaction.atomic():
        ticket(project, reference="other")
    ticket(project, reference="other", generation=2)


def test_projects_do_not_share_the_slug_of_their_references(project: models.Project) -> None:
    with pytest.raises(IntegrityError, match="slug"), transaction.atomic():
        models.Project.objects.create(name="Patch the DMZ!", slug=project.slug, connection=project.connection)


def test_a_new_ticket_and_a_new_step_know_nothing_yet(project: models.Project) -> None:
    made = ticket(project)
    assert (made.halo_id, made.status, made.agreed_status, made.settled, made.note) == (None, "", "", False, {})
    plan = models.Plan.objects.create(project=project)
    step = models.Step.objects.create(plan=plan, position=0, key="patch/1/create", kind="create", reason="new")
    assert (step.state, step.result, plan.held, plan.approved_at) == ("planned", {}, False, None)
    entry = models.Journal.objects.create(step=step, ticket=made, event="about", reference=made.reference)
    assert list(step.journal.all()) == list(made.journal.all()) == [entry]


def test_steps_come_in_their_order(project: models.Project) -> None:
    plan = models.Plan.objects.create(project=project)
    for position in (2, 0, 1):
        models.Step.objects.create(plan=plan, position=position, key=str(position), kind="comment", reason="")
    assert [step.position for step in plan.steps.all()] == [0, 1, 2]


def test_what_something_depends_on_cannot_be_deleted(project: models.Project) -> None:
    assert project.source is not None
    models.Finding.objects.create(source=project.source, asset="1", vulnerability="cve-1", state="open")
    for row in (project.source, project.connection):
        with pytest.raises(ProtectedError):
            row.delete()
    made = ticket(project)
    models.Journal.objects.create(ticket=made, event="done")
    for row in (project, made):
        with pytest.raises(ProtectedError):
            row.delete()
