"""Which HaloITSM the demo works on: the stand-in, or the instance that HALO_ variables describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

REQUIRED = ("HALO_RESOURCE_SERVER", "HALO_AUTH_SERVER", "HALO_CLIENT_ID", "HALO_CLIENT_SECRET")
TENANT, SCOPE, OUTCOME = "HALO_TENANT", "HALO_SCOPE", "HALO_PRIVATE_NOTE_OUTCOME"
AGENT, TICKET_TYPE = "HALO_AGENT_ID", "HALO_TICKET_TYPE_ID"


class WrongVariables(Exception):
    """The variables describe no instance; the text says what is missing or wrong. It quotes no value."""


@dataclass(frozen=True)
class Instance:
    """A HaloITSM and how to log in.

    ``scope`` and ``private_note_outcome`` are the connection's inputs of these names, with their defaults. ``agent_id``
    is who may be assigned to tickets that are made for show, ``ticket_type_id`` is their type. None: nobody, any type.
    """

    resource_server: str
    auth_server: str
    client_id: str
    client_secret: str
    tenant: str = ""
    scope: str = "all"
    private_note_outcome: str = "Private Note"
    agent_id: int | None = None
    ticket_type_id: int | None = None


def given_instance(environment: Mapping[str, str]) -> Instance | None:
    """The instance that the variables describe. None if no variable is set; an empty one counts as not set.

    Raises WrongVariables where some are set and others, which are needed, are not.
    """
    names = (*REQUIRED, TENANT, SCOPE, OUTCOME, AGENT, TICKET_TYPE)
    given = {name: value for name in names if (value := environment.get(name, "").strip())}
    if not given:
        return None
    missing = [name for name in REQUIRED if name not in given]
    if missing:
        raise WrongVariables(
            f"There is {', '.join(given)}, but not {', '.join(missing)}. Set all of {', '.join(REQUIRED)} to use your "
            "own instance, or none of them to use the stand-in."
        )
    resource_server, auth_server, client_id, client_secret = (given[name] for name in REQUIRED)
    return Instance(
        resource_server,
        auth_server,
        client_id,
        client_secret,
        tenant=given.get(TENANT, Instance.tenant),
        scope=given.get(SCOPE, Instance.scope),
        private_note_outcome=given.get(OUTCOME, Instance.private_note_outcome),
        # 1 stands for nobody in HaloITSM.
        agent_id=number(AGENT, given, least=2),
        ticket_type_id=number(TICKET_TYPE, given, least=1),
    )


def number(name: str, given: Mapping[str, str], least: int) -> int | None:
    """The id in a variable, None if it is not set. Raises WrongVariables for anything but an id."""
    text = given.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise WrongVariables(f"{name} has to be an id, a number from {least} on.")
    return int(text)
