"""The commands ``user add`` and ``user remove-second-factor``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from .approvals import approver
from .ending import Refused
from .opened import AsJson, Data, answer, opened, text_of


def add(
    name: str,
    password_file: Annotated[Optional[Path], typer.Option(help="A file that holds the password.")] = None,
    role: Annotated[Literal["viewer", "analyst", "approver", "admin"], typer.Option(help="What it may do.")] = "viewer",
    administrator: Annotated[bool, typer.Option("--administrator", help="The same as --role admin.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Somebody who may sign in to the pages. Without a file, the terminal is asked for the password, twice."""
    password = _password(password_file)
    with opened(data):
        from django.contrib.auth.models import User
        from django.contrib.auth.password_validation import validate_password
        from django.core.exceptions import ValidationError

        from ..store.roles import give_role

        if User.objects.filter(username=name).exists():
            raise Refused(f"There is a user named {name!r} already.")
        is_first = not User.objects.exists()
        user = User(username=name, is_superuser=administrator or is_first)
        try:
            validate_password(password, user)
            user.set_password(password)
            user.full_clean()
        except ValidationError as error:
            raise Refused(" ".join(error.messages)) from None
        user.save()
        if not user.is_superuser:
            give_role(user, role)
        what = "the first administrator" if is_first else "an administrator" if administrator else f"a user: {role}"
        answer(as_json, {"name": name, "administrator": user.is_superuser}, f"{name!r} is {what}.")


def remove_second_factor(name: str, data: Data = None, as_json: AsJson = False) -> None:
    """For somebody who has lost the app and the recovery codes, also where no administrator can sign in any more."""
    with opened(data):
        from django.contrib.auth.models import User

        from ..store import second_factors

        user = User.objects.filter(username=name).first()
        if user is None:
            raise Refused(f"There is no user named {name!r}.")
        if not second_factors.remove(user, approver()):
            raise Refused(f"{name!r} has no second factor.")
        answer(as_json, {"name": name}, f"{name!r} has no second factor any more.")


def _password(file: Path | None) -> str:
    if file is not None:
        password = text_of(file).strip()
        if not password:
            raise Refused(f"{file} is empty.")
        return password
    if not sys.stdin.isatty():
        raise Refused("There is no terminal to ask for the password. Use --password-file FILE.")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt="The same password again"))
