"""Mail, sent to a server over a socket."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from remediation import mail
from remediation.mail_server import MailServer, from_environment
from stand_ins.mailbox import Mailbox

PASSWORD = "s3cret-@:/"
SENDER = "Remediation <alerts@corp.example>"
ID = "<1@corp.example>"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("certificate")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = str(folder / "certificate.pem"), str(folder / "key.pem")
    subprocess.run([*command, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A server without TLS, by which the service sends."""
    with Mailbox() as running:
        use(monkeypatch, f"smtp+plain://localhost:{running.port}")
        yield running


def use(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr("django.conf.settings.MAIL", server(address))


def server(address: str, sender: str = SENDER) -> MailServer:
    made = from_environment({"REMEDIATION_MAIL": address, "REMEDIATION_MAIL_FROM": sender})
    assert made
    return made


def failing(to: str = "anna@corp.example") -> mail.MailError:
    with pytest.raises(mail.MailError) as caught:
        mail.send(to, "Subject", "Text", message_id=ID)
    error = caught.value
    assert error.cause and error.assistance and error.__cause__ is None
    assert PASSWORD not in f"{error}{error.cause}{error.assistance}"
    return error


def test_a_message_arrives_as_it_is(mailbox: Mailbox) -> None:
    text, html = ".\n..two dots\n.\r\nÄ 漢字 \0\x1b" + "x" * 10_000, "<p>Ä</p>\n.\n"
    mail.send("anna@bücher.example", "Ä subject", text, html, message_id=ID)
    (got,) = mailbox.messages
    assert (got.sender, got.recipient) == ("alerts@corp.example", "anna@xn--bcher-kva.example")
    assert got.text.replace("\r\n", "\n") == ".\n..two dots\n.\nÄ 漢字 " + "x" * 10_000 + "\n"
    assert got.html.replace("\r\n", "\n") == html
    assert got.message["Subject"] == "Ä subject" and got.message["Message-ID"] == ID
    assert got.message["From"] == SENDER and got.message["Auto-Submitted"] == "auto-generated"
    assert got.content.isascii() and max(map(len, got.content.split(b"\r\n"))) < 998
    assert got.content.count(b"\n") == got.content.count(b"\r\n") == got.content.count(b"\r")


def test_a_message_id_is_the_same_for_the_same(mailbox: Mailbox) -> None:
    assert mail.message_id_of("a", "b") == mail.message_id_of("a", "b") != mail.message_id_of("ab")
    assert mail.message_id_of("a").endswith("@corp.example>")


@pytest.mark.parametrize(
    "subject", ["a\r\nBcc: eve@evil.example", "a\nBcc: eve@evil.example\n\nbody", "a\x00\x85\u2028b"]
)
def test_no_header_comes_in_by_a_subject(mailbox: Mailbox, subject: str) -> None:
    mail.send("anna@corp.example", subject, "Text", message_id="<1\r\nBcc: eve@evil.example>")
    (got,) = mailbox.messages
    assert got.recipient == "anna@corp.example" and got.message["Bcc"] is None
    assert b"\nBcc" not in got.content and got.text.strip() == "Text"


@pytest.mark.parametrize(
    "to", ["", "anna", "a@b@c", "anna@corp.example\r\nRCPT TO:<eve@evil.example>", "a b@corp.example", "ä@corp.example",
           "anna@corp.example, eve@evil.example", "<anna@corp.example>", "anna@" + "x" * 70 + ".example", "anna@-.example"],
)  # fmt: skip
def test_what_is_no_address_is_sent_nothing(mailbox: Mailbox, to: str) -> None:
    assert failing(to).is_final
    assert not mailbox.heard


def test_starttls_password_and_certificate(certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with Mailbox(certificate) as box:
        box.password = PASSWORD
        use(monkeypatch, f"smtp://us%40er:s3cret-%40%3A%2F@localhost:{box.port}")
        assert "trusted" in failing().cause and box.heard[-1] == "STARTTLS"
        monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
        mail.send("anna@corp.example", "Subject", "Text", message_id=ID)
        assert box.messages[0].by_tls
        box.password = "another"
        refused = failing()
        assert "535" in refused.cause and not refused.is_final
        use(monkeypatch, f"smtp://127.0.0.1:{box.port}")
        assert "trusted" in failing().cause, "the certificate names localhost"


def test_tls_from_the_beginning(certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    with Mailbox(certificate, tls_at_once=True) as box:
        use(monkeypatch, f"smtps://localhost:{box.port}")
        mail.send("anna@corp.example", "Subject", "Text", message_id=ID)
        assert box.messages[0].by_tls


def test_nothing_is_sent_in_the_open_where_starttls_is_wanted(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, f"smtp://user:password@localhost:{mailbox.port}")
    assert "STARTTLS" in failing().cause
    assert [line.split(" ")[0].upper() for line in mailbox.heard] == ["EHLO"]


@pytest.mark.parametrize(
    "answers, drops, is_final, is_unknown",
    [
        ({"RCPT": "550 no such person"}, "", True, False),
        ({"RCPT": "451 later"}, "", False, False),
        ({"MAIL": "550 not you"}, "", False, False),
        ({"": "554 go away"}, "", False, False),
        ({"DATA": "554 no"}, "", True, False),
        ({"DATA.": "554 spam"}, "", True, False),
        ({"DATA.": "452 full"}, "", False, False),
        ({"DATA.": "nonsense"}, "", False, True),
        ({}, "DATA.", False, True),
        ({}, "DATA", False, False),
        ({}, "RCPT", False, False),
        ({"EHLO": "nonsense"}, "", False, False),
        ({"QUIT": "500 no"}, "nothing", None, None),
        ({}, "QUIT", None, None),
    ],
)
def test_whether_it_was_sent(
    mailbox: Mailbox, answers: dict[str, str], drops: str, is_final: bool | None, is_unknown: bool | None
) -> None:
    mailbox.answers, mailbox.drops = answers, drops
    if is_final is None:
        mail.send("anna@corp.example", "Subject", "Text", message_id=ID)
        return
    error = failing()
    assert (error.is_final, error.is_unknown) == (is_final, is_unknown)


def test_a_server_that_is_away(mailbox: Mailbox) -> None:
    mailbox.stop()
    error = failing()
    assert not error.is_final and not error.is_unknown and "no answer" in error.cause


def test_a_server_that_says_nothing_or_drips_is_not_waited_for(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT", 0.3)
    mailbox.silent = True
    assert "no answer" in failing().cause
    # One that goes on saying something never runs into that.
    mailbox.silent = False
    monkeypatch.setattr(mail, "TIMEOUT", 20.0)
    monkeypatch.setattr(mail, "LONGEST", 0.5)
    ended = threading.Event()

    def drip(conversation: object, text: str) -> None:
        while not ended.wait(0.05):
            conversation.request.sendall(b"2")  # type: ignore[attr-defined]  # the stand-in's own

    monkeypatch.setattr("stand_ins.mailbox._Conversation._say", drip)
    begun = time.monotonic()
    error = failing()
    assert not error.is_final and not error.is_unknown
    assert time.monotonic() - begun < 5
    ended.set()


@pytest.mark.parametrize(
    "address",
    ["mail.example", "http://host", "smtp://", "smtp://user@host", "smtp://user:pa@ss@host", "smtp://user:pa/ss@host",
     "smtp://host:port", "smtp://host:99999", "smtp://host/path", "smtp://host?x=1", "smtp+plain://user:secret@host",
     "smtp://user:sécret@host", "smtp://ho\nst"],
)  # fmt: skip
def test_a_wrong_address_is_refused_and_not_quoted(address: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        server(address)
    assert "REMEDIATION_MAIL" in str(caught.value) and "pa@ss" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("sender", ["", "alerts", "a@b.example\nBcc: eve@evil.example", "ä@corp.example"])
def test_a_wrong_sender_is_refused(sender: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="REMEDIATION_MAIL_FROM"):
        server("smtp://host", sender)


def test_the_address_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mail"
    file.write_text("smtps://user:secret@host\n", encoding="utf-8")
    variables = {"REMEDIATION_MAIL_FILE": str(file), "REMEDIATION_MAIL_FROM": SENDER}
    made = from_environment(variables)
    assert made and (made.way, made.port, made.password) == ("smtps", 465, "secret")
    assert "secret" not in f"{made!r}{made}"
    with pytest.raises(ImproperlyConfigured, match="either"):
        from_environment({**variables, "REMEDIATION_MAIL": "smtp://host"})
    with pytest.raises(ImproperlyConfigured, match="cannot be read"):
        from_environment({**variables, "REMEDIATION_MAIL_FILE": str(tmp_path / "none")})
    assert from_environment({}) is None


def test_without_a_server_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.MAIL", None)
    assert not mail.is_set_up()
    assert "no mail server" in failing().cause
