from typing import Any

import insightconnect_plugin_runtime
from insightconnect_plugin_runtime.constants import CACHE_DIR
from insightconnect_plugin_runtime.exceptions import PluginException
from jsonschema.exceptions import ValidationError
from .schema import ConnectionSchema, Input

# Custom imports below
from komand_haloitsm.util.api import HaloITSMAPI
from komand_haloitsm.util.insightconnect.errors import connection_test_exceptions
from komand_haloitsm.util.insightconnect.inputs import given_flag, given_text, secret_text
from komand_haloitsm.util.insightconnect.schemas import checked_once
from komand_haloitsm.util.insightconnect.workspace import workspace

_FIELDS = checked_once(ConnectionSchema())


class Connection(insightconnect_plugin_runtime.Connection):

    def __init__(self) -> None:
        super(self.__class__, self).__init__(input=ConnectionSchema())
        self.client: Any = None
        self.webhook_secret: str | None = None

    def _validate(self) -> None:
        """Takes the place of the runtime's, whose error quotes the connection with its secrets."""
        try:
            _FIELDS.validate(self.parameters)
        except ValidationError as error:
            raise PluginException(
                cause=f"The connection cannot be used: {error.message}.",
                assistance="Correct the connection and run this step again. Nothing was sent to HaloITSM.",
            ) from None

    def connect(self, params: dict[str, Any] = {}) -> None:
        """Makes ``client``. Sends nothing: in the cloud there is a new connection for each step."""
        self.webhook_secret = secret_text(params.get(Input.WEBHOOK_SECRET))
        self.client = HaloITSMAPI(
            client_id=params.get(Input.CLIENT_ID),
            client_secret=params.get(Input.CLIENT_SECRET),
            auth_server=params.get(Input.AUTHORIZATION_SERVER),
            resource_server=params.get(Input.RESOURCE_SERVER),
            tenant=given_text(params, Input.TENANT),
            scope=given_text(params, Input.SCOPE),
            public_note_outcome=given_text(params, Input.PUBLIC_NOTE_OUTCOME),
            private_note_outcome=given_text(params, Input.PRIVATE_NOTE_OUTCOME),
            external_id_field=given_text(params, Input.EXTERNAL_ID_FIELD),
            ssl_verify=given_flag(params, Input.SSL_VERIFY, default=True),
            logger=self.logger,
            cache_folder=workspace(CACHE_DIR),
        )

    def test(self) -> dict[str, bool]:
        with connection_test_exceptions():
            self.client.test()
        return {"success": True}
