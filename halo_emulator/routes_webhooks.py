"""/api/Webhook and /api/Notification: who is told of what. The bodies are one production client's; that a webhook is
sent only what a notification subscribes it to is official, and the words of refusals are guesses."""

from typing import Any

from flask import Blueprint, Response

from .answers import answer
from .array_body import posted, posted_objects
from .refusals import message
from .settings import Settings
from .webhooks import Webhooks

_AUTHENTICATION = {"0": "none", "1": "basic", "3": "hmac"}


def webhook_routes(settings: Settings, webhooks: Webhooks) -> Blueprint:
    """Make and list webhooks, and subscribe them to events."""
    routes = Blueprint("webhooks", __name__)

    @routes.get("/api/webhook")
    def listing() -> Response:
        return answer([_shown(webhook) for webhook in webhooks.all()])

    @routes.post("/api/webhook")
    def make() -> Response:
        return posted(settings, [_shown(_made(webhooks, given)) for given in posted_objects()])

    @routes.post("/api/notification")
    def subscribe() -> Response:
        return posted(settings, [_subscribed(webhooks, given) for given in posted_objects()])

    return routes


def _made(webhooks: Webhooks, given: dict[str, Any]) -> dict[str, Any]:
    authentication = _AUTHENTICATION.get(str(given.get("authentication_type")))
    if not given.get("url") or not given.get("name") or authentication is None:
        raise message(400, "A webhook needs a name, a URL and a known authentication.")
    # What its events are is left out of a POST (documented only): notifications say so.
    made = webhooks.add(str(given["url"]), [], authentication, str(given.get("basic_password", "")), "full", 1)
    made["name"] = given["name"]
    return made


def _subscribed(webhooks: Webhooks, given: dict[str, Any]) -> dict[str, Any]:
    if not webhooks.subscribe(str(given.get("webhook_id")), given.get("eventno")):
        raise message(400, "There is no such webhook.")
    return {"id": given.get("eventno"), "name": given.get("name"), "eventno": given.get("eventno")}


def _shown(webhook: dict[str, Any]) -> dict[str, Any]:
    return {"id": webhook["id"], "name": webhook.get("name", ""), "url": webhook["url"], "active": webhook["active"]}
