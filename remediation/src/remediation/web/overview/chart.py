"""The chart of open findings over time, as an image. The page has the same numbers as a table."""

from __future__ import annotations

from typing import Any

import pygal  # type: ignore[import-untyped]
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from pygal.style import Style  # type: ignore[import-untyped]

from ...domain.snapshot import SEVERITIES
from ..roles import VIEWER, needs
from .figures import days


def _style(text: str, faint: str, *colors: str) -> Style:
    return Style(
        background="transparent",
        plot_background="transparent",
        foreground=text,
        foreground_strong=text,
        foreground_subtle=faint,
        opacity=".75",
        colors=colors,
    )


# As in static/style.css.
LIGHT = _style("#1c2128", "#57606a", "#8b1a8b", "#b42318", "#8a5300", "#0b57d0", "#57606a")
DARK = _style("#e6edf3", "#9da7b3", "#f0a0ff", "#ff7b72", "#e3b341", "#79b8ff", "#9da7b3")


def look(request: HttpRequest) -> dict[str, Any]:
    """What all charts have in common; ``?dark=1`` asks for one on a dark page."""
    return {
        "style": DARK if request.GET.get("dark") else LIGHT,
        "js": [],
        "width": 900,
        "height": 320,
        "show_y_guides": True,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": 5,
        "disable_xml_declaration": True,
        "no_prefix": True,
    }


@needs(VIEWER)
@require_safe
def chart(request: HttpRequest) -> HttpResponse:
    """The image; with ``?dark=1`` for a dark page."""
    counted = days()
    drawn = pygal.StackedBar(**look(request), x_label_rotation=30)
    drawn.x_labels = [day.isoformat() for day, _ in counted]
    for name in SEVERITIES:
        if any(counts[name] for _, counts in counted):
            drawn.add(name.capitalize(), [counts[name] for _, counts in counted])
    return HttpResponse(drawn.render(), content_type="image/svg+xml")
