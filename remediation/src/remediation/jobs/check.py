"""Looks whether all that the service needs is there and answers. Writes nothing, neither here nor elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.db import Error, connection

from haloitsm_client import HaloClient

from ..domain.status import Status
from ..folder_check import Checked
from ..investigations import source as investigations
from ..reachable import NotReachable, require_reachable
from ..sources.reading import is_read, log_in
from ..sources.scanner import Unfit
from ..store import models
from ..store.migrated import missing
from ..store.sealed import unopened
from ..store.secrets import key_place
from ..tickets import run
from ..tickets.instance import Instance, Options
from ..tickets.lists import KINDS
from ..tickets.page_client import page_client
from .telling import at_a_page, is_lost, told

OLDEST_SERVER = 15


def check_all() -> Iterator[Checked]:
    """Database, secrets, Halo connections, sources. Without a database at its migrations, nothing else can be told."""
    usable = True
    for one in check_database():
        usable = usable and one.ok
        yield one
    if not usable:
        return
    yield check_secrets()
    for halo in models.Connection.objects.order_by("name"):
        yield from check_connection(halo)
    for source in models.Source.objects.order_by("name"):
        if is_read(source):
            yield check_source(source)
    for organisation in models.InvestigationSource.objects.order_by("name"):
        yield check_investigations(organisation)


def check_database() -> Iterator[Checked]:
    """Whether it answers, its version, its migrations."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version_num')::int, current_setting('server_version')")
            number, version = cursor.fetchone()
    except Error as error:
        # psycopg's text names host, database and role, and no password.
        text = f"It does not answer: {str(error).strip()}. Start it, or correct DATABASE_URL."
        yield Checked("database", text, False)
        return
    if number // 10000 < OLDEST_SERVER:
        text = f"PostgreSQL {version} is too old. Move to {OLDEST_SERVER} or newer by backup and restore."
        yield Checked("database", text, False)
    else:
        yield Checked("database", f"PostgreSQL {version} answers.")
    names = missing()
    if names:
        text = f"Not applied: {', '.join(names)}. Any other command applies them, as does: remediation status"
        yield Checked("migrations", text, False)
    else:
        yield Checked("migrations", "All are applied.")


def check_secrets() -> Checked:
    """Whether the present key opens every secret."""
    count, trouble = unopened()
    if not trouble:
        return Checked("key", f"The key in {key_place()} opens all of {count} secrets.")
    said = "; ".join(f"{what}: {why}" for what, why in trouble.items())
    return Checked("key", f"{len(trouble)} of {count} secrets cannot be opened. {said}", False)


def check_source(source: models.Source) -> Checked:
    """Whether a scanner answers and accepts its user. That it may make reports shows only when it makes one."""
    what = f"source {source.name}"
    try:
        log_in(source)
    except Exception as error:  # pylint: disable=broad-exception-caught  # the others have their turn
        return Checked(what, told(error)[0], False)
    return Checked(what, f"{source.settings['url']} answers and accepts the user.")


def check_typed_source(source: models.Source) -> Checked:
    """The same of a scanner that somebody types in, for a page: where its address leads is looked at before anything is
    sent there. Takes up to 20 seconds."""
    try:
        require_reachable(source.settings["url"], settings.NETWORKS)
        log_in(source)
    except Exception as error:  # pylint: disable=broad-exception-caught  # each has its text
        return Checked("Sign-in", at_a_page(error), False)
    return Checked("Sign-in", f"{source.settings['url']} answers and accepts the user or key.")


def check_investigations(source: models.InvestigationSource) -> Checked:
    """Whether InsightIDR answers and accepts the key. Reads only."""
    what = f"investigations of {source.name}"
    try:
        investigations.client_of(source).check()
    except Exception as error:  # pylint: disable=broad-exception-caught  # the others have their turn
        return Checked(what, told(error)[0], False)
    return Checked(what, f"{source.settings['url']} answers and accepts the key.")


def check_typed_investigations(
    details: investigations.Details, secret: str, known: models.InvestigationSource | None
) -> Checked:
    """The same of what somebody types in, for a page, as ``check_typed_source``. The stored key is sent nowhere else
    than where it was given for."""
    try:
        require_reachable(details.url, settings.NETWORKS)
        typed = investigations.typed(details, secret, known)
        investigations.client_of(typed, **investigations.PAGE_LIMITS).check()
    except Unfit as error:
        return Checked("Sign-in", str(error), False)
    except Exception as error:  # pylint: disable=broad-exception-caught  # each has its text
        return Checked("Sign-in", at_a_page(error), False)
    return Checked("Sign-in", f"{details.url} answers and accepts the key.")


