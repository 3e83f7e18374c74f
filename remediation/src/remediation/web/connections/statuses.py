"""The second step: which of HaloITSM's statuses ours are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from ...domain.status import USUAL_NAMES, WITHDRAWN, Status, StatusMap
from .entered import Entered, rows_of
from .name_field import chosen

OURS = (*(status.value for status in Status), WITHDRAWN)
# What each is, for people.
_MEANING = {
    Status.NOT_STARTED.value: "Nobody has begun. New tickets have the status that their type begins with.",
    Status.IN_PROGRESS.value: "Somebody works on it, or a scan has shown that it is not done.",
    Status.AWAITING_VERIFICATION.value: "Somebody says that it is done. The next scan decides.",
    Status.REMEDIATED.value: "Scans have proved it.",
    Status.WILL_NOT_FIX.value: "Somebody has decided that nothing will be done.",
    Status.EXCEPTION.value: "The risk is accepted.",
    WITHDRAWN: "Nothing was fixed or accepted: it left the coverage or the project.",
}


@dataclass(frozen=True)
class Further:
    """One of HaloITSM's statuses, ours that it is ``written`` for, and what a person says that it ``means``."""

    name: str
    written: tuple[str, ...]
    means: str


class Statuses(forms.Form):
    """The form: a field for each of ours, and a row for each of HaloITSM's. ``names`` are HaloITSM's, None where they
    could not be read."""

    title = "Status mapping"

    def __init__(self, *arguments: Any, names: Sequence[str] | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.names = names
        self.problems: list[str] = []
        known = {name.casefold(): name for name in names or ()}
        for place, ours in enumerate(OURS):
            usual = "" if ours == WITHDRAWN else self._usual(ours, known)
            empty = f"{usual}, by its name" if usual else "not mapped"
            if ours == WITHDRAWN:
                empty = "as Exception"
            held = str(self.data.get(f"ours{place}", "")) if self.is_bound else ""
            field = chosen("status", names, held, empty, label=ours, help_text=_MEANING[ours])
            self.fields[f"ours{place}"] = field

    @staticmethod
    def _usual(ours: str, known: Mapping[str, str]) -> str:
        names = (known.get(name.casefold()) for name in USUAL_NAMES[Status(ours)])
        return next((name for name in names if name), "")

    def clean(self) -> dict[str, Any]:
        """With what further statuses mean: ``reads``."""
        cleaned = super().clean() or self.cleaned_data
        reads = {}
        for row in rows_of(self.data, "theirs", "means"):
            if not row["means"]:
                continue
            if row["means"] not in OURS or not row["theirs"]:
                self.problems.append(f"{row['theirs']!r} cannot mean {row['means']!r}.")
            elif self.names is not None and row["theirs"] not in self.names:
                # It is gone, and its row with it.
                continue
            else:
                reads[row["theirs"]] = row["means"]
        if self.problems:
            raise forms.ValidationError(self.problems)
        cleaned["reads"] = reads
        return cleaned

    def settings(self) -> dict[str, Any]:
        """The connection's settings of this step."""
        chosen_names = {ours: self.cleaned_data[f"ours{place}"] for place, ours in enumerate(OURS)}
        return {
            "statuses": {ours: name for ours, name in chosen_names.items() if name},
            "reads": self.cleaned_data["reads"],
        }

    def mapped(self) -> StatusMap | None:
        """What the form says now, as far as it is valid; None without HaloITSM's statuses."""
        if self.names is None:
            return None
        if self.is_bound:
            self.is_valid()
        cleaned = getattr(self, "cleaned_data", {})
        write = {Status(ours): cleaned.get(f"ours{place}") or "" for place, ours in enumerate(OURS[:-1])}
        reads = {theirs: _ours(means) for theirs, means in cleaned.get("reads", {}).items()}
        numbered = dict(enumerate(self.names))
        withdrawn = cleaned.get(f"ours{len(OURS) - 1}") or ""
        return StatusMap.of(numbered, {ours: name for ours, name in write.items() if name}, reads, withdrawn)

    def warnings(self) -> list[str]:
        """What a person should know of the mapping as it is."""
        mapped = self.mapped()
        if mapped is None:
            return []
        found = [
            f"{status.value} is not mapped. Steps that would set it are not done, and the plan says so."
            for status in mapped.unmapped()
        ]
        for number, ours in mapped.doubled().items():
            names = " and ".join(status.value for status in ours)
            found.append(
                f"{mapped.names[number]} stands for {names}. A ticket with it reads as Awaiting Verification until a "
                "scan tells which, unless you say what it means."
            )
        return found

    def further(self) -> list[Further]:
        """HaloITSM's statuses as rows."""
        mapped = self.mapped()
        if mapped is None:
            return []
        means = {row["theirs"]: row["means"] for row in rows_of(self.data, "theirs", "means")} if self.is_bound else {}
        written: dict[int, list[str]] = {}
        for status, number in mapped.write.items():
            written.setdefault(number, []).append(status.value)
        return [
            Further(name, tuple(written.get(number, ())), means.get(name, "")) for number, name in mapped.names.items()
        ]


def _ours(means: str) -> Status:
    return Status.EXCEPTION if means == WITHDRAWN else Status(means)


def of_settings(settings: Mapping[str, Any]) -> Entered:
    """What would have been entered for these settings."""
    statuses = {ours.casefold(): name for ours, name in (settings.get("statuses") or {}).items()}
    reads = settings.get("reads") or {}
    own = {f"ours{place}": [statuses.get(ours.casefold(), "")] for place, ours in enumerate(OURS)}
    return {**own, "theirs": list(reads), "means": list(reads.values())}
