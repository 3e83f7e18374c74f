from typing import Any

import insightconnect_plugin_runtime

from insightconnect_plugin_runtime.telemetry import auto_instrument

from .schema import AddCommentInput, AddCommentOutput, Input, Output, Component

# Custom imports below
from komand_haloitsm.util.halo.values.ids import as_id
from komand_haloitsm.util.insightconnect.inputs import given_files, given_flag, required_id, required_text
from komand_haloitsm.util.insightconnect.schemas import checked_once
from komand_haloitsm.util.insightconnect.ticket import attachments_output


class AddComment(insightconnect_plugin_runtime.Action):

    def __init__(self) -> None:
        super(self.__class__, self).__init__(
            name="add_comment",
            description=Component.DESCRIPTION,
            input=checked_once(AddCommentInput()),
            output=checked_once(AddCommentOutput()),
        )

    @auto_instrument
    def run(self, params: dict[str, Any] = {}) -> dict[str, Any]:
        files = given_files(params, Input.ATTACHMENTS)
        action = self.connection.client.add_comment(
            required_id(params, Input.TICKET_ID),
            required_text(params, Input.COMMENT),
            private=given_flag(params, Input.IS_PRIVATE, default=False),
            **({"attachments": files} if files else {}),
        )
        output: dict[str, Any] = {Output.SUCCESS: True, Output.COMMENT_ID: as_id(action["id"])}
        attachments = attachments_output(getattr(action, "attachments", ()))
        return {**output, Output.ATTACHMENTS: attachments} if attachments else output
