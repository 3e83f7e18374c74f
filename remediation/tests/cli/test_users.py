"""``user``: who may sign in, and that a password is in no output."""

from __future__ import annotations

import os
import pty
import sys
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth.models import User

from remediation.store import models

PASSWORD = "a long enough password"


def test_the_first_is_an_administrator_and_others_are_where_it_is_said(line: Any) -> None:
    file = line.file("password", f"{PASSWORD}\n")
    added = [
        line("user", "add", "anna", "--password-file", file, "--json"),
        line("user", "add", "ben", "--password-file", file, "--json"),
        line("user", "add", "cleo", "--password-file", file, "--administrator", "--json"),
    ]
    assert [ended.code for ended in added] == [0, 0, 0]
    assert [ended.json for ended in added] == [
        {"name": "anna", "administrator": True},
        {"name": "ben", "administrator": False},
        {"name": "cleo", "administrator": True},
    ]
    for user in User.objects.all():
        assert user.check_password(PASSWORD) and user.password.startswith("pbkdf2_")


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("anna", "hunter2", "at least 12 characters"),
        ("anna", "password1234", "too common"),
        ("annabella", "annabella1234", "too similar to the username"),
        ("anna", "", "is empty"),
        ("an na", PASSWORD, "valid username"),
        ("", PASSWORD, "cannot be blank"),
    ],
)
def test_what_is_refused(name: str, password: str, said: str, line: Any) -> None:
    ended = line("user", "add", name, "--password-file", line.file("password", password))
    assert ended.code == 4 and said in ended.err
    assert not password or password not in ended.err
    assert not User.objects.exists()


def test_a_name_that_is_taken(line: Any) -> None:
    file = line.file("password", PASSWORD)
    line("user", "add", "anna", "--password-file", file)
    ended = line("user", "add", "anna", "--password-file", file)
    assert ended.code == 4 and ended.err == "There is a user named 'anna' already.\n"


def test_without_a_terminal_a_file_is_asked_for(line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, encoding="ascii") as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        ended = line("user", "add", "anna")
    assert ended.code == 4 and "--password-file" in ended.err


@pytest.mark.parametrize(("second", "code"), [(PASSWORD, 0), ("another password", None)])
def test_the_terminal_is_asked_twice(second: str, code: int | None, store: str, tmp_path: Any) -> None:
    own = {"DATABASE_URL": store, "REMEDIATION_DATA": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    child, terminal = pty.fork()
    if child == 0:
        command = [sys.executable, "-m", "remediation.cli", "user", "add", "anna"]
        os.execvpe(command[0], command, {**os.environ, **own})
    said = b""
    # With their last blank, before which the terminal forgets what was typed too early.
    for question, answer in ((b"Password: ", PASSWORD), (b"again: ", second)):
        while question not in said:
            said += os.read(terminal, 1000)
        os.write(terminal, answer.encode() + b"\n")
    if code is None:
        while b"do not match" not in said:
            said += os.read(terminal, 1000)
        os.kill(child, 9)
    with suppress(OSError):  # its end
        while more := os.read(terminal, 1000):
            said += more
    status = os.waitpid(child, 0)[1]
    os.close(terminal)
    assert PASSWORD.encode() not in said
    assert User.objects.exists() is (code == 0)
    if code is not None:
        assert os.waitstatus_to_exitcode(status) == code


def test_a_second_factor_is_removed_when_nobody_can_sign_in_any_more(line: Any) -> None:
    user = User.objects.create(username="anna")
    models.SecondFactor.objects.create(user=user, secret="sealed", used=0)
    ended = line("user", "remove-second-factor", "anna")
    assert ended.code == 0 and "no second factor any more" in ended.out
    assert not models.SecondFactor.objects.exists()
    assert models.AuditEntry.objects.get().what == "second factor removed"
    for name, said in (("anna", "has no second factor"), ("ben", "There is no user named 'ben'")):
        ended = line("user", "remove-second-factor", name)
        assert ended.code == 4 and said in ended.err
