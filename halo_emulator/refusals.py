"""How Halo refuses a request: one exception, and the shapes of body that real instances were seen to send."""

from typing import Any


class Refusal(Exception):
    """A response other than success. `body` is sent as JSON; None means an empty body."""

    def __init__(self, status: int, body: Any = None, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(f"{status} {body!r}")
        self.status = status
        self.body = body
        self.headers = headers


def dotnet(text: str, status: int = 400) -> Refusal:
    """A serialised .NET exception (seen live for a missing outcome; that other refusals look the same is a guess)."""
    body = {
        "ClassName": "System.Exception",
        "Message": text,
        "StackTraceString": "   at a stand-in, not at Halo",
        "HResult": -2146233088,
        "Source": "halo_emulator",
    }
    return Refusal(status, body)


def record_not_found() -> Refusal:
    """The refusal for an update of an unknown or forbidden ticket (the words: seen live; the shape: a guess)."""
    return dotnet("Record not found")


def model_state(name: str, value: object) -> Refusal:
    """A value of the wrong type (shape seen live, wording a guess)."""
    return Refusal(400, {f"[0].{name}": [f"Error converting value {str(value)[:80]!r} to the type of '{name}'."]})


def not_an_array() -> Refusal:
    """A POST body that is no JSON array (seen live: 400 saying so; exact wording a guess)."""
    return Refusal(400, {"message": "This endpoint requires a JSON array in the body of the request."})


def rate_limit_reached(requests: int, retry_after: int | None = None) -> Refusal:
    """Too many requests (the wording: seen live). `retry_after`: whole seconds, None when Halo does not tell them."""
    headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
    return Refusal(429, f"Rate Limit Reached - {requests} Requests per rolling 5 minute window", headers)


def message(status: int, text: str) -> Refusal:
    """{"message": ...} (seen live)."""
    return Refusal(status, {"message": text})
