"""The page about mail."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from remediation.mail_server import from_environment
from remediation.store import models
from stand_ins.mailbox import Mailbox


def test_an_administrator_sends_a_test_message(
    as_role: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = as_role("admin")
    page = admin.get("/settings/mail")
    assert b"No mail is sent" in page.content
    assert admin.post("/settings/mail", {"to": "anna@corp.example"}).status_code == 400
    with Mailbox() as box:
        box.password = "s3cret"
        address = {
            "REMEDIATION_MAIL": f"smtp+plain://user:s3cret@localhost:{box.port}",
            "REMEDIATION_MAIL_FROM": "alerts@corp.example",
        }
        monkeypatch.setattr("django.conf.settings.MAIL", from_environment(address))
        page = admin.get("/settings/mail")
        assert b"alerts@corp.example" in page.content and b"s3cret" not in page.content
        assert admin.post("/settings/mail", {"to": "anna@corp.example"}).status_code == 302
        assert [one.recipient for one in box.messages] == ["anna@corp.example"]
        assert models.AuditEntry.objects.filter(what="test message sent", of="anna@corp.example").count() == 1
        assert admin.post("/settings/mail", {"to": "anna\r\n@corp.example"}).status_code == 400
        box.answers = {"RCPT": "550 <script>no</script>"}
        page = admin.post("/settings/mail", {"to": "eve@corp.example"})
        assert page.status_code == 400 and b"&lt;script&gt;no" in page.content and b"<script>no" not in page.content
        assert len(box.messages) == 1
