"""A stand-in for a mail server: SMTP over a socket, everything that it takes is in ``messages``."""

from __future__ import annotations

import base64
import socket
import socketserver
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import cast

from stand_ins.loopback import HOST, Listening


@dataclass(frozen=True)
class Received:
    """A message as it came: the addresses of its envelope, what it is, its bytes, and whether it came by TLS."""

    sender: str
    recipient: str
    content: bytes
    by_tls: bool

    @property
    def message(self) -> EmailMessage:
        """It, parsed."""
        return cast(EmailMessage, message_from_bytes(self.content, policy=default))

    @property
    def text(self) -> str:
        """Its plain text."""
        part = self.message.get_body(("plain",))
        return str(part.get_content()) if part else ""

    @property
    def html(self) -> str:
        """Its HTML, "" where it has none."""
        part = self.message.get_body(("html",))
        return str(part.get_content()) if part else ""


class Mailbox(Listening):
    """A mail server.

    What goes wrong can be chosen: ``answers`` are given instead, by the command, as {"RCPT": "550 who"} ("DATA." is the
    one to the whole message). ``drops``: the command after which the connection ends without an answer;
    a message to which that happens was taken. ``silent``: it takes connections, and says nothing.
    """

    def __init__(self, certificate: tuple[str, str] | None = None, *, tls_at_once: bool = False, port: int = 0) -> None:
        super().__init__(port)
        self.messages: list[Received] = []
        self.answers: dict[str, str] = {}
        self.drops = ""
        self.silent = False
        self.password = ""  # nosec B105: of nobody
        self.heard: list[str] = []
        self.context: ssl.SSLContext | None = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.tls_at_once = tls_at_once

    def made(self) -> socketserver.TCPServer:
        """A server of conversations."""
        return _Server((HOST, self.port), type("Handler", (_Conversation,), {"mailbox": self}))


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: what a client does wrong is in its own test."""


class _Conversation(socketserver.BaseRequestHandler):
    mailbox: Mailbox
    request: socket.socket

    def handle(self) -> None:
        """Answer command by command."""
        self.by_tls = False
        self.request.settimeout(30)
        if self.mailbox.tls_at_once:
            self._begin_tls()
        if self.mailbox.silent:
            with suppress(OSError):
                self.request.recv(1)
            return
        self.file = self.request.makefile("rb")
        self.sender = self.recipient = ""
        self._say(self.mailbox.answers.get("", "220 mailbox at your service"))
        while line := self.file.readline():
            command = line.decode("latin-1").rstrip("\r\n")
            word = command.partition(" ")[0].partition(":")[0].upper()
            self.mailbox.heard.append(command)
            if self.mailbox.drops == word:
                return
            if word in self.mailbox.answers:
                self._say(self.mailbox.answers[word])
            elif not self._do(word, command):
                return

    def _do(self, word: str, command: str) -> bool:
        address = command.partition("<")[2].partition(">")[0]
        if word == "EHLO":
            extensions = ["STARTTLS"] if self.mailbox.context and not self.by_tls else ["AUTH PLAIN"]
            self._say("\r\n".join(["250-mailbox", *(f"250-{one}" for one in extensions[:-1]), f"250 {extensions[-1]}"]))
        elif word == "STARTTLS":
            self._say("220 go on")
            self._begin_tls()
            self.file = self.request.makefile("rb")
        elif word == "AUTH":
            given = base64.b64decode(command.split(" ")[2]).decode().split("\0")[2]
            self._say("235 welcome" if given == self.mailbox.password else f"535 not {given}")
        elif word == "MAIL":
            self.sender = address
            self._say("250 ok")
        elif word == "RCPT":
            self.recipient = address
            self._say("250 ok")
        elif word == "DATA":
            return self._take()
        elif word == "QUIT":
            self._say("221 bye")
            return False
        else:
            self._say("250 ok")
        return True

    def _take(self) -> bool:
        self._say("354 go on")
        lines: list[bytes] = []
        while (line := self.file.readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line[1:] if line.startswith(b".") else line)
        if "DATA." in self.mailbox.answers:
            self._say(self.mailbox.answers["DATA."])
            return True
        self.mailbox.messages.append(Received(self.sender, self.recipient, b"".join(lines), self.by_tls))
        if self.mailbox.drops == "DATA.":
            return False
        self._say("250 taken")
        return True

    def _begin_tls(self) -> None:
        if self.mailbox.context:
            self.request = self.mailbox.context.wrap_socket(self.request, server_side=True)
            self.by_tls = True

    def _say(self, text: str) -> None:
        self.request.sendall(text.encode() + b"\r\n")
