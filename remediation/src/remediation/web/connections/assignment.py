"""The fourth step: who gets a ticket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from ...domain.project import AssignmentRule, Settings, Share, TriedRule, tried
from ...store import models
from ...store.projects import DEFAULTS
from .entered import Entered, rows_of
from .name_field import NameField, written
from .ticket_template import AGENTS

TEAMS = "teams"
# What a rule can look at: columns of an asset, as people call them.
FIELDS = {
    "owner_tags": "owner tag",
    "custom_tags": "custom tag",
    "location_tags": "location tag",
    "criticality_tags": "criticality tag",
    "sites": "site of the scanner",
    "host_name": "host name",
    "ip": "address",
    "os": "operating system",
    "mac": "MAC address",
    "asset": "the scanner's own id",
}
SHARES = {
    Share.MOST.value: "most of the ticket's assets",
    Share.ANY.value: "any of them",
    Share.ALL.value: "all of them",
}
COLUMNS = ("rule_field", "rule_value", "rule_share", "rule_agent", "rule_team")
_EMPTY_ROW = dict.fromkeys(COLUMNS, "") | {"rule_field": "owner_tags", "rule_share": Share.MOST.value}


@dataclass(frozen=True)
class Row:
    """A rule as it is entered, and what is wrong with each of its fields, by their names without ``rule_``."""

    number: int
    field: str
    value: str
    share: str
    agent: str
    team: str
    errors: Mapping[str, str]

    @property
    def rule(self) -> AssignmentRule | None:
        """The rule; None where it cannot be used."""
        if self.errors:
            return None
        return AssignmentRule(self.field, self.value, self.agent or None, self.team or None, self.share)


class Assignment(forms.Form):
    """The form: the defaults, and rows of rules. ``lists`` are HaloITSM's names by kind."""

    title = "Assignment"

    def __init__(self, *arguments: Any, lists: Mapping[str, Sequence[str]], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.lists = lists
        self.fields["default_agent"] = written("agent", lists.get("agent"), AGENTS, label="Agent where no rule matches")
        self.fields["default_team"] = written("team", lists.get("team"), TEAMS, label="Team where no rule matches")

    @property
    def rows(self) -> list[Row]:
        """The rules that are entered, in order."""
        entered = rows_of(self.data, *COLUMNS) if self.is_bound else []
        return [self._row(number, cells) for number, cells in enumerate(entered, start=1)]

    def _row(self, number: int, cells: Mapping[str, str]) -> Row:
        errors = {}
        if cells["rule_field"] not in FIELDS:
            errors["field"] = "Choose what the rule looks at."
        if not cells["rule_value"]:
            errors["value"] = "Enter what it has to contain."
        if cells["rule_share"] not in SHARES:
            errors["share"] = "Choose how many of the assets have to match."
        names = {}
        for kind in ("agent", "team"):
            names[kind] = cells[f"rule_{kind}"]
            try:
                names[kind] = NameField(kind, self.lists.get(kind)).clean(cells[f"rule_{kind}"])
            except forms.ValidationError as error:
                errors[kind] = error.messages[0]
        if not names["agent"] and not names["team"]:
            errors["agent"] = "Enter an agent, a team or both."
        own = (cells["rule_field"], cells["rule_value"], cells["rule_share"])
        return Row(number, *own, names["agent"], names["team"], errors)

    def warnings(self) -> list[str]:
        """None: what is wrong with a rule is an error."""
        return []

    def clean(self) -> dict[str, Any]:
        """With the rules."""
        cleaned = super().clean() or self.cleaned_data
        wrong = [row.number for row in self.rows if row.errors]
        if wrong:
            raise forms.ValidationError(
                f"Rule {wrong[0]} cannot be used: {next(iter(self.rows[wrong[0] - 1].errors.values()))}"
            )
        cleaned["rules"] = [vars(row.rule) for row in self.rows if row.rule]
        return cleaned

    def settings(self) -> dict[str, Any]:
        """The settings of the connection's new projects of this step."""
        cleaned = self.cleaned_data
        named = {name: cleaned[name] or None for name in ("default_agent", "default_team")}
        return {DEFAULTS: {"rules": cleaned["rules"], **named}}


def moved(entered: Entered, act: str) -> Entered:
    """What is entered after a button: ``add``, or ``remove-2``, ``up-2`` or ``down-2`` for the second rule."""
    columns = {name: list(entered.get(name, [])) for name in COLUMNS}
    rows = [dict(zip(columns, cells)) for cells in zip(*columns.values())]
    verb, _, number = act.partition("-")
    place = int(number) - 1 if number.isdecimal() else -1
    if verb == "add":
        rows.append(dict(_EMPTY_ROW))
    elif 0 <= place < len(rows):
        row = rows.pop(place)
        if verb != "remove":
            rows.insert(max(0, place - 1) if verb == "up" else place + 1, row)
    return {**entered, **{name: [row[name] for row in rows] for name in COLUMNS}}


@dataclass(frozen=True)
class Trial:
    """How the rules do on an asset of a device, and who gets its ticket."""

    source: str
    asset: str
    rules: list[TriedRule]
    agent: str | None
    team: str | None
    why: str


def find_device(text: str) -> models.Device | None:
    """The device with this name, else the first whose name begins so, else the one that has this address."""
    wanted = text.strip()
    if not wanted:
        return None
    devices = models.Device.objects.order_by("name", "pk")
    found = devices.filter(name__iexact=wanted).first() or devices.filter(name__istartswith=wanted).first()
    if found is not None:
        return found
    asset = models.Asset.objects.filter(ip=wanted, device__isnull=False).select_related("device").first()
    return asset.device if asset else None


def trials(device: models.Device, settings: Settings) -> Iterator[Trial]:
    """The trial for each asset of a device: a ticket is about the assets of one source."""
    for row in device.assets.select_related("source").order_by("source__name", "asset"):
        facts = {name: getattr(row, name) for name in FIELDS}
        agent, team, why = settings.assigned([facts])
        rules = tried(settings.rules, [facts])
        yield Trial(row.source.name, row.host_name or row.ip or row.asset, rules, agent, team, why)


def of_settings(settings: Mapping[str, Any]) -> Entered:
    """What would have been entered for these settings."""
    kept = Settings.from_table(settings.get(DEFAULTS) or {})
    rules = [vars(rule) for rule in kept.rules]
    return {
        **{name: [getattr(kept, name) or ""] for name in ("default_agent", "default_team")},
        **{column: [rule[column.removeprefix("rule_")] or "" for rule in rules] for column in COLUMNS},
    }
