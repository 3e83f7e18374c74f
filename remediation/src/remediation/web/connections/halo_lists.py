"""HaloITSM's lists as the steps of a draft need them: read when they are wanted, and kept in it for some time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from django.utils import timezone

from haloitsm_client import HaloClient

from ...domain.budget import USUAL_LIMIT
from ...jobs.telling import at_a_page
from ...store import models
from ...store.drafts import note
from ...tickets.lists import KINDS, STATUS, Lists, mandatory_fields, read_lists
from ...tickets.page_client import page_client
from ..numbers import number_in

# The client keeps lists for as long.
LIFETIME = timedelta(minutes=10)
WORDS = {**KINDS, STATUS: "statuses"}

Answer = TypeVar("Answer")


def connection_of(draft: models.ConnectionDraft) -> models.Connection | None:
    """A connection that is not stored, as a draft has its first step; None where that is not complete."""
    entered = {name: values[0].strip() for name, values in (draft.entered.get("details") or {}).items() if values}
    needed = ("resource_server", "auth_server", "client_id")
    if not draft.secret or not all(entered.get(name) for name in needed):
        return None
    settings = {
        **{name: entered[name] for name in needed},
        "tenant": entered.get("tenant", ""),
        "requests": number_in(entered.get("requests"), 3) or USUAL_LIMIT,
    }
    return models.Connection(name=draft.name, settings=settings, secret=draft.secret)


def asked(draft: models.ConnectionDraft, ask: Callable[[HaloClient], Answer]) -> tuple[Answer | None, str]:
    """What HaloITSM gives, or None and why it does not, for a person."""
    connection = connection_of(draft)
    if connection is None:
        return None, "HaloITSM cannot be asked before the first step is complete."
    try:
        return ask(page_client(connection)), ""
    except Exception as error:  # pylint: disable=broad-exception-caught  # each has its text
        return None, at_a_page(error)


def refresh(draft: models.ConnectionDraft, kinds: Iterable[str], *, anew: bool = False) -> list[str]:
    """See that the draft has these lists, not older than LIFETIME, and the mandatory fields of the chosen ticket types;
    ``anew``: read now. Returns what could not be read and why; an older list is kept then."""
    types = chosen_types(draft) if "tickettype" in kinds else []
    missing = [kind for kind in kinds if anew or not _is_young(draft, kind)]
    unknown = [name for name in types if anew or name not in _mandatory(draft)]
    if not missing and not unknown:
        return []

    def read(client: HaloClient) -> tuple[Lists, dict[str, object]]:
        lists = read_lists(client, missing)
        return lists, {name: mandatory_fields(client, name) for name in unknown}

    found, trouble = asked(draft, read)
    if found is None:
        return [f"HaloITSM's lists could not be read. {trouble}"]
    lists, fields = found
    now = timezone.now().isoformat()
    note(
        draft,
        lists={**(draft.seen.get("lists") or {}), **lists.names},
        read={**(draft.seen.get("read") or {}), **dict.fromkeys(lists.names, now)},
        mandatory={**_mandatory(draft), **fields},
    )
    return [f"The {WORDS[kind]} could not be read. {at_a_page(error)}" for kind, error in lists.trouble.items()]


def forget(draft: models.ConnectionDraft) -> None:
    """Forget the lists: they may be another HaloITSM's."""
    note(draft, lists={}, read={}, mandatory={}, checked=[])


def lists_of(draft: models.ConnectionDraft) -> dict[str, list[str]]:
    """The names by kind that the draft has."""
    found: dict[str, list[str]] = draft.seen.get("lists") or {}
    return found


def _mandatory(draft: models.ConnectionDraft) -> dict[str, object]:
    found: dict[str, object] = draft.seen.get("mandatory") or {}
    return found


def chosen_types(draft: models.ConnectionDraft) -> list[str]:
    """The ticket types that are entered."""
    entered = draft.entered.get("template") or {}
    names = [(entered.get(name) or [""])[0] for name in ("ticket_type", "parent_type")]
    return list(dict.fromkeys(filter(None, names)))


def _is_young(draft: models.ConnectionDraft, kind: str) -> bool:
    read: str = (draft.seen.get("read") or {}).get(kind, "")
    return bool(read) and timedelta(0) <= timezone.now() - datetime.fromisoformat(read) < LIFETIME
