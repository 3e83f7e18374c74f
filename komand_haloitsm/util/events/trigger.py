"""The base of the three triggers: puts the parts of a loop together out of the runtime's trigger and connection."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Mapping

import insightconnect_plugin_runtime
from insightconnect_plugin_runtime.constants import CACHE_DIR, FLAG_DIR
from insightconnect_plugin_runtime.dispatcher import Http
from insightconnect_plugin_runtime.exceptions import PluginException

from ..inputs import given_number
from ..retry import RetryPolicy
from .decide import Event
from .delivery import Delivery, Dispatcher
from .loop import Parts, Rule, TriggerLoop
from .receiver import Receiver
from .stopping import Stopping
from .store import open_store, state_path

_FLAG = "terminate_trigger.flag"
# The loop has a backoff of its own; the client must not sleep while the trigger is told to stop.
_NO_WAITING = RetryPolicy(max_wait=0.0)


class EventTrigger(insightconnect_plugin_runtime.Trigger):
    """A trigger that watches tickets. Subclasses call ``watch`` from ``run``."""

    dispatcher: Any

    def load_state(self) -> None:
        """Nothing: the runtime's state file would keep a trigger from ever starting again once it is damaged or its
        folder cannot be written (verified by running it). The triggers have a store of their own."""

    def watch(
        self, params: Mapping[str, Any], rule: Rule, output: Callable[[Event, dict[str, Any]], Mapping[str, Any]]
    ) -> None:
        """Deliver events until stopped. ``output(event, ticket)`` names the outputs of an event.

        ``params``: ``interval`` (seconds) and ``webhook_port``. Raises PluginException for what can never work: bad
        inputs, a webhook port without secret, a port in use.
        """
        interval = given_number(params, "interval", default=60, lowest=5, highest=86_400)
        port = given_number(params, "webhook_port", default=0, lowest=1, highest=65_535)
        client, secret = self.connection.client, self.connection.webhook_secret
        if port and not secret:
            raise PluginException(
                cause="The trigger has a webhook port, but the connection has no webhook secret.",
                assistance="Enter a Webhook Secret in the connection and the same in HaloITSM's webhook, or leave the "
                "port empty to poll only.",
            )
        if isinstance(self.dispatcher, Http):
            self.dispatcher = Dispatcher(self.dispatcher.url, self.dispatcher.webhook_url)
        stopping = Stopping(Path(_workspace(FLAG_DIR)) / _FLAG, self.logger)
        store = open_store(self._state_path(), f"{self.name} {rule.ticket_id} {client.address}", self.logger)
        loop = TriggerLoop(
            Parts(
                reader=client.reader(_NO_WAITING),
                store=store,
                rule=rule,
                delivery=Delivery(self.send, stopping.wait, self.logger, stopping.patient),
                stopping=stopping,
                output=lambda event, ticket: output(event, client.describe(ticket)),
                interval=interval,
                logger=self.logger,
            )
        )
        receiver = Receiver(port, secret, lambda ids: _take(ids, store, stopping), self.logger) if port else None
        try:
            with stopping.watching():
                if receiver:
                    receiver.start()
                loop.run()
        finally:
            if receiver:
                receiver.stop()
            store.close()
        self.logger.info("HaloITSM trigger: stopped; what was delivered is saved.")

    def _state_path(self) -> Path | None:
        trigger_id = getattr(getattr(self.connection.meta, "workflow", None), "triggerId", None)
        return state_path(_workspace(CACHE_DIR), str(trigger_id)) if trigger_id else None


def _take(ids: Any, store: Any, stopping: Stopping) -> None:
    store.hint(ids)
    stopping.wake()


def _workspace(folder: str) -> str:
    """A folder of the runtime, below another root where HALOITSM_WORKSPACE names one: for tests on a shared machine."""
    root = os.environ.get("HALOITSM_WORKSPACE")
    return str(Path(root) / Path(folder).name) if root else folder
