"""The provider as a test uses it: to start, stop and inspect it, and to choose who signs in and what goes wrong."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cache
from typing import Any

from flask import Flask
from joserfc.jwk import RSAKey

from stand_ins.loopback import Loopback

from .app import build_app


@cache
def own_key() -> RSAKey:
    """The key of every provider of this process: making one takes a while."""
    return RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})


class Provider(Loopback):
    """A stand-in provider on 127.0.0.1; no product, and fit for tests only. All is in memory."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.client_id = "remediation"
        self.client_secret = "a secret of the client: %&"  # nosec B105
        self.redirect_uri = "http://localhost/sign-in/provider/done/"
        self.key = own_key()
        # What is said of whoever comes.
        self.person: dict[str, Any] = {"sub": "7"}
        # Of that, what the ID token leaves to the page about the person.
        self.only_on_page: set[str] = set()
        # What the page says instead.
        self.page: dict[str, Any] = {}
        # Claims that the ID token has instead of the right ones; None: leaves one out.
        self.token: dict[str, Any] = {}
        # Signs with this key, which the provider does not publish.
        self.other_key: RSAKey | None = None
        # Signs not at all.
        self.unsigned = False
        # The issuer in the description of the provider instead of its address.
        self.calls_itself = ""
        # What the browser brings back instead of the state that it came with.
        self.state = ""
        # The error with which the browser is sent back: access_denied.
        self.denies = ""
        # The status with which all is answered.
        self.failing = 0

    @property
    def now(self) -> datetime:  # type: ignore[override]  # tokens are compared with the clock of the machine
        """The machine's time."""
        return datetime.now(timezone.utc)

    def app(self) -> Flask:
        return build_app(self)
