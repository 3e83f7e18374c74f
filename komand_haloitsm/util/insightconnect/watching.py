"""Watches tickets for a trigger: builds the loop from the runtime's trigger and connection, and runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterable, Mapping

from insightconnect_plugin_runtime.constants import CACHE_DIR, FLAG_DIR
from insightconnect_plugin_runtime.dispatcher import Http
from insightconnect_plugin_runtime.exceptions import PluginException

from ..events.budget import WINDOW, Budget
from ..events.decide import Event, EventPolicy
from ..events.delivery import Delivery, Dispatcher
from ..events.dependencies import Dependencies
from ..events.lifecycle import Stopping
from ..events.loop import TriggerLoop
from ..events.receiver import PortUnavailable, Receiver
from ..events.store import Store, open_store, state_path
from ..halo.http.retry import RetryPolicy
from ..halo.webhook import Notice
from .filters import tell_unknown_filters
from .inputs import given_number
from .ticket import ticket_output
from .workspace import workspace

_FLAG = "terminate_trigger.flag"
# The client does not wait between attempts here: the loop has a backoff of its own, which a stop interrupts.
_NO_WAITING = RetryPolicy(max_wait=0.0)


def watch_tickets(
    trigger: Any,
    params: Mapping[str, Any],
    policy: EventPolicy,
    output: Callable[[Event, dict[str, Any]], Mapping[str, Any]],
) -> None:
    """See EventTrigger.watch."""
    interval = given_number(params, "interval", default=60, lowest=5, highest=86_400)
    port = given_number(params, "webhook_port", default=0, lowest=1, highest=65_535)
    requests = given_number(params, "requests_per_five_minutes", default=40, lowest=10, highest=100_000)
    client, secret = trigger.connection.client, trigger.connection.webhook_secret
    if port and not secret:
        raise PluginException(
            cause="The trigger has a webhook port, but the connection has no webhook secret.",
            assistance="Enter a Webhook Secret in the connection and the same in HaloITSM's webhook, or leave the "
            "port empty to poll only.",
        )
    if isinstance(trigger.dispatcher, Http):
        trigger.dispatcher = Dispatcher(trigger.dispatcher.url, trigger.dispatcher.webhook_url)
    logger = trigger.logger
    stopping = Stopping(Path(workspace(FLAG_DIR)) / _FLAG, logger)
    store = open_store(_state_path(trigger), f"{trigger.name} {policy.ticket_id} {client.address}", logger)
    client.before_request = Budget(requests, stopping.wait, logger).spend
    loop = TriggerLoop(
        Dependencies(
            reader=client.reader(_NO_WAITING),
            store=store,
            policy=policy,
            delivery=Delivery(trigger.send, stopping.wait, logger, stopping.patient),
            stopping=stopping,
            output=lambda event, ticket: output(event, ticket_output(ticket, client)),
            interval=interval,
            logger=logger,
            own_agent=lambda: client.own_agent_id,
            hides_closed=client.hides_closed_tickets,
            started=lambda: tell_unknown_filters(params, client, logger),
            seconds_per_request=WINDOW / requests,
        )
    )
    receiver = Receiver(port, secret, lambda notices: _take(notices, store, stopping), logger) if port else None
    try:
        with stopping.watching():
            if receiver:
                _start(receiver)
            loop.run()
    finally:
        if receiver:
            receiver.stop()
        store.close()
    logger.info("HaloITSM trigger: stopped; what was delivered is saved.")


def _state_path(trigger: Any) -> Path | None:
    trigger_id = getattr(getattr(trigger.connection.meta, "workflow", None), "triggerId", None)
    return state_path(workspace(CACHE_DIR), str(trigger_id)) if trigger_id else None


def _start(receiver: Receiver) -> None:
    try:
        receiver.start()
    except PortUnavailable as error:
        raise PluginException(cause=error.cause, assistance=error.assistance) from None


def _take(notices: Iterable[Notice], store: Store, stopping: Stopping) -> None:
    store.add_pending(notices)
    stopping.wake()
