"""Grades in the store: the same as the formula's in Python, beside the scanner's, and never without a formula."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from itertools import product

import pytest
from django.db import connection

from remediation.domain.grading import Facts, Formula, grade
from remediation.domain.snapshot import SEVERITIES
from remediation.store import models
from remediation.store.cves import tell_all_vulnerabilities
from remediation.store.grading import explained, formula, grade_vulnerabilities, preview
from remediation.store.intake import take_in

from .scans import scan, tell

DAY = datetime(2026, 11, 20, tzinfo=timezone.utc)


@pytest.fixture
def source(store: str) -> models.Source:
    """400 vulnerabilities with all kinds of facts, half of them on an asset that is critical."""
    rng = random.Random(7)
    row = models.Source.objects.create(name="console", kind="insightvm")
    names = [f"{SEVERITIES[number % 5]}-{number}" for number in range(400)]
    take_in(row, scan({"vital": names[::2], "web": names[1::2]}, DAY))
    models.Asset.objects.filter(asset="vital").update(criticality_tags=["other", " VERY high"])
    for one in models.Vulnerability.objects.all():
        for name in ("vpr", "cvss"):
            setattr(one, name, rng.choice([None, 0.0, 3.9, 4.0, 6.9, 7.0, 8.9, 9.0, 10.0, round(rng.random() * 10, 1)]))
        one.exploits = rng.choice([None, 0, 2])
        if one.vulnerability.endswith("9"):
            one.severity = None
        one.save()
        epss, feed = (rng.choice([None, 0.0, 0.5, 0.4999, rng.random()]) for _ in range(2))
        tell(one.vulnerability, epss=epss, feed_epss=feed, kev=rng.random() < 0.3)
    return row


def use(known: Formula, *, on: bool = True) -> None:
    models.Setting.objects.update_or_create(name="grading", defaults={"value": {"on": on, "formula": known.to_table()}})


FORMULAS = [Formula(), Formula(kev=0.3, epss=0.1, exploit=0.7, criticality=0.0, most=0.9, critical=8.1, high=6.1)]


def expected(known: Formula, row: models.Vulnerability) -> str:
    feeds = row.enrichment
    epss = feeds.feed_epss if row.epss is None else row.epss
    is_on = known.criticality > 0 and int(row.vulnerability.split("-")[1]) % 2 == 0
    return grade(known, Facts(row.severity, row.vpr, row.cvss, epss, feeds.kev, bool(row.exploits), is_on)).severity


@pytest.mark.parametrize("known", FORMULAS)
def test_sql_grades_as_the_formula_does_and_leaves_the_scanners_word(source: models.Source, known: Formula) -> None:
    before = set(models.Vulnerability.objects.values_list("pk", "severity", "rank", "cvss", "vpr"))
    use(known)
    assert grade_vulnerabilities(source.pk) == 400 and grade_vulnerabilities(source.pk) == 0
    rows = list(models.Vulnerability.objects.all())
    assert {row.pk: row.graded for row in rows} == {row.pk: expected(known, row) for row in rows}
    assert all(row.graded_rank == 4 - SEVERITIES.index(row.graded or "") for row in rows)
    assert all(f"graded: {row.graded}, because" in explained(row) for row in rows)
    assert set(models.Vulnerability.objects.values_list("pk", "severity", "rank", "cvss", "vpr")) == before


def test_a_preview_counts_what_the_grading_then_does_and_writes_nothing(source: models.Source) -> None:
    found = preview(FORMULAS[0])
    assert formula() is None and not models.Vulnerability.objects.exclude(graded=None).exists()
    use(FORMULAS[0])
    grade_vulnerabilities(source.pk)
    with connection.cursor() as cursor:
        for scanner, graded in product(SEVERITIES, SEVERITIES):
            cursor.execute(
                "SELECT count(*) FROM store_vulnerability WHERE alive > 0 AND coalesce(severity, 'none') = %s"
                " AND graded = %s",
                [scanner, graded],
            )
            assert found.matrix[scanner][graded] == cursor.fetchone()[0], (scanner, graded)
        cursor.execute("SELECT count(*) FROM store_vulnerability WHERE coalesce(severity, 'none') <> graded")
        assert found.differing == cursor.fetchone()[0] and found.all == 400
    assert len(found.changed) == min(100, found.differing)
    by_number = dict(models.Vulnerability.objects.values_list("pk", "graded"))
    assert all(one.graded == by_number[one.number] != one.scanner for one in found.changed)


def test_it_is_off_by_default_and_forgotten_when_it_is_turned_off(source: models.Source) -> None:
    tell_all_vulnerabilities()
    assert not models.Vulnerability.objects.exclude(graded=None).exists()
    # As the scanner says, for who orders by it.
    assert all(row.graded_rank == row.rank for row in models.Vulnerability.objects.all())
    use(Formula())
    tell_all_vulnerabilities()
    assert not models.Vulnerability.objects.filter(graded=None).exists()
    use(Formula(), on=False)
    tell_all_vulnerabilities()
    assert not models.Vulnerability.objects.exclude(graded=None, on_critical=False).exists()
    assert explained(models.Vulnerability.objects.all()[0]) == ""


def test_a_reading_grades_what_it_brings(store: str) -> None:
    use(Formula())
    row = models.Source.objects.create(name="console", kind="insightvm")
    take_in(row, scan({"web": ["high-1"]}, DAY))
    assert models.Vulnerability.objects.get().graded == "high"
