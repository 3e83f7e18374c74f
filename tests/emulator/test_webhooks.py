"""Webhook deliveries."""

import base64
import hashlib
import hmac
import json
import socket

from halo_emulator import WebhookDisorder


def bodies(receiver):
    return [json.loads(raw) for raw, _ in receiver.deliveries]


def test_names_order_and_shape(halo, api, receiver):
    webhook = halo.add_webhook(receiver.url)
    number = api.post("/Tickets", [{"summary": "S", "agent_id": 2}]).json()["id"]
    api.post("/Tickets", [{"id": number, "status_id": 9, "summary": "T"}])
    api.post("/Actions", [{"ticket_id": number, "outcome": "Public Note", "note": "n"}])
    api.delete(f"/Tickets/{number}")
    assert halo.wait_for_webhooks(5)
    events = bodies(receiver)
    names = ["new ticket logged", "ticket status changed", "ticket closed", "ticket updated", "ticket updated"]
    assert [event["event"] for event in events] == [*names, "ticket deleted"]
    first, changed = events[0], events[1]
    assert (first["object_id"], first["webhook_id"], first["agent_id"]) == (number, webhook["id"], halo.api_agent_id)
    assert first["ticket"]["summary"] == "S" and first["ticket"]["hasbeenclosed"] is False
    assert first["ticket"]["customfields"] == [] and "action" not in first
    assert changed["ticket"]["status_id"] == 9 and changed["action"]["old_status"] == 1
    assert len({event["id"] for event in events}) == 6 and f"{number:07d}" in changed["message"]
    assert {"notification_id", "escmsg_id", "timestamp"} <= set(first)
    headers = receiver.deliveries[0][1]
    assert headers["content-type"] == "application/json; charset=utf-8" and headers["app"] and headers["traceparent"]
    log = halo.webhook_log
    assert [record["status"] for record in log] == [200] * 6 and log[0]["request_id"] == headers["request-id"]
    assert log[0]["webhook_id"] == webhook["id"] and log[0]["event"] == "new ticket logged" and log[0]["sent_at"]


def test_the_screens_fire_too_and_events_are_chosen(halo, receiver):
    halo.add_webhook(receiver.url, events=["ticket status changed", 39], payload="event")
    number = halo.log_ticket(summary="S", agent_id=2)["id"]
    halo.change_ticket(number, summary="T")
    halo.change_ticket(number, status_id=2)
    halo.change_ticket(number, status_id=9)
    halo.change_ticket(number, status_id=9)
    assert halo.wait_for_webhooks(5)
    events = bodies(receiver)
    assert [e["event"] for e in events] == ["ticket status changed", "ticket status changed", "ticket closed"]
    assert all("ticket" not in event and event["object_id"] == number for event in events)
    assert events[0]["agent_id"] == halo.screen_agent_id


def test_hmac_and_basic(halo, receiver):
    halo.add_webhook(receiver.url, authentication="hmac", secret="s3cret")
    halo.add_webhook(receiver.url, authentication="basic", secret="s3cret")
    halo.log_ticket(summary="é")
    assert halo.wait_for_webhooks(5)
    (raw, signed), (_, basic) = receiver.deliveries
    wanted = base64.b64encode(hmac.new(b"s3cret", raw, hashlib.sha256).digest()).decode()
    assert signed["token"] == wanted and "authorization" not in signed
    assert basic["authorization"] == "Basic " + base64.b64encode(b"halo:s3cret").decode()


def test_batches_are_arrays(halo, receiver):
    halo.add_webhook(receiver.url, batch=3)
    for _ in range(4):
        halo.log_ticket(summary="S")
    assert halo.wait_for_webhooks(5)
    batches = bodies(receiver)
    assert [len(batch) for batch in batches] == [3, 1]
    ids = [event["object_id"] for batch in batches for event in batch]
    assert ids == sorted(ids) and len(halo.webhook_log) == 4


def test_duplicates_and_losses(halo, receiver):
    halo.add_webhook(receiver.url)
    halo.webhook_disorder = WebhookDisorder(duplicate=1.0)
    halo.log_ticket(summary="S")
    assert halo.wait_for_webhooks(5)
    first, second = bodies(receiver)
    assert first == second
    halo.webhook_disorder = WebhookDisorder(drop=1.0)
    halo.log_ticket(summary="S")
    assert halo.wait_for_webhooks(5)
    assert len(receiver.deliveries) == 2 and halo.webhook_log[-1]["status"] == 0


def test_delay_keeps_the_order_and_shuffle_does_not(halo, receiver):
    halo.add_webhook(receiver.url, payload="event")
    for disorder in (WebhookDisorder(delay=0.05), WebhookDisorder(shuffle=True)):
        halo.webhook_disorder = disorder
        for _ in range(12):
            halo.log_ticket(summary="S")
        assert halo.wait_for_webhooks(5)
    ids = [event["object_id"] for event in bodies(receiver)]
    assert ids[:12] == sorted(ids[:12]) and ids[12:] != sorted(ids[12:]) and len(set(ids)) == 24


def test_one_attempt_when_nobody_listens(halo):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    halo.add_webhook(f"http://127.0.0.1:{port}/")
    halo.log_ticket(summary="S")
    assert halo.wait_for_webhooks(5)
    assert [record["status"] for record in halo.webhook_log] == [0]


def test_an_application_makes_and_subscribes_one(halo, api, receiver):
    given = {"name": "Sync", "url": receiver.url, "authentication_type": "3", "basic_password": "s", "algorithm": 0}
    made = api.post("/Webhook", [given]).json()
    number = halo.log_ticket(summary="S")["id"]
    assert halo.wait_for_webhooks(5) and receiver.deliveries == []
    assert api.post("/Notification", [{"name": "n", "eventno": 76, "webhook_id": made["id"]}]).status_code == 201
    halo.change_ticket(number, status_id=2)
    assert halo.wait_for_webhooks(5)
    ((raw, headers),) = receiver.deliveries
    assert headers["token"] == base64.b64encode(hmac.new(b"s", raw, hashlib.sha256).digest()).decode()
    assert [row["url"] for row in api.get("/Webhook").json()] == [receiver.url]
    assert api.post("/Notification", [{"eventno": 76, "webhook_id": "none"}]).status_code == 400
    assert api.post("/Webhook", [{"name": "Sync"}]).status_code == 400
