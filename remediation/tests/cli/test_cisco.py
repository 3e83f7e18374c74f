"""``cisco set`` and ``cisco remove``, and that ``enrich`` asks Cisco as well."""

from __future__ import annotations

from typing import Any

import pytest

from remediation.enrichment.cisco import allowance
from remediation.store import models
from stand_ins.cisco_openvuln import CiscoOpenVuln


def test_an_access_is_set_used_and_removed(line: Any, cisco: CiscoOpenVuln, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "PACE", allowance.PACE / 1000)
    file = line.file("secret", f"{cisco.client_secret}\n")
    ended = line("cisco", "set", "--client-id", cisco.client_id, "--secret-file", file, "--json")
    assert (ended.code, ended.json) == (0, {"client_id": cisco.client_id})
    again = line("cisco", "set", "--client-id", "another", "--secret-file", file)
    assert again.code == 0 and cisco.client_secret not in again.out
    assert line("cisco", "set", "--client-id", cisco.client_id, "--secret-file", file).code == 0
    assert line("enrich", "--json").json["cisco"] == {"kept": 0, "refused": 0, "left": 0, "changed": 0}
    assert line("cisco", "remove").code == 0 and not models.Cisco.objects.exists()
    assert "There was no access" in line("cisco", "remove").out
    assert line("enrich").code == 4, "all is off"


def test_an_empty_secret_is_refused(line: Any) -> None:
    ended = line("cisco", "set", "--client-id", "a", "--secret-file", line.file("secret", "\n"))
    assert ended.code == 4 and not models.Cisco.objects.exists()
