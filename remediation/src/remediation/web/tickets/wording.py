"""What a ticket is to say: the template that is chosen, and what somebody types over what is filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from ...domain.snapshot import SEVERITIES
from ...domain.template import LONGEST_SUMMARY
from ...domain.ticket_template import TicketTemplate, usual
from ...domain.wording import Wording
from ...store.ticket_templates import made_by_people
from ...tickets.single import Offer
from ..numbers import number_in

# The word for the texts that the project has itself, as programs get them.
OWN = "own"
LONGEST = 100_000
# What HaloITSM numbers at most.
MOST = 2**31 - 1


class TicketForm(forms.Form):
    """The ticket as it is filled in. ``offer`` is what it would be, ``names`` are the priorities that there are."""

    summary = forms.CharField(max_length=LONGEST_SUMMARY, label="Summary")
    details = forms.CharField(
        max_length=LONGEST, strip=False, label="Details", widget=forms.Textarea({"rows": 18, "spellcheck": "true"})
    )
    priority = forms.ChoiceField(required=False, label="Priority")
    due = forms.DateField(label="Due date", widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"))
    estimate = forms.CharField(
        required=False, max_length=200, label="Estimate", help_text="How long it takes. It is told in the details."
    )
    existing = forms.CharField(
        required=False,
        max_length=20,
        label="Number of an existing HaloITSM ticket, instead of a new one",
        help_text="It stands for these findings from then on, and is told of them by a comment. "
        "Nothing of the above is written to it.",
        widget=forms.TextInput({"inputmode": "numeric"}),
    )

    def __init__(self, data: QueryDict | None, offer: Offer, names: Sequence[str], today: date) -> None:
        body: Mapping[str, Any] = offer.body or {}
        initial = {name: body.get(name) or "" for name in ("summary", "details", "priority")}
        initial |= {"due": date.fromisoformat(body["due"]), "estimate": offer.estimate}
        super().__init__(data, initial=initial)
        self._today = today
        known = list(dict.fromkeys([initial["priority"], *names]))
        there = [(name, name) for name in known if name]
        self.fields["priority"].choices = [*there, ("", "HaloITSM's own choice")]  # type: ignore[attr-defined]

    def clean_summary(self) -> str:
        """On one line, as a summary is."""
        return " ".join(str(self.cleaned_data["summary"]).split())

    def clean_details(self) -> str:
        """With line ends as texts are stored."""
        return unified(self.cleaned_data["details"])

    def clean_due(self) -> date:
        """Raises ValidationError for a day that is over, unless it is the one that was filled in."""
        day: date = self.cleaned_data["due"]
        if day < self._today and day != self.initial["due"]:
            raise ValidationError("This day is over.")
        return day

    def clean_existing(self) -> int:
        """The number, 0 for none. Raises ValidationError."""
        text = str(self.cleaned_data["existing"]).strip().removeprefix("#")
        number = number_in(text, 10)
        if text and not 0 < number <= MOST:
            raise ValidationError("Give the number of a ticket in HaloITSM, as in 2107.")
        return number if text else 0

    def facts(self) -> dict[str, str]:
        """What differs from what was filled in, beside the texts."""
        given = self.cleaned_data
        found = {
            "priority": str(given["priority"]),
            "due": given["due"].isoformat(),
            "estimate": str(given["estimate"]).strip(),
        }
        before = {**self.initial, "due": self.initial["due"].isoformat()}
        return {name: value for name, value in found.items() if value != str(before[name]).strip()}

    def texts(self, *filled: Mapping[str, Any]) -> dict[str, str]:
        """The summary and the details, where they are none of those that were ``filled`` in."""
        found = {name: str(self.cleaned_data[name]) for name in ("summary", "details")}
        return {
            name: value for name, value in found.items() if value not in [unified(str(one[name])) for one in filled]
        }


def unified(text: str) -> str:
    """A text with the line ends of ours, whichever a browser sends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def usual_of(offers: Sequence[Offer]) -> str:
    """The word of the template that tickets have where nobody chooses one. Of several, the least urgent counts."""
    known = [one for one in offers if one.severity]
    if not known:
        return "standard"
    least = max(known, key=lambda one: SEVERITIES.index(one.severity))
    teams = {one.team for one in known}
    return usual(least.severity, teams.pop() if len(teams) == 1 else None, made_by_people())


def wording_of(word: str, templates: Mapping[str, TicketTemplate], by: str) -> Wording:
    """What a word chooses. Of an unknown one, and of OWN, it is what the project says."""
    return Wording(templates.get(word), by=by)


def choices(templates: Mapping[str, TicketTemplate]) -> list[tuple[str, str]]:
    """Words and names, for the page."""
    named = [(word, f"{one.name} ({one.team})" if one.team else one.name) for word, one in templates.items()]
    return [*named, (OWN, "As projects say it")]
