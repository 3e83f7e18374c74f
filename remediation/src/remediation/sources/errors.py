"""Why a source gave no snapshot: what happened, and what to do about it.

None of them holds a credential or the text of a finding.
"""

from __future__ import annotations


class SourceError(Exception):
    """``cause`` says what happened, ``assistance`` what to do."""

    def __init__(self, cause: str, assistance: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.assistance = assistance

    def __str__(self) -> str:
        return f"{self.cause} {self.assistance}"


class WrongCredentials(SourceError):
    """The source does not accept the user and the password."""


class SecondFactorWanted(SourceError):
    """The source wants a second factor, which a service cannot give."""


class NoRightToReports(SourceError):
    """The user may log in, and may not make reports."""


class NoRightToAssets(SourceError):
    """The user may log in, and may not see what was asked for."""


class NoRightToWrite(SourceError):
    """The user may log in, and may not change what was to be changed. Nothing was."""


class NotTaken(SourceError):
    """The source refuses what was to be written to it. Nothing was."""


class NotThere(SourceError):
    """The source does not know what was asked for, or does not show it to this user: it does not tell the two apart."""


class Unsteady(SourceError):
    """What the source lists was another each time that it was read."""


class TooMuch(SourceError):
    """A source has more to say, or takes longer to say it, than is waited for."""


class CertificateRefused(SourceError):
    """The source's certificate is not trusted."""


class Unreachable(SourceError):
    """No answer came: name resolution, network, timeout."""


class SourceBusy(SourceError):
    """The source says that it cannot answer now."""


class ReportFailed(SourceError):
    """The source could not make a report, has lost it, or was not done in time."""


class CutOff(SourceError):
    """An output ends before its end."""


class NotUnderstood(SourceError):
    """An answer or a file is not what was expected: another header, a cell that holds no time or number."""
