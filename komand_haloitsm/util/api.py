"""HaloITSM for the plugin: the client, with InsightConnect's credentials, words and exceptions."""

from __future__ import annotations

from typing import Any

from .halo.client import HaloClient
from .insightconnect.errors import plugin_exceptions, raising_plugin_exceptions
from .insightconnect.inputs import secret_text
from .insightconnect.version import plugin_version


class HaloITSMAPI(HaloClient):
    """A HaloClient whose methods raise HaloITSMError, a PluginException.

    ``client_id`` and ``client_secret`` may also be ``{"secretKey": text}``, as InsightConnect hands over credentials.
    ``settle`` is the name that ``recheck_delay`` had in version 1.0.0. All else is as in HaloClient.
    """

    def __init__(
        self,
        *,
        client_id: Any,
        client_secret: Any,
        user_agent: str | None = None,
        settle: float | None = None,
        **options: Any,
    ) -> None:
        if settle is not None:
            options["recheck_delay"] = settle
        with plugin_exceptions():
            super().__init__(
                client_id=secret_text(client_id),
                client_secret=secret_text(client_secret),
                user_agent=user_agent or f"HaloITSM-InsightConnect/{plugin_version()}",
                **options,
            )

    test = raising_plugin_exceptions(HaloClient.test)
    get_ticket = raising_plugin_exceptions(HaloClient.get_ticket)
    search_tickets = raising_plugin_exceptions(HaloClient.search_tickets)
    list_comments = raising_plugin_exceptions(HaloClient.list_comments)
    list_actions = raising_plugin_exceptions(HaloClient.list_actions)
    create_ticket = raising_plugin_exceptions(HaloClient.create_ticket)
    create_ticket_once = raising_plugin_exceptions(HaloClient.create_ticket_once)
    find_references = raising_plugin_exceptions(HaloClient.find_references)
    add_comment = raising_plugin_exceptions(HaloClient.add_comment)
    update_ticket = raising_plugin_exceptions(HaloClient.update_ticket)
    assign_ticket = raising_plugin_exceptions(HaloClient.assign_ticket)
    close_ticket = raising_plugin_exceptions(HaloClient.close_ticket)
    delete_ticket = raising_plugin_exceptions(HaloClient.delete_ticket)
