"""How values are shown, for all templates: ``{{ value|shown:"severity" }}`` and ``{{ time|moment }}``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django import template
from django.contrib.messages import get_messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ..domain.plan import Kind
from ..domain.snapshot import SEVERITIES
from ..sources.scanner import NAMES

register = template.Library()
NOTHING = "–"
# Of a long list in a cell, so many are shown.
FEW = 3
STEPS = {
    Kind.CREATE_PARENT.value: "Make the project's ticket",
    Kind.CREATE.value: "Make a ticket",
    Kind.COMMENT.value: "Comment",
    Kind.SET_STATUS.value: "Set the status",
    Kind.REOPEN.value: "Reopen",
    Kind.FOLLOW.value: "Follow another solution",
    Kind.ASSIGN.value: "Give it to an agent",
    Kind.COMMENT_INVESTIGATION.value: "Comment on the investigation",
    Kind.SET_INVESTIGATION.value: "Set the investigation's status",
    Kind.ASSIGN_INVESTIGATION.value: "Assign the investigation",
}
CURRENT = format_html(' aria-current="{}"', "page")


@register.filter
def moment(value: datetime | None) -> str:
    """A time in the reader's zone, to the minute."""
    if value is None:
        return NOTHING
    local = timezone.localtime(value)
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), local.strftime("%Y-%m-%d %H:%M"))


@register.filter
def severity(value: str | None) -> str:
    """A severity as a word with a mark of its own, not by colour alone."""
    word = value if value in SEVERITIES else SEVERITIES[-1]
    return format_html('<span class="severity {}">{}</span>', word, word.capitalize())


@register.filter
def step_kind(value: str) -> str:
    """What a step does, in words."""
    return STEPS.get(value, value)


@register.filter
def source_kind(value: str) -> str:
    """What a source is: a scanner by its product, else files by their format."""
    return NAMES.get(value, f"report files ({value})")


@register.filter
def shown(value: Any, kind: str) -> str:
    """A cell of a list, by the kind of its column."""
    if value is None or value == "" or value == []:
        return NOTHING
    if kind == "severity":
        return severity(value)
    if kind == "time":
        return moment(value)
    if kind == "day":
        day: date = timezone.localtime(value).date() if isinstance(value, datetime) else value
        return day.isoformat()
    if kind == "number":
        return f"{value:,.10g}" if isinstance(value, float) else f"{value:,}"
    if kind == "flag":
        return "yes" if value else "no"
    if kind == "texts":
        more = f" … and {len(value) - FEW} more" if len(value) > FEW else ""
        return ", ".join(map(str, value[:FEW])) + more
    return str(value)


@register.simple_tag(takes_context=True)
def address(context: Mapping[str, Any], **changes: Any) -> str:
    """The page's own query with some of it changed; None takes a part away."""
    request: HttpRequest = context["request"]
    query = request.GET.copy()
    for name, value in changes.items():
        if value is None or value == "":
            query.pop(name, None)
        else:
            query[name] = str(value)
    return f"?{query.urlencode()}"


@register.simple_tag
def counts(row: Mapping[str, Any]) -> SafeString:
    """How many findings of each severity, those that there are, the worst first."""
    parts = [(name, row[name], name) for name in SEVERITIES if row.get(name)]
    if not parts:
        return format_html("<span>{}</span>", "none open")
    return format_html_join(" ", '<span class="severity {}">{} {}</span>', parts)


@register.simple_tag(takes_context=True)
def here(context: Mapping[str, Any], path: str) -> SafeString:
    """Marks the link of the area that the page is in."""
    return format_html("{}", CURRENT if context["request"].path.startswith(path) else "")


@register.filter
def is_web_address(text: str | None) -> bool:
    """Whether a text of somebody else's can be followed as a link: no script, no file."""
    return bool(text) and str(text).strip().lower().startswith(("https://", "http://"))


@register.filter
def notices(request: HttpRequest) -> list[Any]:
    """What was done by the form before this page, said once."""
    return list(get_messages(request))


@register.filter
def item(table: Mapping[str, Any], name: str) -> Any:
    """A value of a table by a name that a variable holds."""
    return table.get(name)
