"""The base of the three triggers."""

from __future__ import annotations

from typing import Any, Callable, Mapping

import insightconnect_plugin_runtime

from ..events.decide import Event, EventPolicy


class EventTrigger(insightconnect_plugin_runtime.Trigger):
    """A trigger that watches tickets. Subclasses call ``watch`` from ``run``."""

    dispatcher: Any

    def load_state(self) -> None:
        """Does nothing, in place of the runtime's method.

        The runtime reads a state file here. Once that is damaged, or its folder cannot be written, the trigger never
        starts again (verified by running it). The triggers have a store of their own.
        """

    def watch(
        self,
        params: Mapping[str, Any],
        policy: EventPolicy,
        output: Callable[[Event, dict[str, Any]], Mapping[str, Any]],
    ) -> None:
        """Deliver events until stopped. ``output(event, ticket)`` returns the outputs of an event by name.

        ``params`` has ``interval`` (seconds) and ``webhook_port``. Raises PluginException for what can never work: bad
        inputs, a webhook port without a secret, a port in use.
        """
        # Imported here because this plugin is also started for every step of an action, which does not need it.
        from .watching import watch_tickets  # pylint: disable=import-outside-toplevel

        watch_tickets(self, params, policy, output)
