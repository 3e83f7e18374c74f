"""Sends one message to one address, and knows whether it was sent.

It stands beside the layers, as settings do: any of them may send. It speaks SMTP by itself and not through Django's
backend, which does not tell whether a connection broke before or after the server could have taken the message.
"""

from __future__ import annotations

import hashlib
import re
import smtplib
import socket
import ssl
import threading
from contextlib import closing, suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone

from .mail_server import MailServer

# Seconds that the server may take for one answer, and for all of a message.
TIMEOUT = 20.0
LONGEST = 60.0
LONGEST_SUBJECT = 200
_LATER = "It is tried again later. Check the server and the network if this stays so."


class MailError(RuntimeError):
    """A message was not sent, or nobody knows. ``cause`` and ``assistance`` are for people, and hold no secret.

    ``is_final``: the same message to the same address will be refused again. ``is_unknown``: the server had all of it
    and did not answer, so that it may have been delivered.
    """

    def __init__(self, cause: str, assistance: str, *, is_final: bool = False, is_unknown: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.assistance = assistance
        self.is_final = is_final
        self.is_unknown = is_unknown


def is_set_up() -> bool:
    """Whether there is a server to send by."""
    return settings.MAIL is not None


def message_id_of(*of: str) -> str:
    """The Message-ID for what these texts name: the same for the same ones. Raises MailError without a server."""
    digest = hashlib.sha256("\0".join(of).encode("utf-8", "replace")).hexdigest()[:40]
    return f"<{digest}@{_server().domain}>"


def send(to: str, subject: str, text: str, html: str = "", *, message_id: str) -> None:
    """Send a message, within LONGEST seconds. ``to`` is one address. ``message_id`` is one of ``message_id_of``: mail
    programs show a message that comes twice with the same one once, or at least together.

    Line breaks and control characters in ``subject`` become blanks. Raises MailError.
    """
    server = _server()
    recipient = _address(to)
    content = _message(server, recipient, subject, text, html, message_id)
    watched = _Watched(server)
    timer = threading.Timer(LONGEST, watched.cut)
    timer.daemon = True
    timer.start()
    try:
        watched.send(recipient, content)
    finally:
        timer.cancel()


def _server() -> MailServer:
    server: MailServer | None = settings.MAIL
    if server is None:
        raise MailError(
            "There is no mail server.", "Whoever runs the service sets REMEDIATION_MAIL and REMEDIATION_MAIL_FROM."
        )
    return server


def _address(to: str) -> str:
    """An address as it stands in an envelope, with the domain in ASCII."""
    local, _, domain = to.strip().rpartition("@")
    try:
        address = f"{local}@{domain.encode('idna').decode()}"
        if not address.isascii() or not address.isprintable():
            raise ValidationError("")
        validate_email(address)
    except (ValidationError, UnicodeError):
        raise MailError(
            "The recipient is no address that mail can be sent to.", "Correct the address.", is_final=True
        ) from None
    return address


def _message(server: MailServer, to: str, subject: str, text: str, html: str, identity: str) -> bytes:
    message = EmailMessage(SMTP.clone(cte_type="7bit"))
    try:
        message["From"], message["To"] = server.sender, to
        message["Subject"] = _one_line(subject)[:LONGEST_SUBJECT] or "(no subject)"
        message["Message-ID"] = _one_line(identity)
        message["Date"] = format_datetime(timezone.now())
        # No holiday notes, please (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_clean(text), cte="quoted-printable")
        if html:
            message.add_alternative(_clean(html), subtype="html", cte="quoted-printable")
        return message.as_bytes()
    except (ValueError, TypeError, LookupError):
        raise MailError("The message cannot be written as mail.", "This is a mistake in the program.") from None


def _clean(text: str) -> str:
    """Without what no mail may hold: control characters but line breaks and tabs, and halves of characters."""
    whole = text.encode("utf-8", "replace").decode()
    return "".join(char for char in whole if char in "\n\t" or not (ord(char) < 32 or 127 <= ord(char) < 160))


def _one_line(text: str) -> str:
    return _clean(" ".join("".join(char if char.isprintable() else " " for char in text).split()))


class _Watched:
    """One conversation with the server, which can be cut off from outside."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._smtp: smtplib.SMTP | None = None
        self._is_cut = False
        self._may_be_taken = False  # the server may have had all of the message

    def cut(self) -> None:
        """End it now: whoever waits for the server sees that it is gone."""
        self._is_cut = True
        sock = getattr(self._smtp, "sock", None)
        if sock is not None:
            with suppress(OSError):
                # Of the plain class: that of TLS would change what the other thread is reading with.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def heard(self, smtp: smtplib.SMTP) -> None:
        """What is to be cut off."""
        self._smtp = smtp

    def send(self, recipient: str, content: bytes) -> None:
        """All of it. Raises MailError."""
        server, context = self._server, ssl.create_default_context()
        try:
            smtp = _Tls(self, server, context) if server.way == "smtps" else _Plain(self, server)
            with closing(smtp):
                self._introduce(smtp, context)
                self._hand_over(smtp, recipient, content)
        except (OSError, smtplib.SMTPException) as error:
            raise self._failed(error) from None

    def _introduce(self, smtp: smtplib.SMTP, context: ssl.SSLContext) -> None:
        _require(smtp.ehlo())
        if self._server.way == "smtp":
            _require(smtp.starttls(context=context))
            _require(smtp.ehlo())
        if self._server.user:
            smtp.login(self._server.user, self._server.password)
        if self._is_cut:
            raise TimeoutError

    def _hand_over(self, smtp: smtplib.SMTP, recipient: str, content: bytes) -> None:
        _require(smtp.mail(self._server.sender_address))
        _require(smtp.rcpt(recipient), is_about_message=True)
        _require(smtp.docmd("DATA"), is_about_message=True, begins=3)
        # A line with a dot alone would end the message.
        smtp_lines = re.sub(rb"(?m)^\.", b"..", content).rstrip(b"\r\n")
        self._may_be_taken = True
        smtp.send(smtp_lines + b"\r\n.\r\n")
        answer = smtp.getreply()
        # An answer that is none tells nothing.
        self._may_be_taken = not 200 <= answer[0] < 600
        _require(answer, is_about_message=True)
        with suppress(OSError, smtplib.SMTPException):
            smtp.quit()

    def _failed(self, error: Exception) -> MailError:
        where = f"{self._server.host}:{self._server.port}"
        if self._may_be_taken:
            return MailError(
                f"The mail server {where} did not say whether it took the message ({type(error).__name__}).",
                "It may have been delivered.",
                is_unknown=True,
            )
        if isinstance(error, ssl.SSLError):
            reason = getattr(error, "verify_message", "") or error.reason or type(error).__name__
            return MailError(
                f"The mail server {where} could not be trusted: {reason}.",
                "If its authority is your own, name the file of its certificate in SSL_CERT_FILE.",
            )
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return MailError(
                f"The mail server {where} offers no STARTTLS, or takes no password.",
                "Use smtps://, or smtp+plain:// without a password if the network is trusted.",
            )
        if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code > 0:
            return _refusal(error, where)
        return MailError(f"The mail server {where} gives no answer ({type(error).__name__}).", _LATER)


def _refusal(error: smtplib.SMTPResponseException, where: str) -> MailError:
    """What the server said is shown, cut, but where it has just been told the password."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return MailError(
            f"The mail server {where} refuses user and password (code {error.smtp_code}).",
            "Correct REMEDIATION_MAIL in the environment of the service.",
        )
    said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
    cause = f"The mail server {where} refuses with code {error.smtp_code}: {_one_line(str(said))[:200]}"
    if isinstance(error, _Refused) and error.is_about_message and 500 <= error.smtp_code < 600:
        return MailError(cause, "Correct the address, or ask who runs the mail server.", is_final=True)
    return MailError(cause, _LATER)


class _Plain(smtplib.SMTP):
    """A connection that can be cut off while it is made."""

    def __init__(self, watched: _Watched, server: MailServer) -> None:
        watched.heard(self)
        # The sender's domain introduces us: asking for this machine's own name may take long.
        super().__init__(server.host, server.port, server.domain, TIMEOUT)


class _Tls(smtplib.SMTP_SSL):
    """The same with TLS from the beginning."""

    def __init__(self, watched: _Watched, server: MailServer, context: ssl.SSLContext) -> None:
        watched.heard(self)
        super().__init__(server.host, server.port, server.domain, timeout=TIMEOUT, context=context)


class _Refused(smtplib.SMTPResponseException):
    """An answer that is no success. ``is_about_message``: it is one to the recipient or to the message."""

    def __init__(self, code: int, said: bytes | str, is_about_message: bool) -> None:
        super().__init__(code, said)
        self.is_about_message = is_about_message


def _require(answer: tuple[int, Any], *, is_about_message: bool = False, begins: int = 2) -> None:
    code, said = answer
    if code // 100 != begins:
        raise _Refused(code, said, is_about_message)
