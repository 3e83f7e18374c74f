"""The form of a rule for alerts: of what, whom, and how often."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from ...domain.alerting import MOST_DAYS, MOST_MINUTES, NAMES, Kind, Rule
from ...domain.snapshot import SEVERITIES
from ...jobs.alert_rule import WebhookSecret
from ...jobs.alert_webhook import require_webhook
from ...jobs.alerts import OFFERED
from ...reachable import NotReachable
from ...store import models

MOST_ADDRESSES = 50
LONGEST_NAME = 100
_SEVERITIES = [(name, f"{name.capitalize()} and worse" if name != SEVERITIES[0] else "Critical") for name in SEVERITIES]
# The fields that are settings of the same name.
_PLAIN = (
    "kinds", "severity", "owner", "due_days", "overdue_days", "failures", "silent_days", "webhook_header", "every",
    "quiet",
)  # fmt: skip
_SHARES = ("epss_from", "epss_rise")
_ROWS = ("source", "project", "connection")


def _lines(label: str, text: str, rows: int = 3) -> forms.CharField:
    widget = forms.Textarea({"rows": rows})
    return forms.CharField(label=label, required=False, max_length=20_000, widget=widget, help_text=text)


class RuleForm(forms.Form):
    """``known`` is what is sealed in the stored rule that is changed, None for a new one."""

    name = forms.CharField(max_length=LONGEST_NAME, help_text="Messages begin with it.")
    kinds = forms.MultipleChoiceField(
        label="Tell of",
        choices=[(kind.value, NAMES[kind]) for kind in OFFERED],
        widget=forms.CheckboxSelectMultiple,
        initial=[Kind.NEW.value],
    )
    severity = forms.ChoiceField(choices=_SEVERITIES, label="Vulnerabilities of the severity", initial=SEVERITIES[0])
    source = forms.ModelChoiceField(
        models.Source.objects.order_by("name"), required=False, empty_label="All", label="Only of the source"
    )
    project = forms.ModelChoiceField(
        models.Project.objects.order_by("name"),
        required=False,
        empty_label="All",
        label="Only of the project",
        help_text="Its tickets, and the vulnerabilities that they tell of.",
    )
    owner = forms.CharField(
        required=False, max_length=200, label="Only of the team", help_text="An owner tag that one of the devices has."
    )
    epss_from = forms.FloatField(
        label="EPSS passes, in %", required=False, min_value=0.1, max_value=100, initial=50, help_text="Empty: never."
    )
    epss_rise = forms.FloatField(
        label="EPSS rises by points of %", required=False, min_value=0.1, max_value=100, help_text="Empty: never."
    )
    due_days = forms.IntegerField(label="Due soon: days before", min_value=0, max_value=MOST_DAYS, initial=3)
    overdue_days = forms.IntegerField(label="Overdue: by more than days", min_value=0, max_value=MOST_DAYS, initial=0)
    failures = forms.IntegerField(label="Trouble: failures in a row", min_value=1, max_value=100, initial=3)
    silent_days = forms.IntegerField(
        label="Trouble: days without a reading", min_value=1, max_value=MOST_DAYS, initial=2
    )
    mails = _lines("E-mail to", "Addresses, one to a line.")
    connection = forms.ModelChoiceField(
        models.Connection.objects.order_by("name"),
        required=False,
        empty_label="None",
        label="A ticket in HaloITSM by the connection",
        help_text="One for each message, of the type that the connection names for tickets.",
    )
    webhook = forms.CharField(
        label="Webhook",
        required=False,
        max_length=2000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="The address of an API Trigger of InsightConnect, or another that takes JSON. It is not shown again.",
    )
    webhook_header = forms.CharField(label="Header for the key", max_length=100, initial=Rule.webhook_header)
    webhook_key = forms.CharField(
        label="Key of the webhook",
        required=False,
        max_length=2000,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Empty: none.",
    )
    webhook_off = forms.BooleanField(label="No webhook any more", required=False, label_suffix="")
    escalation = _lines(
        "Escalate to",
        "After how many days of what is still so, and whom by e-mail, one to a line: 3 head@example.com",
    )
    every = forms.IntegerField(label="Minutes between two messages", min_value=1, max_value=MOST_MINUTES, initial=60)
    quiet = forms.CharField(
        label="Quiet hours", required=False, max_length=5, help_text="As in 20-6, by UTC. What comes up waits."
    )
    past = forms.BooleanField(
        label="Tell first of all that is there already",
        required=False,
        label_suffix="",
        help_text="Otherwise what is there counts as known. EPSS has no past.",
    )

    def __init__(self, *args: Any, known: WebhookSecret | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self._known = known or WebhookSecret()
        if known is not None:
            del self.fields["past"]
        if self._known.address:
            told = f"It goes to {self._known.host}. Left empty, that stays."
            self.fields["webhook"].help_text = told
            self.fields["webhook_key"].help_text = "Left empty, it stays, unless the address is another one."
        else:
            del self.fields["webhook_off"]

    def clean_mails(self) -> list[str]:
        """Raises ValidationError for what is no address."""
        found = [line.strip() for line in self.cleaned_data["mails"].splitlines() if line.strip()]
        for address in found:
            _require_address(address)
        if len(found) > MOST_ADDRESSES:
            raise ValidationError(f"At most {MOST_ADDRESSES} addresses.")
        return list(dict.fromkeys(found))

    def clean_escalation(self) -> list[list[Any]]:
        """Raises ValidationError for a line that is not days and an address."""
        found: list[list[Any]] = []
        for line in filter(None, map(str.strip, self.cleaned_data["escalation"].splitlines())):
            days, _, address = line.partition(" ")
            if not (days.isascii() and days.isdecimal() and len(days) <= 4 and 1 <= int(days) <= MOST_DAYS):
                raise ValidationError("Begin each line with a number of days, 1 or more, and a blank.")
            _require_address(address.strip())
            found.append([int(days), address.strip()])
        if len(found) > MOST_ADDRESSES:
            raise ValidationError(f"At most {MOST_ADDRESSES} lines.")
        return sorted(found)

    def clean(self) -> dict[str, Any]:
        """With the ``rule`` and its ``secret``. Raises ValidationError for what does not fit together."""
        given = super().clean() or {}
        if self.errors:
            return given
        given["secret"] = secret = self._secret(given)
        if secret.address:
            try:
                require_webhook(secret.address, given["webhook_header"])
            except NotReachable as error:
                raise ValidationError({"webhook": str(error)}) from None
        elif given["webhook_key"]:
            raise ValidationError({"webhook_key": "There is no webhook that it could be for."})
        table = {name: given[name] for name in (*_PLAIN, "mails", "escalation")}
        table |= {name: given[name] / 100 if given[name] is not None else None for name in _SHARES}
        table |= {name: given[name].pk if given[name] else None for name in _ROWS}
        try:
            given["rule"] = Rule.from_table({**table, "webhook": secret.host})
        except ValueError as error:
            raise ValidationError(str(error)) from None
        if not given["rule"].recipients:
            raise ValidationError("Name somebody who is told: an address, a webhook or a connection to HaloITSM.")
        return given

    def _secret(self, given: dict[str, Any]) -> WebhookSecret:
        """No key goes to another address than that for which it was entered."""
        if given.get("webhook_off"):
            return WebhookSecret()
        if given["webhook"]:
            return WebhookSecret(given["webhook"].strip(), given["webhook_key"])
        key = given["webhook_key"] or self._known.key
        return WebhookSecret(self._known.address, key) if self._known.address else WebhookSecret()


def entered(row: models.AlertRule) -> dict[str, Any]:
    """What the form of a stored rule shows."""
    rule = Rule.from_table(row.settings)
    shares = {name: getattr(rule, name) for name in _SHARES}
    return {
        "name": row.name,
        **{name: getattr(rule, name) for name in (*_PLAIN, *_ROWS)},
        **{name: round(value * 100, 2) if value is not None else None for name, value in shares.items()},
        "mails": "\n".join(rule.mails),
        "escalation": "\n".join(f"{days} {to}" for days, to in rule.escalation),
    }


def _require_address(address: str) -> None:
    try:
        validate_email(address)
    except ValidationError:
        raise ValidationError(f"{address[:100]} is no e-mail address.") from None
