"""Start script of benchmark 2: the plugin by its own entry point, with three actions more, which are none of ours.

They are added when the entry point hands the finished plugin to the runtime's command line; the plugin itself is not
changed. What ``nothing`` costs is what the runtime costs: HTTP, logging, masking. ``constant`` has the inputs and
outputs of get_ticket and always gives the same ticket: that shows what the runtime takes for schemas of that size.
``bare`` sends one request by a bare requests.Session and gives nothing: what any Python plugin takes for asking Halo.
"""

from __future__ import annotations

import runpy
import sys
import threading
from pathlib import Path
from typing import Any

import insightconnect_plugin_runtime
import requests

from komand_haloitsm.actions.get_ticket.schema import GetTicketInput, GetTicketOutput

_OBJECT = {"type": "object", "title": "Variables", "properties": {}}
_RUNTIME_CLI: Any = insightconnect_plugin_runtime.CLI


class _Nothing(insightconnect_plugin_runtime.Action):  # type: ignore[misc]  # the runtime has no types
    """Takes nothing, does nothing, gives nothing."""

    def __init__(self) -> None:
        super().__init__(
            name="nothing",
            description="Do nothing",
            input=insightconnect_plugin_runtime.Input(_OBJECT),
            output=insightconnect_plugin_runtime.Output(_OBJECT),
        )

    def run(self, _params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Nothing."""
        return {}


class _Constant(insightconnect_plugin_runtime.Action):  # type: ignore[misc]  # as above
    """Shaped like get_ticket, but asks nobody."""

    def __init__(self) -> None:
        make_input: Any = GetTicketInput
        make_output: Any = GetTicketOutput
        super().__init__(name="constant", description="Give a constant", input=make_input(), output=make_output())
        names = ("summary", "details", "status_name", "priority_name", "team_name", "agent_name", "user_name", "url")
        ids = ("id", "tickettype_id", "status_id", "priority_id", "agent_id", "team_id", "client_id", "site_id")
        texts = {name: "Suspicious mail, reported by reception." for name in names}
        self._ticket = {**dict.fromkeys(ids, 2101), **texts, "closed": False}

    def run(self, _params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The ticket."""
        return {"found": True, "ticket": dict(self._ticket)}


class _Bare(insightconnect_plugin_runtime.Action):  # type: ignore[misc]  # as above
    """Asks Halo by a bare session, one for each of the server's threads, with the headers that it is given."""

    _kept = threading.local()

    def __init__(self) -> None:
        given = {**_OBJECT, "properties": {"url": {"type": "string"}, "headers": {"type": "object"}}}
        super().__init__(
            name="bare",
            description="Ask Halo",
            input=insightconnect_plugin_runtime.Input(given),
            output=insightconnect_plugin_runtime.Output(_OBJECT),
        )

    def run(self, params: dict[str, Any]) -> dict[str, Any]:
        """One GET, its answer parsed."""
        if not hasattr(self._kept, "session"):
            self._kept.session = requests.Session()
        self._kept.session.get(params["url"], headers=params["headers"], timeout=30).json()
        return {}


def _command_line(plugin: Any) -> Any:
    plugin.add_action(_Nothing())
    plugin.add_action(_Constant())
    plugin.add_action(_Bare())
    return _RUNTIME_CLI(plugin)


insightconnect_plugin_runtime.CLI = _command_line
entry_point = Path(__file__).resolve().parents[2] / "bin" / "komand_haloitsm"
sys.argv[0] = str(entry_point)
runpy.run_path(str(entry_point), run_name="__main__")
