"""Sends events to the orchestrator, again and again until it has accepted them.

The runtime's own dispatcher has no timeout, ignores the response's status and loses the event on any error (verified
by running it). This one takes its place: an event counts as delivered when the orchestrator answered with a 2xx status.
"""

from __future__ import annotations

import enum
import os
from contextlib import nullcontext
from typing import Any, Callable, ContextManager, Mapping

import jsonschema
import requests
from requests.utils import get_environ_proxies

from ..halo.http.deadline import DeadlineAdapter

_CONNECT_TIMEOUT = 10.0
# An orchestrator under load takes more than a minute. To give up too early is worse than to wait: it gets the event
# again then, although it may have accepted it.
_LONGEST_ANSWER = 600.0
# Bytes. A larger message may not fit into the system's buffers, so that sending it ends only when it is read.
_BUFFERED = 64 * 1024
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
# With these statuses an orchestrator refuses the message itself: its form, its size, its contents.
_REFUSALS = frozenset({400, 413, 422})
_REFUSALS_BELIEVED = 3


class NotAccepted(Exception):
    """The orchestrator did not accept an event; the text says why, without the event.

    ``status`` is the HTTP status of its answer, None when there was none.
    """

    def __init__(self, why: str, status: int | None = None) -> None:
        super().__init__(why)
        self.status = status


class Unsendable(Exception):
    """An event can never be sent; the text says why, without the event."""


class Delivered(enum.Enum):
    """How the delivery of an event ended."""

    DONE = "the event was accepted, or it can never be sent"
    REFUSED = "the orchestrator has refused the event for good"
    STOPPED = "the trigger was told to stop before that"


class Dispatcher:
    """Posts one message, once. Takes the place of the runtime's ``Http`` dispatcher.

    It waits up to 10 minutes for status and headers of the answer, however slowly they come. The body is not read.
    """

    def __init__(self, url: str, webhook_url: str = "") -> None:
        self.url = url
        self.webhook_url = webhook_url
        # Tests of a dispatcher that hangs set this; production does not need to.
        self._longest_answer = float(os.environ.get("HALOITSM_DISPATCH_TIMEOUT", _LONGEST_ANSWER))
        self._adapter = DeadlineAdapter(self._longest_answer)

    def write(self, message: Mapping[str, Any]) -> None:
        """Returns when the message was accepted. Raises NotAccepted, or Unsendable."""
        try:
            request = requests.Request("POST", self.url, headers={"Connection": "close"}, json=message)
            status = self._status(request.prepare())
        except requests.exceptions.InvalidJSONError:
            raise Unsendable("it holds a value that JSON does not have") from None
        except OSError as error:
            raise NotAccepted(f"no answer ({type(error).__name__})") from None
        if not 200 <= status < 300:
            raise NotAccepted(f"HTTP {status}", status)

    def _status(self, prepared: requests.PreparedRequest) -> int:
        # urllib3 sends the body within the connect timeout.
        buffered = len(prepared.body or b"") <= _BUFFERED
        answer = self._adapter.send(
            prepared,
            stream=True,
            timeout=(_CONNECT_TIMEOUT if buffered else self._longest_answer, self._longest_answer),
            verify=os.environ.get("SSL_CERT_FILE") or True,
            proxies=get_environ_proxies(self.url),
        )
        self._adapter.release(answer.raw)
        answer.close()
        return answer.status_code


class Delivery:
    """Delivers an event, however long it takes, and says so in the log.

    ``send(output)`` is the trigger's own method. ``wait(seconds)`` returns True when the trigger is being stopped. The
    context manager ``attempt()`` surrounds each attempt.
    """

    def __init__(
        self,
        send: Callable[[Mapping[str, Any]], None],
        wait: Callable[[float], bool],
        logger: Any,
        attempt: Callable[[], ContextManager[None]] = nullcontext,
    ) -> None:
        self._send = send
        self._wait = wait
        self._attempt = attempt
        self._logger = logger

    def deliver(self, event_id: str, output: Mapping[str, Any]) -> Delivered:
        """Offer the event until it is accepted, refused for good (three times, whatever came between) or stopped.

        An event that can never be sent counts as done. This and a refusal for good are logged here.
        """
        failures = refusals = 0
        while True:
            try:
                with self._attempt():
                    self._send(output)
            except (jsonschema.ValidationError, Unsendable) as error:
                self._logger.error(f"HaloITSM trigger: event {event_id} is skipped: {_reason(error)}.")
                return Delivered.DONE
            except NotAccepted as error:
                failures += 1
                refusals += error.status in _REFUSALS
                if refusals == _REFUSALS_BELIEVED:
                    self._logger.error(
                        f"HaloITSM trigger: event {event_id} is refused for good: {error}, {refusals} times."
                    )
                    return Delivered.REFUSED
                if failures == 1:
                    self._logger.warning(
                        f"HaloITSM trigger: event {event_id} was not accepted: {error}. It is retried."
                    )
                if self._wait(min(_FIRST_PAUSE * 2.0 ** min(failures - 1, 10), _LONGEST_PAUSE)):
                    return Delivered.STOPPED
            else:
                ticket_id = output.get("ticket", {}).get("id")
                attempts = f", after {failures + 1} attempts" if failures else ""
                self._logger.info(f"HaloITSM trigger: event {event_id} of ticket {ticket_id} is delivered{attempts}.")
                return Delivered.DONE


def _reason(error: Exception) -> str:
    if isinstance(error, jsonschema.ValidationError):
        return f"{'/'.join(str(part) for part in error.absolute_path) or 'the event'} breaks its schema"
    return str(error)
