"""The base of the three triggers."""

from __future__ import annotations

from typing import Any, Callable, Mapping

import insightconnect_plugin_runtime

from ..events.decide import Event, EventPolicy


class EventTrigger(insightconnect_plugin_runtime.Trigger):
    """A trigger that watches tickets. Subclasses call ``watch`` from ``run``."""

    dispatcher: Any

    def load_state(self) -> None:
        """Nothing: the runtime's state file would keep a trigger from ever starting again once it is damaged or its
        folder cannot be written (verified by running it). The triggers have a store of their own."""

    def watch(
        self,
        params: Mapping[str, Any],
        policy: EventPolicy,
        output: Callable[[Event, dict[str, Any]], Mapping[str, Any]],
    ) -> None:
        """Deliver events until stopped. ``output(event, ticket)`` names the outputs of an event.

        ``params``: ``interval`` (seconds) and ``webhook_port``. Raises PluginException for what can never work: bad
        inputs, a webhook port without secret, a port in use.
        """
        # Imported here, because every step of an action starts this plugin too, and needs nothing of it.
        from .watching import watch_tickets  # pylint: disable=import-outside-toplevel

        watch_tickets(self, params, policy, output)
