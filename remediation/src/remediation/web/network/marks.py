"""The marks of devices: a letter and a colour for the worst that is open, and a link. A page has a thousand of them, so
they are put together here and not by a template."""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from ...domain.snapshot import SEVERITIES
from ...store.segments import Member

LETTERS = {name: name[0].upper() for name in SEVERITIES} | {"": "·"}


def marks(members: Iterable[Member]) -> SafeString:
    """The items of a list, one for each device."""
    # The address of a device is that of any other, but for its number.
    before, after = reverse("device", args=[0]).rsplit("0", 1)
    items = []
    for one in members:
        name = escape(one.name)
        said = f"{one.worst}, {one.findings} open" if one.worst else "nothing open"
        items.append(
            f'<li><a class="mark {one.worst}" href="{before}{one.device}{after}" title="{name}: {one.findings} open">'
            f'<span aria-hidden="true">{LETTERS[one.worst]}</span><span class="hidden">{name}: {said}</span></a></li>'
        )
    # All in it is ours but the name, which is escaped.
    return mark_safe("".join(items))  # nosec B308, B703
