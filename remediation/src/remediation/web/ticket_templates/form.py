"""The form of a template of tickets."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from ...domain import template
from ...domain.compliance import lines_of
from ...domain.snapshot import SEVERITIES
from ...domain.ticket_template import BUILT_IN, LONGEST_DUE, TicketTemplate
from ...store import models

LONGEST = 20_000
TEXTS = ("summary", "details", "compliance")
_PRIORITIES = [("", "by severity"), *((name, f"as {name}") for name in SEVERITIES)]


class TemplateForm(forms.Form):
    """A template. ``row`` is the stored one that it changes, None for a new one."""

    name = forms.CharField(max_length=100, label="Name")
    team = forms.CharField(
        required=False,
        max_length=100,
        label="Team",
        help_text="As HaloITSM calls it. Tickets that go to this team begin with it. Empty: it is everybody's.",
    )
    summary = forms.CharField(max_length=1000, label="Summary")
    details = forms.CharField(
        max_length=LONGEST, strip=False, label="Details", widget=forms.Textarea({"rows": 18, "class": "template"})
    )
    priority = forms.ChoiceField(required=False, choices=_PRIORITIES, label="Priority")
    days = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=LONGEST_DUE,
        label="Due after days",
        help_text="Empty: by severity. A date of CISA's catalogue or of the project counts where it is earlier.",
    )
    compliance = forms.CharField(
        required=False,
        max_length=LONGEST,
        label="Required lines",
        help_text="One a line. They end every ticket of this template, and nobody can leave them out.",
        widget=forms.Textarea({"rows": 4, "class": "template"}),
    )

    def __init__(self, *args: Any, row: models.TicketTemplate | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self._row = row
        self.fields["summary"].widget.attrs["class"] = "template"
        for name in TEXTS:
            self.fields[name].widget.attrs["aria-describedby"] = f"trouble-{name}"

    def clean_name(self) -> str:
        """Raises ValidationError for a name that another one has."""
        name = str(self.cleaned_data["name"])
        others = models.TicketTemplate.objects.exclude(pk=self._row.pk if self._row else 0)
        taken = {one.name.casefold() for one in BUILT_IN.values()}
        if name.casefold() in taken or others.filter(name__iexact=name).exists():
            raise ValidationError("There is a template of this name already.")
        return name

    def clean_summary(self) -> str:
        """Raises ValidationError for an unknown variable."""
        return self._checked("summary")

    def clean_details(self) -> str:
        """Raises ValidationError for an unknown variable."""
        return self._checked("details")

    def clean_compliance(self) -> list[str]:
        """The lines. Raises ValidationError for an unknown variable."""
        return list(lines_of(self._checked("compliance")))

    def _checked(self, name: str) -> str:
        text = str(self.cleaned_data[name]).replace("\r\n", "\n").replace("\r", "\n")
        try:
            template.check_with_brackets(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None
        return text

    @property
    def texts(self) -> list[forms.BoundField]:
        """The fields that hold variables."""
        return [self[name] for name in TEXTS]

    @property
    def others(self) -> list[forms.BoundField]:
        """The fields that hold none."""
        return [self[name] for name in ("name", "team", "priority", "days")]

    def troubles(self) -> dict[str, str]:
        """What is wrong with each text, "" for nothing."""
        return {name: str(self.errors[name][0]) if name in self.errors else "" for name in TEXTS}

    def usable(self) -> TicketTemplate | None:
        """The template as far as it can be shown while somebody types; None where a text cannot be used."""
        given = self.cleaned_data
        if not {"summary", "details"} <= given.keys():
            return None
        return TicketTemplate(
            name=str(given.get("name") or "this template"),
            summary=given["summary"],
            details=given["details"],
            priority=given.get("priority") or "",
            days=given.get("days"),
            compliance=tuple(given.get("compliance") or ()),
        )


def initial_of(one: TicketTemplate) -> dict[str, Any]:
    """What would have been entered for a template."""
    return {**vars(one), "compliance": "\n".join(one.compliance)}
