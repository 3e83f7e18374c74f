"""Makes projects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from . import models
from .slugs import free_slug


class NotMade(Exception):
    """A project was not made. The text says why."""


def create_project(
    name: str,
    connection: models.Connection,
    source: models.Source | None,
    settings: Mapping[str, Any],
    *,
    paused: bool = False,
) -> models.Project:
    """Make a project, after all others in their order. ``settings`` are those of ``Settings.to_table``.

    A paused one is planned when somebody asks for it, and not run. Raises NotMade.
    """
    if models.Project.objects.filter(name=name).exists():
        raise NotMade(f"There is a project named {name!r} already.")
    highest = models.Project.objects.aggregate(highest=Max("position"))["highest"] or 0
    row = models.Project(
        name=name,
        slug=free_slug(name),
        position=highest + 1,
        connection=connection,
        source=source,
        settings=dict(settings),
        paused=paused,
    )
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise NotMade(f"Another project was made at the same moment. Make {name!r} again.") from None
    return row
