"""Makes projects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from ..domain.project import Settings
from . import models
from .slugs import free_slug

# The key of a connection's settings that holds what its new projects begin with: a part of ``Settings.to_table``.
DEFAULTS = "new_projects"
# Of these, what one severity has is set without the others.
_BY_SEVERITY = ("due_days", "priorities")


class NotMade(Exception):
    """A project was not made. The text says why."""


def new_project(
    name: str,
    connection: models.Connection,
    source: models.Source | None,
    settings: Mapping[str, Any],
    *,
    paused: bool = False,
) -> models.Project:
    """A project that is not stored yet, after all others in their order.

    ``settings`` are a part of ``Settings.to_table``; what they leave out is as the connection has it for new projects.
    A paused one is planned when somebody asks for it, and not run. Raises NotMade, and ValueError for settings that
    cannot be used.
    """
    whole = Settings.from_table(with_defaults(connection, settings)).to_table()
    if models.Project.objects.filter(name=name).exists():
        raise NotMade(f"There is a project named {name!r} already.")
    highest = models.Project.objects.aggregate(highest=Max("position"))["highest"] or 0
    return models.Project(
        name=name,
        slug=free_slug(name),
        position=highest + 1,
        connection=connection,
        source=source,
        settings=whole,
        paused=paused,
    )


@contextmanager
def saved(project: models.Project) -> Iterator[None]:
    """In the block, a new project is stored. Raises NotMade where somebody makes one of its name at the same moment."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise NotMade(f"Another project was made at the same moment. Make {project.name!r} again.") from None


def create_project(
    name: str,
    connection: models.Connection,
    source: models.Source | None,
    settings: Mapping[str, Any],
    *,
    paused: bool = False,
) -> models.Project:
    """Make a project as ``new_project`` does, and store it. Raises NotMade and ValueError."""
    row = new_project(name, connection, source, settings, paused=paused)
    with saved(row):
        row.save()
    return row


def with_defaults(connection: models.Connection, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for a new project, as a part of ``Settings.to_table``: those given before those of the connection."""
    defaults: Mapping[str, Any] = connection.settings.get(DEFAULTS) or {}
    both = {name: {**defaults.get(name, {}), **settings.get(name, {})} for name in _BY_SEVERITY}
    return {**defaults, **settings, **{name: table for name, table in both.items() if table}}
