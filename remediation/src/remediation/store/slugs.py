"""The short name of a project, for addresses of pages and references of tickets: lower case, digits, hyphens."""

from __future__ import annotations

from itertools import chain, count

from django.utils.text import slugify

from .models import Project

LONGEST = 60


def free_slug(name: str) -> str:
    """One that no project has, made from the name."""
    first = slugify(name)[:LONGEST].strip("-_") or "project"
    taken = set(Project.objects.filter(slug__startswith=first).values_list("slug", flat=True))
    return next(slug for slug in chain([first], (f"{first}-{number}" for number in count(2))) if slug not in taken)
