"""Where people see a ticket in HaloITSM."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..store import models


def link_of(row: models.Ticket) -> str:
    """The ticket in HaloITSM's agents' portal: ``/tickets?id=NUMBER`` beside the API's ``/api``. Seen in links of other
    integrations, not in a HaloITSM of ours."""
    server = urlsplit(str(row.project.connection.settings.get("resource_server", "")))
    if row.halo_id is None or server.scheme not in ("https", "http"):
        return ""
    return f"{server.scheme}://{server.netloc}/tickets?id={row.halo_id}"