def check_connection(halo: models.Connection) -> Iterator[Checked]:
    """Whether a Halo instance accepts the application, and has what the connection names. Reads only."""
    what = f"connection {halo.name}"
    try:
        client = run.client_of(halo)
        client.test()
    except Exception as error:  # pylint: disable=broad-exception-caught  # the others have their turn
        yield Checked(what, told(error)[0], False)
        return
    yield Checked(what, f"{client.address} accepts the application.")
    options = Options.from_table(halo.settings)
    yield _statuses(what, halo.name, Instance(client, options))
    types = dict.fromkeys([options.ticket_type, options.parent_type])
    yield _names(f"{what}, ticket types", client, "tickettype", [name for name in types if name])
    agents = [options.closing_agent] if options.closing_agent else []
    yield _names(f"{what}, closing agent", client, "agent", agents)


# What the service looks up beside KINDS, as people call it. Which right each needs is the instance's own matter.
_SEARCHED = {"client": "clients", "site": "sites", "user": "users"}


def check_typed(halo: models.Connection) -> Iterator[Checked]:
    """The same of a connection that somebody types in, check by check, for a page: where an address leads is looked at
    before anything is sent there, and nothing that was answered is in the texts but names. Reads only.

    What cannot be told because of something before it is not in the checks.
    """
    for one in _addresses(halo):
        yield one
        if not one.ok:
            return
    try:
        client = page_client(halo)
        client.test()
    except Exception as error:  # pylint: disable=broad-exception-caught  # each has its text
        yield Checked("Sign-in", at_a_page(error), False)
        return
    yield Checked("Sign-in", f"{client.address} accepts the application, and shows it tickets.")
    for kind, words in {**KINDS, **_SEARCHED}.items():
        one, is_last = _right(client, kind, words)
        yield one
        if is_last:
            return
    yield _found(client)


def _addresses(halo: models.Connection) -> Iterator[Checked]:
    for what, key in (
        ("Address of the authorisation server", "auth_server"),
        ("Address of HaloITSM", "resource_server"),
    ):
        try:
            require_reachable(halo.settings[key].strip(), settings.NETWORKS)
            yield Checked(what, "The service may ask it.")
        except NotReachable as error:
            yield Checked(what, str(error), False)


def _right(client: HaloClient, kind: str, words: str) -> tuple[Checked, bool]:
    """Whether a list can be read, and whether it is of no use to ask for more."""
    what = f"Right to read {words}"
    try:
        rows = client.lookups.search(kind, "", most_pages=1) if kind in _SEARCHED else client.lookups.rows(kind)
    except Exception as error:  # pylint: disable=broad-exception-caught  # each has its text
        return Checked(what, at_a_page(error), False), is_lost(error)
    names = {name for row in rows if (name := str(row.get("name") or ""))}
    more = " or more" if kind in _SEARCHED and len(rows) >= 100 else ""
    return Checked(what, f"It sees {len(names)}{more}.", bool(names)), False


def _found(client: HaloClient) -> Checked:
    """Which of our statuses an instance has by their usual names."""
    try:
        mapped = Instance(client, Options()).status_map()
    except Exception as error:  # pylint: disable=broad-exception-caught  # each has its text
        return Checked("Statuses", at_a_page(error), False)
    found = [status.value for status in Status if status in mapped.write]
    text = f"HaloITSM has {len(mapped.names)} for tickets. Found by their names: {', '.join(found) or 'none of ours'}."
    return Checked("Statuses", text, bool(mapped.names))


def _statuses(what: str, name: str, instance: Instance) -> Checked:
    what = f"{what}, statuses"
    try:
        mapped = instance.status_map()
    except Exception as error:  # pylint: disable=broad-exception-caught  # the others have their turn
        return Checked(what, told(error)[0], False)
    unmapped = [status.value for status in mapped.unmapped()]
    if not unmapped:
        return Checked(what, "All six are mapped.")
    text = (
        f"Not mapped: {', '.join(unmapped)}. Steps that would set them are not done. Map each: "
        f'remediation connect {name} --status "{unmapped[0]}=..."'
    )
    return Checked(what, text, False)


def _names(what: str, client: HaloClient, kind: str, wanted: list[str]) -> Checked:
    """Whether the instance has each name exactly once."""
    if not wanted:
        return Checked(what, "None is named, so HaloITSM's own rules count.")
    try:
        there = sorted({str(row.get("name")) for row in client.lookups.rows(kind) if row.get("name")})
    except Exception as error:  # pylint: disable=broad-exception-caught  # the others have their turn
        return Checked(what, told(error)[0], False)
    unknown = [name for name in wanted if client.lookups.number(kind, name) is None]
    if unknown:
        text = (
            f"HaloITSM has none, or more than one, named {', '.join(map(repr, unknown))}. It has: {', '.join(there)}."
        )
        return Checked(what, text, False)
    return Checked(what, f"HaloITSM has {', '.join(map(repr, wanted))}.")
