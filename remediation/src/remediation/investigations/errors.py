"""Why InsightIDR did not do, or did not tell, what it was asked for.

None of them holds the key or the text of a comment.
"""

from __future__ import annotations

# The kind of a refusal because nobody in InsightIDR has the e-mail address of an assignee.
UNKNOWN_USER = "unknown_user"


class IdrError(Exception):
    """InsightIDR refuses, or is not understood: asking again would change nothing.

    ``cause`` says what happened, ``assistance`` what to do. ``request`` is the method and the path, ""
    where nothing was sent. ``status`` is the answer's, 0 where there was none. ``said`` is what InsightIDR said about
    it, "" for nothing. ``kind`` is UNKNOWN_USER or "".
    """

    def __init__(
        self, cause: str, assistance: str, *, request: str = "", status: int = 0, said: str = "", kind: str = ""
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.assistance = assistance
        self.request = request
        self.status = status
        self.said = said
        self.kind = kind

    def __str__(self) -> str:
        said = f' It says: "{self.said}".' if self.said else ""
        answer = f" (status {self.status})" if self.status else ""
        request = f" The request was {self.request}{answer}." if self.request else ""
        return f"{self.cause}{said}{request} {self.assistance}"


class IdrAway(IdrError):
    """InsightIDR is busy, fails, is not reached, or changes while it is read: later may be better. Nothing was done."""


class WriteUnknown(IdrError):
    """Something was sent, and may or may not have been done. It has to be looked up before it is sent again."""
