"""The commands below ``alerts``: what rules there are and what waits, and a message to try the mail server."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

import typer

from .ending import Refused
from .opened import AsJson, Data, answer, opened


def show(data: Data = None, as_json: AsJson = False) -> None:
    """All rules, how many alerts of each wait, and what could not be sent."""
    with opened(data):
        from ..jobs.alert_failures import not_sent
        from ..store import models

        rules = [
            {
                "rule": row.name,
                "kinds": row.settings.get("kinds", []),
                "paused": row.paused,
                "waiting": row.alerts.filter(message=None).count(),
                "sent": row.messages.filter(state="done").count(),
            }
            for row in models.AlertRule.objects.order_by("name")
        ]
        wrong = not_sent()
        lines = [
            f"{one['rule']}{' (paused)' if one['paused'] else ''}: {', '.join(one['kinds'])}; "
            f"{one['waiting']} waiting, {one['sent']} messages sent"
            for one in rules
        ] or ["There is no rule yet. An administrator makes one in the pages."]
        lines += [f"  not sent: {one['rule']} to {one['to']}: {one['wrong']}" for one in wrong]
        answer(as_json, {"rules": rules, "not_sent": wrong}, "\n".join(lines))


def send_test(
    to: Annotated[str, typer.Argument(metavar="ADDRESS", help="To whom.")], data: Data = None, as_json: AsJson = False
) -> None:
    """Send a message by the mail server that REMEDIATION_MAIL names, to try it."""
    with opened(data):
        from .. import mail

        try:
            mail.send(to, mail.TEST_SUBJECT, mail.TEST_TEXT, message_id=mail.message_id_of("test", uuid4().hex))
        except mail.MailError as error:
            raise Refused(f"{error.cause} {error.assistance}") from None
        answer(as_json, {"sent": to}, f"The server took the message to {to}.")
