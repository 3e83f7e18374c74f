"""Why InsightIDR did not do, or did not tell, what it was asked for. None of them holds a key or the text of a ticket."""

from __future__ import annotations

# The kind of a refusal because nobody in InsightIDR has the e-mail address of an assignee.
UNKNOWN_USER = "unknown_user"


class IdrError(Exception):
    """InsightIDR refuses, or is not understood: asking again would change nothing.

    ``cause`` says what happened, ``assistance`` what to do. ``request`` is the method and the path. ``status`` is the
    answer's, 0 where there was none. ``said`` is what InsightIDR said about it, "" for nothing. ``kind`` is UNKNOWN_USER
    or "".
    """

    def __init__(
        self, cause: str, assistance: str, *, request: str, status: int = 0, said: str = "", kind: str = ""
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.assistance = assistance
        self.request = request
        self.status = status
        self.said = said
        self.kind = kind

    def __str__(self) -> str:
        answer = f" (status {self.status})" if self.status else ""
        said = f' It says: "{self.said}".' if self.said else ""
        return f"{self.cause}{said} The request was {self.request}{answer}. {self.assistance}"


class IdrAway(IdrError):
    """InsightIDR is busy, fails, is not reached, or changes too fast to be read: later may be better. Nothing was done."""


class WriteUnknown(IdrError):
    """Something was sent, and may or may not have been done. It has to be looked up before it is sent again."""
