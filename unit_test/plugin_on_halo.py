"""The plugin's actions, in this process, on a stand-in for HaloITSM that they reach over HTTP.

The stand-in is halo_emulator. It needs nothing that the plugin's runtime does not bring along.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any
from unittest import TestCase
from unittest.mock import patch

from insightconnect_plugin_runtime.exceptions import PluginException
from jsonschema import validate

from halo_emulator import HaloEmulator
from komand_haloitsm import actions
from komand_haloitsm.connection import Connection
from komand_haloitsm.util.halo.tickets import exactly_once

ACTIONS = {
    kind().name: kind
    for kind in (
        actions.AddComment,
        actions.AssignTicket,
        actions.CloseTicket,
        actions.CreateTicket,
        actions.GetTicket,
        actions.SearchTickets,
        actions.UpdateTicket,
    )
}
NEW = {"summary": "Beaconing from a server", "details": "Seen twice.\nSecond line.", "tickettype_id": 1}


class OnHalo(TestCase):
    """A test with a stand-in of its own in ``halo``, which has tickets 2101 to 2106."""

    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        no_proxy = {name: "127.0.0.1" for name in ("NO_PROXY", "no_proxy")}
        self.enterContext(patch.dict(os.environ, {"HALOITSM_WORKSPACE": folder, **no_proxy}))
        # The plugin remembers by address what it has made, and a new stand-in may get the port of the last one.
        exactly_once._REGISTRIES.clear()
        self.halo = self.enterContext(HaloEmulator())

    def connection(self, **changes: Any) -> Connection:
        """The plugin's connection to the stand-in."""
        connection = Connection()
        parameters = {
            "client_id": {"secretKey": self.halo.client_id},
            "client_secret": {"secretKey": self.halo.client_secret},
            "authorization_server": self.halo.auth_server,
            "resource_server": self.halo.resource_server,
        }
        connection.connect({**parameters, **changes})
        return connection

    def run_action(self, name: str, **given: Any) -> dict[str, Any]:
        """The output of an action. Input and output have to fit their schemas."""
        action = ACTIONS[name]()
        validate(given, action.input.schema)
        action.connection = self.connection()
        output: dict[str, Any] = action.run(given)
        validate(output, action.output.schema)
        return output

    def assert_refused(self, words: str, name: str, **given: Any) -> None:
        """An action fails with an error that has these words, and writes nothing."""
        before = self.posts()
        with self.assertRaises(PluginException) as raised:
            self.run_action(name, **given)
        self.assertIn(words, f"{raised.exception.cause} {raised.exception.assistance} {raised.exception.data}")
        self.assertEqual(before, self.posts())

    def posts(self) -> int:
        """How many writes the stand-in has accepted."""
        writes = (
            request for request in self.halo.requests if request.method == "POST" and request.status in (200, 201)
        )
        return sum("token" not in request.path for request in writes)
