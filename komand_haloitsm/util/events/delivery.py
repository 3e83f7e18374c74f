"""Sends events to the orchestrator, again and again until it has accepted them.

The runtime's own dispatcher has no timeout, ignores the response's status and loses the event on any error (verified
by running it). This one takes its place: an event counts as delivered when the orchestrator answered with a 2xx status.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any, Callable, ContextManager, Mapping

import jsonschema
import requests

_CONNECT_TIMEOUT = 10.0
_READ_TIMEOUT = 60.0
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class NotAccepted(Exception):
    """The orchestrator did not accept an event; the text says why, without the event."""


class Unsendable(Exception):
    """An event can never be sent; the text says why, without the event."""


class Dispatcher:
    """Posts one message, once. Takes the place of the runtime's ``Http`` dispatcher."""

    def __init__(self, url: str, webhook_url: str = "") -> None:
        self.url = url
        self.webhook_url = webhook_url
        # Tests of a dispatcher that hangs set this; production does not need to.
        self._read_timeout = float(os.environ.get("HALOITSM_DISPATCH_TIMEOUT", _READ_TIMEOUT))
        self._session = requests.Session()

    def write(self, message: Mapping[str, Any]) -> None:
        """Returns when the message was accepted. Raises NotAccepted, or Unsendable."""
        try:
            answer = self._session.post(
                self.url,
                json=message,
                timeout=(_CONNECT_TIMEOUT, self._read_timeout),
                verify=os.environ.get("SSL_CERT_FILE") or True,
                allow_redirects=False,
            )
        except requests.exceptions.InvalidJSONError:
            raise Unsendable("it holds a value that JSON does not have") from None
        except requests.RequestException as error:
            raise NotAccepted(f"no answer ({type(error).__name__})") from None
        if not 200 <= answer.status_code < 300:
            raise NotAccepted(f"HTTP {answer.status_code}")


class Delivery:
    """Delivers an event, however long it takes.

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

    def deliver(self, event_id: str, output: Mapping[str, Any]) -> bool:
        """True when the event needs no more attempts: it was accepted, or it can never be sent.

        False when the trigger was told to stop before that.
        """
        failures = 0
        while True:
            try:
                with self._attempt():
                    self._send(output)
            except (jsonschema.ValidationError, Unsendable) as error:
                self._logger.error(f"HaloITSM trigger: event {event_id} is skipped: {_reason(error)}.")
                return True
            except NotAccepted as error:
                failures += 1
                if failures == 1:
                    self._logger.warning(
                        f"HaloITSM trigger: event {event_id} was not accepted: {error}. It is retried."
                    )
                if self._wait(min(_FIRST_PAUSE * 2.0 ** min(failures - 1, 10), _LONGEST_PAUSE)):
                    return False
            else:
                if failures:
                    self._logger.info(f"HaloITSM trigger: event {event_id} was accepted after {failures + 1} attempts.")
                return True


def _reason(error: Exception) -> str:
    if isinstance(error, jsonschema.ValidationError):
        return f"{'/'.join(str(part) for part in error.absolute_path) or 'the event'} breaks its schema"
    return str(error)
