"""What remedies are called."""

from __future__ import annotations

from . import models


def called(row: models.Remedy) -> str:
    """The solution's name, else that of the vulnerability that stands for it, else its key."""
    solution = models.Solution.objects.filter(source=row.source_id, solution=row.remedy).first()
    if solution:
        return solution.name or row.remedy
    known = models.Vulnerability.objects.filter(source=row.source_id, vulnerability=row.remedy).first()
    return (known.title if known else "") or row.remedy
