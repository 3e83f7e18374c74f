"""The third step: what a ticket is, what it says, how urgent it is and when it is due."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from ...domain import template
from ...domain.project import DUE_DAYS, PRIORITY_NAMES, DueFrom, Raise, Settings
from ...domain.snapshot import SEVERITIES
from ...store.projects import DEFAULTS
from .entered import Entered, rows_of
from .name_field import chosen, written

LONGEST = 20_000
# So many empty rows for custom fields at least.
_EMPTY = 2
AGENTS = "agents"

DUE_FROM = ((DueFrom.CREATED.value, "the ticket's creation"), (DueFrom.FIRST_FOUND.value, "when it was first found"))
RAISES = (
    (Raise.EXPLOIT.value, "an exploit is known"),
    (Raise.KEV.value, "it is in CISA's catalogue of what is exploited"),
    (Raise.EPSS.value, "an exploit is likely by EPSS (from 0.5)"),
    (Raise.CRITICALITY.value, "a critical asset has it"),
)
KIND = ("ticket_type", "parent_type", "client", "site", "requester", "closing_agent", "private")
# Field, label, default, whether it is one line.
TEXTS = (
    ("child_summary", "Summary of a solution's ticket", template.CHILD_SUMMARY, True),
    ("child_details", "Details of a solution's ticket", template.CHILD_DETAILS, False),
    ("parent_summary", "Summary of the project's ticket", template.PARENT_SUMMARY, True),
    ("parent_details", "Details of the project's ticket", template.PARENT_DETAILS, False),
    ("comment", "Comment on a ticket", template.COMMENT, False),
)


class TemplateField(forms.CharField):
    """A template, whose variables are known. ``more`` is as for ``domain.template.check``."""

    def __init__(self, *, more: frozenset[str] = frozenset(), **options: Any) -> None:
        super().__init__(max_length=LONGEST, strip=False, **options)
        self.more = more

    def validate(self, value: Any) -> None:
        super().validate(value)
        if why := trouble_of(str(value), self.more):
            raise forms.ValidationError(why)

    def to_python(self, value: Any) -> str:
        """With line ends as the texts are stored."""
        return str(super().to_python(value) or "").replace("\r\n", "\n")


def trouble_of(text: str, more: frozenset[str] = frozenset()) -> str:
    """What is wrong with a template, "" for nothing."""
    try:
        template.check(text, more=more)
    except ValueError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class CustomField:
    """A row: the field's name in HaloITSM and the template of its value. ``mandatory`` is its label where HaloITSM
    wants it for the type."""

    name: str = ""
    value: str = ""
    trouble: str = ""
    mandatory: str = ""


class TicketTemplate(forms.Form):
    """The form. ``lists`` are HaloITSM's names by kind; ``mandatory`` the fields that it wants for a type, by type."""

    title = "Ticket template"

    def __init__(
        self,
        *arguments: Any,
        lists: Mapping[str, Sequence[str]],
        mandatory: Mapping[str, Sequence[Mapping[str, Any]]],
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.mandatory = mandatory

        def held(name: str, usual: str = "") -> str:
            return str(self.data.get(name, "")) if self.is_bound else usual

        types, priorities, agents = (lists.get(kind) for kind in ("tickettype", "priority", "agent"))
        self.fields["ticket_type"] = chosen(
            "ticket type", types, held("ticket_type"), "HaloITSM's own choice", label="Type of a solution's ticket"
        )
        self.fields["parent_type"] = chosen(
            "ticket type", types, held("parent_type"), "the same", label="Type of the project's ticket"
        )
        for name, label, text in (
            ("client", "Client", "By name. Empty: HaloITSM's own rules count."),
            ("site", "Site", "By name, of that client."),
            ("requester", "Requester", "By name or e-mail address."),
        ):
            self.fields[name] = forms.CharField(label=label, required=False, max_length=255, help_text=text)
        self.fields["closing_agent"] = written(
            "agent",
            agents,
            AGENTS,
            label="Closing agent",
            help_text="Assigned where HaloITSM closes no ticket that nobody is assigned to.",
        )
        self.fields["private"] = forms.BooleanField(
            label="Comments are private",
            label_suffix="",
            required=False,
            initial=True,
            help_text="End users do not see them.",
        )
        for severity in SEVERITIES:
            usual = PRIORITY_NAMES[severity]
            self.fields[f"priority_{severity}"] = chosen(
                "priority",
                priorities,
                held(f"priority_{severity}", usual),
                "none: HaloITSM's own choice",
                label=f"Priority of {severity}",
                initial=usual,
            )
            self.fields[f"days_{severity}"] = forms.IntegerField(
                label=f"Days for {severity}", min_value=0, max_value=3650, initial=DUE_DAYS[severity]
            )
        self.fields["due_from"] = forms.ChoiceField(label="Days count from", choices=DUE_FROM)
        self.fields["raise_for"] = forms.MultipleChoiceField(
            label="More urgent by one severity where",
            choices=RAISES,
            required=False,
            widget=forms.CheckboxSelectMultiple,
        )
        for name, label, usual, is_line in TEXTS:
            attributes = {"class": "template", "aria-describedby": f"trouble-{name}"}
            rows = {"rows": 4 if name == "comment" else 8}
            widget = forms.TextInput(attributes) if is_line else forms.Textarea({**attributes, **rows})
            more = template.NEWS if name == "comment" else frozenset()
            self.fields[name] = TemplateField(label=label, initial=usual, widget=widget, more=more)

    @property
    def by_severity(self) -> list[tuple[str, forms.BoundField, forms.BoundField]]:
        """Severity, priority and days, for the table."""
        return [(name, self[f"priority_{name}"], self[f"days_{name}"]) for name in SEVERITIES]

    @property
    def kind(self) -> list[forms.BoundField]:
        """The fields of what a ticket is."""
        return [self[name] for name in KIND]

    @property
    def texts(self) -> list[forms.BoundField]:
        """The templates."""
        return [self[name] for name, *_ in TEXTS]

    def clean(self) -> dict[str, Any]:
        """With the custom fields."""
        cleaned = super().clean() or self.cleaned_data
        for prefix in ("child", "parent"):
            rows = [row for row in self.rows(prefix) if row.name or row.value]
            if troubled := [row for row in rows if row.trouble]:
                raise forms.ValidationError(f"A custom field cannot be used: {troubled[0].trouble}")
            cleaned[f"{prefix}_fields"] = {row.name: row.value for row in rows if row.value}
        if not cleaned.get("client") and cleaned.get("site") and not cleaned.get("requester"):
            self.add_error("client", "Name the client of the site: sites of several clients have the same names.")
        return cleaned

    def rows(self, prefix: str) -> list[CustomField]:
        """The rows of custom fields of a ``child`` or the ``parent``: those entered, those that HaloITSM wants, and
        empty ones."""
        entered = rows_of(self.data, f"{prefix}_field", f"{prefix}_value") if self.is_bound else []
        wanted = {row["name"].casefold(): row for row in self.wanted(prefix) if row["custom"]}
        rows = []
        for row in entered:
            name, value = row[f"{prefix}_field"], row[f"{prefix}_value"]
            label = wanted.pop(name.casefold(), {}).get("label", "")
            if name or value:
                trouble = trouble_of(value) if name else f"{value!r} has no field beside it."
                rows.append(CustomField(name, value, trouble, label))
        rows += [CustomField(row["name"], mandatory=row["label"]) for row in wanted.values()]
        return rows + [CustomField()] * _EMPTY

    def both_rows(self) -> list[tuple[str, str, list[CustomField]]]:
        """Prefix, heading and rows of both kinds of tickets."""
        return [
            ("child", "Custom fields of a solution's ticket", self.rows("child")),
            ("parent", "Custom fields of the project's ticket", self.rows("parent")),
        ]

    def wanted(self, prefix: str) -> Sequence[Mapping[str, Any]]:
        """The fields that HaloITSM wants for the chosen type."""
        child = str(self.data.get("ticket_type", "")) if self.is_bound else ""
        kind = str(self.data.get("parent_type", "")) or child if prefix == "parent" and self.is_bound else child
        return self.mandatory.get(kind, ())

    def warnings(self) -> list[str]:
        """Which mandatory fields the tickets would not have: HaloITSM would refuse them."""
        found = []
        for prefix, what in (("child", "A solution's ticket"), ("parent", "The project's ticket")):
            filled = {row.name.casefold() for row in self.rows(prefix) if row.value and not row.trouble}
            for row in self.wanted(prefix):
                if row["custom"] and row["name"].casefold() not in filled:
                    found.append(f"{what} has no {row['label']} ({row['name']}), which HaloITSM wants for its type.")
                elif not row["custom"] and not self._sends(row["name"]):
                    found.append(
                        f"{what} has no {row['label']}, which HaloITSM wants for its type. The service does not send "
                        "it: choose another type, or make the field optional there."
                    )
        return found

    def _sends(self, name: str) -> bool:
        """Whether a ticket has a field of HaloITSM's own. Their names are documented only: a part is enough."""
        given = {"summary": True, "details": True, "priority": True, "deadline": True, "symptom": True}
        for key, field in (("client", "client"), ("site", "site"), ("user", "requester")):
            given[key] = bool(self.data.get(field)) if self.is_bound else False
        return any(known in name.casefold() for known, is_given in given.items() if is_given)

    def settings(self) -> dict[str, Any]:
        """The connection's settings of this step, with those of its new projects."""
        cleaned = self.cleaned_data
        own = {name: cleaned[name] for name in ("ticket_type", "client", "site", "requester", "closing_agent")}
        return {
            **own,
            "parent_type": cleaned["parent_type"] or cleaned["ticket_type"],
            "private": cleaned["private"],
            DEFAULTS: {
                **{name: cleaned[name] for name, *_ in TEXTS},
                "fields": cleaned["child_fields"],
                "parent_fields": cleaned["parent_fields"],
                "priorities": {severity: cleaned[f"priority_{severity}"] for severity in SEVERITIES},
                "due_days": {severity: cleaned[f"days_{severity}"] for severity in SEVERITIES},
                "due_from": cleaned["due_from"],
                "raise_for": cleaned["raise_for"],
            },
        }

    def usable(self) -> tuple[dict[str, Any], dict[str, str]]:
        """What is entered as far as it can be used, as a part of ``Settings.to_table``, for a preview while somebody
        types; and what is wrong with each text, by the field's name."""
        self.is_valid()
        wrong = {name: str(errors[0]) for name, errors in self.errors.items()}
        troubles = {name: wrong.get(name, "") for name, *_ in TEXTS}
        table: dict[str, Any] = {name: self.cleaned_data[name] for name, *_ in TEXTS if name in self.cleaned_data}
        for key, prefix in (("priorities", "priority"), ("due_days", "days")):
            fields = {severity: self.cleaned_data.get(f"{prefix}_{severity}") for severity in SEVERITIES}
            table[key] = {severity: value for severity, value in fields.items() if value is not None}
        for prefix, key in (("child", "fields"), ("parent", "parent_fields")):
            table[key] = {row.name: row.value for row in self.rows(prefix) if row.name and not row.trouble}
        for key in ("due_from", "raise_for"):
            if key in self.cleaned_data:
                table[key] = self.cleaned_data[key]
        return table, troubles


def of_settings(settings: Mapping[str, Any]) -> Entered:
    """What would have been entered for these settings."""
    kept = Settings.from_table(settings.get(DEFAULTS) or {})
    own = ("ticket_type", "parent_type", "client", "site", "requester", "closing_agent")
    return {
        **{name: [str(settings.get(name) or "")] for name in own},
        **({"private": ["on"]} if settings.get("private", True) else {}),
        **{name: [getattr(kept, name)] for name, *_ in TEXTS},
        **{f"priority_{severity}": [kept.priorities[severity]] for severity in SEVERITIES},
        **{f"days_{severity}": [str(kept.due_days[severity])] for severity in SEVERITIES},
        "due_from": [kept.due_from.value],
        "raise_for": [one.value for one in kept.raise_for],
        **_columns("child", kept.fields.items()),
        **_columns("parent", kept.parent_fields.items()),
    }


def _columns(prefix: str, rows: Iterable[tuple[str, str]]) -> Entered:
    pairs = list(rows)
    return {f"{prefix}_field": [name for name, _ in pairs], f"{prefix}_value": [value for _, value in pairs]}
