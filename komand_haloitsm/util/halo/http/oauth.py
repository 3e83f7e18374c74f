"""The access token: fetched when first needed, by one thread at a time, and kept until shortly before it expires."""

from __future__ import annotations

import threading
from typing import Any

from ..errors import HaloError
from .messages import Request
from .retry import RetryPolicy
from .session import Session, Waiting

# Halo counts a token's lifetime from when it issued it. The margin covers the transfer to here and a slow request.
_MARGIN = 60.0
# Used when the response does not say the lifetime; it is 3600 in all recordings of Halo.
_USUAL_LIFETIME = 3600.0


class TokenSource:
    """Fetches access tokens with the client credentials of one API application. Safe to share among threads.

    ``others`` are sessions with further addresses. They are tried in turn where ``session`` has no token address (404).

    When several threads need a token at once, one fetches it and all get its result, even an error. Otherwise they
    would wait for a server that is down one after the other.
    """

    def __init__(
        self,
        session: Session,
        *others: Session,
        client_id: str,
        client_secret: str,
        scope: str,
    ) -> None:
        self._session = session
        self._others = others
        self._form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "scope": scope,
        }
        self._clock = session.clock
        self._lock = threading.Lock()
        self._token: str | None = None
        self._expires = 0.0
        self._fetches = 0
        self._error: HaloError | None = None

    def token(self, waiting: Waiting | None = None) -> str:
        """A token that does not expire within the next minute. Raises HaloError when none can be had.

        The time for fetching it counts towards ``waiting``, the limit of the call that needs the token.
        """
        fetches_seen = self._fetches
        with self._lock:
            if self._token and self._clock.monotonic() < self._expires:
                return self._token
            if self._fetches != fetches_seen and self._error is not None:
                raise self._error
            return self._fetch(self._session.within(waiting) if waiting else self._session)

    def renew(self, policy: RetryPolicy) -> None:
        """Fetch a new token even if the present one is valid, to test the credentials. Raises HaloError."""
        with self._lock:
            self._fetch(self._session.begin(policy))

    def discard(self, token: str) -> None:
        """Forget ``token``. A newer token, which another thread has fetched meanwhile, is kept."""
        with self._lock:
            if self._token == token:
                self._token = None

    def _fetch(self, session: Session) -> str:
        self._token, self._error = None, None
        try:
            token, lifetime = _read(self._posted(session))
        except HaloError as error:
            self._error = error
            raise
        finally:
            self._fetches += 1
        self._token = token
        self._expires = self._clock.monotonic() + lifetime - min(_MARGIN, lifetime / 2)
        return token

    def _posted(self, session: Session) -> Any:
        request = Request("POST", "", form=self._form)
        try:
            return session.call(request).data
        except HaloError as error:
            if error.status != 404:
                raise
            absent = error
        for number, other in enumerate(self._others):
            try:
                data = other.within(session.waiting).call(request).data
            except HaloError as error:
                if error.status == 404:
                    continue
                raise
            self._session, self._others = other, (*self._others[:number], *self._others[number + 1 :])
            return data
        raise absent


def _read(data: Any) -> tuple[str, float]:
    token = data.get("access_token") if isinstance(data, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token.strip():
        raise HaloError(
            kind="wrong_authorization_server",
            cause="The authorization server answered without an access token.",
            assistance="Check the Authorization Server of the connection: it ends in /auth.",
            data="The answer is JSON but has no usable access_token.",
        )
    try:
        lifetime = float(data.get("expires_in", _USUAL_LIFETIME))
    except (TypeError, ValueError, OverflowError):
        lifetime = _USUAL_LIFETIME
    return token.strip(), lifetime if 0 < lifetime < 1e9 else _USUAL_LIFETIME
