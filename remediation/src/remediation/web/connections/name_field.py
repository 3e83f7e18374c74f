"""A field for a name that HaloITSM has."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from django import forms


class NameField(forms.CharField):
    """A name of a kind, in whatever case it is written. ``names`` are those that there are, None where nobody knows:
    then all are taken, and whether there is such a one shows later."""

    def __init__(self, what: str, names: Sequence[str] | None, **options: Any) -> None:
        super().__init__(**{"required": False, "max_length": 255, **options})
        self.what = what
        self.names = names

    def clean(self, value: Any) -> str:
        """The name as HaloITSM writes it. Raises ValidationError with the nearest one."""
        text = str(super().clean(value) or "").strip()
        if not text or self.names is None:
            return text
        by_name = {name.casefold(): name for name in reversed(self.names)}
        if text.casefold() in by_name:
            return by_name[text.casefold()]
        near = difflib.get_close_matches(text.casefold(), by_name, 1, 0)
        nearest = f" The nearest is {by_name[near[0]]!r}." if near else ""
        raise forms.ValidationError(f"HaloITSM has no {self.what} named {text!r}.{nearest}")


def chosen(what: str, names: Sequence[str] | None, held: str, empty: str, **options: Any) -> NameField:
    """A field to choose from a list that is short; to write into where the list is not known. ``held`` is what is
    entered now: it stays in the list although HaloITSM has it no more."""
    if names is None:
        return NameField(what, None, **options)
    known = {name.casefold() for name in names}
    more = [held] if held and held.casefold() not in known else []
    choices = [("", empty), *((name, name) for name in names), *((name, f"{name} (not in HaloITSM)") for name in more)]
    return NameField(what, names, widget=forms.Select(choices=choices), **options)


def written(what: str, names: Sequence[str] | None, options_id: str, **options: Any) -> NameField:
    """A field to write into, which offers a list that may be long: that of the datalist with this id."""
    attributes = {"list": options_id, "autocomplete": "off"}
    return NameField(what, names, widget=forms.TextInput(attrs=attributes), **options)
