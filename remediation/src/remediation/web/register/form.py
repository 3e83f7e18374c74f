"""What a person brings as the register, and says of it."""

from __future__ import annotations

from typing import Any

from django import forms

FIELDS = {
    "name": "The name",
    "aliases": "Other names",
    "addresses": "IP addresses",
    "owner": "Owner or team",
    "site": "Site",
    "criticality": "Criticality",
}
LONGEST_COLUMN = 200


class RegisterForm(forms.Form):
    """``column_*``: which column of the file holds it, where its name and its cells do not tell."""

    file = forms.FileField(
        label="A CSV file with a device in each row",
        help_text="At most 900 kB; a larger one compressed with gzip, or by remediation device register.",
    )
    keeps = forms.BooleanField(
        required=False, label="It is a part of the register: what it does not hold stays", label_suffix=""
    )

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for name, title in FIELDS.items():
            self.fields[f"column_{name}"] = forms.CharField(required=False, max_length=LONGEST_COLUMN, label=title)

    @property
    def column_fields(self) -> list[forms.BoundField]:
        """Those that choose columns."""
        return [self[f"column_{name}"] for name in FIELDS]

    def chosen(self) -> dict[str, str]:
        """The columns that a person has chosen; of a valid form."""
        given = {name: self.cleaned_data[f"column_{name}"] for name in FIELDS}
        return {name: column for name, column in given.items() if column}
