"""Triggers by the real entry point: where they write, who may read it, and what they say under faults."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import stat
import time
from pathlib import Path

import pytest
import requests
from steps import new_halo

from halo_emulator import Fault
from tools.orchestrator import Orchestrator
from tools.storm import STARTED, TriggerProcess, connection_to, free_port

WEBHOOK_SECRET = "webhook-secret-s3cr3t-of-a-test"
PRIVATE = ("Payroll of J. Doe leaked", "hunter2hunter2 was in the dump")
HOSTILE_IDS = ("../../escaped", "{outside}/escaped", "..", "escaped\0.txt", "escaped" * 500)


class Trigger(TriggerProcess):
    """A trigger with any id: unlike the base class, it does not name its log file after it."""

    @property
    def log(self) -> Path:
        return self.workspace / "trigger.log"


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def stopped(process: TriggerProcess) -> int | None:
    process.signal(signal.SIGTERM)
    return process.ended(20)


@pytest.fixture(name="world")
def _world():
    halo = new_halo()
    with Orchestrator() as orchestrator:
        yield halo, orchestrator
    halo.stop()


def test_no_trigger_id_leads_out_of_the_state_folder_and_no_file_is_for_others(world, tmp_path):
    halo, orchestrator = world
    root = tmp_path / "deep" / "er"
    mask = os.umask(0)
    try:
        running = [
            Trigger(
                "ticket_created",
                orchestrator.url,
                connection_to(halo),
                root / str(number),
                trigger_id=trigger_id.replace("{outside}", str(tmp_path)),
                given={"interval": 60},
            ).start()
            for number, trigger_id in enumerate(HOSTILE_IDS)
        ]
    finally:
        os.umask(mask)
    try:
        for process in running:
            assert process.says(STARTED, timeout=60), process.said
        for process in running:
            files = files_below(process.workspace) - {"trigger.log"}
            assert all(name.startswith("cache/") and name.count("/") == 1 for name in files)
            # Beside its state there is what the connection need not ask again.
            endings = sorted(name.partition(".haloitsm")[2] for name in files)
            assert endings == ["-names.json", ".sqlite3", ".sqlite3-shm", ".sqlite3-wal"]
            modes = {stat.S_IMODE((process.workspace / name).stat().st_mode) for name in files}
            assert modes == {0o600}
        assert [stopped(process) for process in running] == [0] * len(running)
    finally:
        for process in running:
            process.kill()
    written = {name for name in files_below(tmp_path) if not name.endswith("trigger.log")}
    assert written and all(name.startswith("deep/er/") and "/cache/" in name for name in written)
    assert "escaped" not in "".join(written)


def signed(body: bytes) -> dict[str, str]:
    return {"Token": base64.b64encode(hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha256).digest()).decode()}


def wait_until(happened, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if happened():
            return True
        time.sleep(0.05)
    return False


def webhooks(port: int) -> list[int]:
    """The answers to good and bad deliveries that are full of private text."""
    good = json.dumps({"event": "ticket updated", "object_id": 2102, "message": PRIVATE[0]}).encode()
    bad = b'{"message": "' + PRIVATE[1].encode()
    sent = [
        (good, signed(good)),
        (good, {"Token": PRIVATE[0]}),
        (bad, signed(bad)),
        (bad, {"Authorization": "Basic x"}),
    ]
    url = f"http://127.0.0.1:{port}/{PRIVATE[1]}"
    return [requests.post(url, data=body, headers=headers, timeout=20).status_code for body, headers in sent]


def test_triggers_say_neither_secrets_nor_ticket_text_whatever_goes_wrong(world, tmp_path):
    halo, orchestrator = world
    ports = {name: free_port() for name in ("ticket_created", "ticket_status_changed")}
    running = {
        name: Trigger(
            name,
            orchestrator.url,
            connection_to(halo, WEBHOOK_SECRET),
            tmp_path / name,
            given={"interval": 5, "webhook_port": port},
        ).start()
        for name, port in ports.items()
    }
    echo = f"Cannot log in {halo.client_id} with {halo.client_secret}"
    try:
        for process in running.values():
            assert process.says(STARTED, timeout=60), process.said
        orchestrator.mode = "error"
        halo.revoke_tokens()
        halo.inject(Fault("status", path="auth/token", status=400, body={"error_description": echo}, times=1))
        halo.inject(Fault("truncated", path="tickets", times=1))
        assert [webhooks(port) for port in ports.values()] == [[200, 401, 400, 401]] * len(ports)
        ticket = halo.log_ticket(summary=PRIVATE[0], details=PRIVATE[1])
        halo.change_ticket(ticket["id"], status_id=2, summary=f"{PRIVATE[0]}!")
        assert wait_until(lambda: all("not accepted" in process.said for process in running.values()), 40)
        orchestrator.mode = "accept"
        wanted = {f"{ticket['id']}-{kind}" for kind in ("created", "status")}
        assert orchestrator.wait_for(
            lambda events: wanted <= {"-".join(event.event_id.split("-")[:2]) for event in events}, 40
        )
        assert {name: stopped(process) for name, process in running.items()} == dict.fromkeys(running, 0)
    finally:
        for process in running.values():
            process.kill()
    sent = json.dumps([event.output for event in orchestrator.accepted])
    said = "".join(process.said for process in running.values())
    assert "was not accepted" in said and "It goes on trying" in said and PRIVATE[0] in sent
    for secret in (halo.client_secret, WEBHOOK_SECRET, "Bearer"):
        assert secret not in said and secret not in sent
    for text in (*PRIVATE, "Payroll of", "hunter2"):
        assert text not in said


def test_a_trigger_does_not_log_what_halo_says(world, tmp_path):
    halo, orchestrator = world
    process = Trigger("ticket_created", orchestrator.url, connection_to(halo), tmp_path / "one", given={"interval": 5})
    halo.inject(Fault("status", path="tickets", status=500, body={"Message": f"Deadlock on '{PRIVATE[0]}'"}, times=1))
    try:
        process.start()
        assert process.says("It goes on trying", timeout=30), process.said
    finally:
        stopped(process)
        process.kill()
    assert "500" in process.said and PRIVATE[0] not in process.said
