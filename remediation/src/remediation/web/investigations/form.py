"""The form of an organisation of InsightIDR: where it is, and what its investigations and tickets are to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings

from ...domain.investigation import State
from ...domain.investigation_settings import (
    DISPOSITIONS,
    PRIORITIES,
    USUAL_PRIORITIES,
    USUAL_STATES,
    InvestigationSettings,
)
from ...investigations.insightidr import REGIONS
from ...investigations.source import USUAL_EVERY, Details, address_of
from ...reachable import NotReachable, require_reachable
from ...sources.scanner import Unfit
from ...store import models

LONGEST_PAUSE = 24 * 60
SOURCES = ("USER", "ALERT", "HUNT", "AUTOMATION", "MANUAL")


def _several(label: str, words: tuple[str, ...], text: str = "") -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        required=False,
        choices=[(word, word.replace("_", " ").capitalize()) for word in words],
        widget=forms.CheckboxSelectMultiple,
        help_text=text,
    )


class SourceForm(forms.Form):
    """``known`` is the stored source that is changed, None for a new one; ``names`` are Halo's statuses, if known."""

    name = forms.CharField(max_length=150, strip=False, help_text="What people call this organisation.")
    connection = forms.ModelChoiceField(
        models.Connection.objects.order_by("name"), label="HaloITSM connection of its tickets", empty_label="Choose"
    )
    region = forms.ChoiceField(choices=[("", "Choose"), *((one, one) for one in REGIONS)], required=False)
    url = forms.CharField(
        label="Address", max_length=500, required=False, help_text="Only where it is not the usual one of the region."
    )
    secret = forms.CharField(
        label="API key",
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}, render_value=False),
    )
    ca = forms.CharField(
        label="Certificate of the authority",
        required=False,
        max_length=100_000,
        widget=forms.Textarea({"rows": 3}),
        help_text="In PEM form, where a gateway of your own answers for the platform.",
    )
    every = forms.IntegerField(
        label="Minutes between two looks", min_value=1, max_value=LONGEST_PAUSE, initial=USUAL_EVERY
    )
    on = forms.BooleanField(
        label="Investigations get a ticket by the rule below",
        label_suffix="",
        required=False,
        initial=True,
        help_text="Otherwise people ask for each.",
    )
    rule_states = _several("With one of these statuses", tuple(one.value for one in State), "None chosen: any.")
    rule_priorities = _several("With one of these priorities", PRIORITIES, "None chosen: any.")
    rule_sources = _several("Of one of these sources", SOURCES, "None chosen: any.")
    rule_tags = forms.CharField(
        label="With one of these tags", required=False, max_length=500, help_text="With commas between them. None: any."
    )
    reads = forms.CharField(
        label="Further statuses of HaloITSM",
        required=False,
        max_length=5000,
        widget=forms.Textarea({"rows": 3}),
        help_text="One in each line, with what it means in InsightIDR, as in: With Supplier = WAITING",
    )
    team = forms.CharField(label="Team of new tickets", required=False, max_length=255)
    days = forms.IntegerField(
        label="Days back",
        min_value=1,
        max_value=365,
        initial=28,
        help_text="In which new investigations are looked for.",
    )
    comments = forms.BooleanField(
        label="Comments in HaloITSM go to the investigation", label_suffix="", required=False, initial=True
    )
    comments_back = forms.BooleanField(
        label="Comments of the investigation go to HaloITSM", label_suffix="", required=False
    )
    assignees = forms.BooleanField(
        label="Who has it on one side has it on the other, by e-mail address",
        label_suffix="",
        required=False,
        initial=True,
    )
    disposition = forms.ChoiceField(
        label="Close an investigation without a disposition as",
        required=False,
        choices=[("", "Ask"), *((word, word) for word in DISPOSITIONS)],
    )
    most_creates = forms.IntegerField(
        label="New tickets in one run that need no approval", min_value=0, max_value=10_000, initial=50
    )

    def __init__(
        self, *arguments: Any, known: models.InvestigationSource | None, names: Mapping[str, str], **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.known = known
        statuses = [("", "(none)"), *((name, name) for name in sorted(set(names.values())))]
        for state in State:
            self._add(f"state_{state.value}", f"{state.value.capitalize()} is in HaloITSM", statuses, bool(names))
        for word in PRIORITIES:
            self._add(f"priority_{word}", f"Priority of {word.lower()} ones", (), False)
            self.fields[f"priority_{word}"].initial = USUAL_PRIORITIES[word]
        if known:
            self.fields["name"].disabled = self.fields["connection"].disabled = True
        self.fields["secret"].help_text = (
            "One is stored, and never shown. Leave this empty to keep it."
            if known
            else "Of a user who may read and change investigations. It is stored sealed, and never shown again."
        )

    def _add(self, name: str, label: str, choices: Any, is_known: bool) -> None:
        """A field to choose a name of HaloITSM's, to write it where its names are not known."""
        if is_known:
            self.fields[name] = forms.ChoiceField(label=label, required=False, choices=choices)
        else:
            self.fields[name] = forms.CharField(label=label, required=False, max_length=255)
        usual = {f"state_{state.value}": text for state, text in USUAL_STATES.items()}.get(name, "")
        if not is_known or usual in [value for value, _ in choices]:
            self.fields[name].initial = usual

    def clean(self) -> dict[str, Any]:
        """With ``details`` and ``how``, what they come to."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        try:
            url = cleaned["url"] or (self.known.settings["url"] if self.known and not cleaned["region"] else "")
            address = address_of(cleaned["region"], url)
            require_reachable(address, settings.NETWORKS)
            cleaned["details"] = Details(cleaned["name"], address, cleaned["every"], cleaned["ca"])
            cleaned["how"] = self._how(cleaned)
        except Unfit as error:
            self.add_error(error.field, str(error))
        except NotReachable as error:
            self.add_error("url", str(error))
        return cleaned

    def _how(self, cleaned: Mapping[str, Any]) -> InvestigationSettings:
        """Raises Unfit."""
        reads = {}
        for line in filter(str.strip, cleaned["reads"].splitlines()):
            name, separator, word = (part.strip() for part in line.rpartition("="))
            if not separator or not name:
                raise Unfit("reads", f"{line.strip()!r} has no sign of equality. Write it as: With Supplier = WAITING")
            reads[name] = word.upper()
        table = {
            "rule": {
                "states": cleaned["rule_states"],
                "priorities": cleaned["rule_priorities"],
                "sources": cleaned["rule_sources"],
                "tags": [tag.strip() for tag in cleaned["rule_tags"].split(",") if tag.strip()],
                "off": not cleaned["on"],
            },
            "states": {state.value: cleaned[f"state_{state.value}"] for state in State},
            "reads": reads,
            "priorities": {word: cleaned[f"priority_{word}"] for word in PRIORITIES},
            **{name: cleaned[name] for name in ("team", "days", "comments", "comments_back", "assignees")},
            **{name: cleaned[name] for name in ("disposition", "most_creates")},
        }
        try:
            return InvestigationSettings.from_table(table)
        except ValueError as error:
            raise Unfit("reads", str(error)) from None


def entered(
    source: models.InvestigationSource, how: InvestigationSettings, usual: Mapping[State, str]
) -> dict[str, Any]:
    """What would have been entered for a stored source; ``usual`` are the statuses of states that nobody has mapped."""
    table = how.to_table()
    return {
        "name": source.name,
        "connection": source.project.connection_id,
        "url": source.settings["url"],
        "ca": source.settings.get("ca", ""),
        "every": source.settings["every"],
        "on": not how.rule.off,
        **{f"rule_{name}": table["rule"][name] for name in ("states", "priorities", "sources")},
        "rule_tags": ", ".join(how.rule.tags),
        "reads": "\n".join(f"{name} = {word}" for name, word in how.reads.items()),
        **{f"state_{state.value}": how.states.get(state.value, usual.get(state, "")) for state in State},
        **{f"priority_{word}": how.priorities.get(word, "") for word in PRIORITIES},
        **{name: table[name] for name in ("team", "days", "comments", "comments_back", "assignees")},
        **{name: table[name] for name in ("disposition", "most_creates")},
    }
