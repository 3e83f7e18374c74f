"""The addresses of a HaloITSM instance, corrected or refused. Pure.

Halo's admin page shows a resource server (``https://host/api``) and an authorisation server (``https://host/auth``)
(official guide, seen live). People paste them with spaces, with extra slashes, without the last part of the path or
with more than one.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlencode, urlsplit

from ..errors import HaloError


def api_address(text: object) -> str:
    """``https://host/api`` from what was typed as resource server. Raises HaloError."""
    base, steps = _split(text, "Resource Server", "api")
    while steps and steps[-1].lower() == "api":
        steps.pop()
    return "/".join([base, *steps, "api"])


def token_addresses(text: object, tenant: str = "") -> tuple[str, ...]:
    """Where an access token may be had, from what was typed as authorization server, the likeliest address first.

    An instance has it at ``https://host/auth/token``, a shared authorization server at ``https://host/token`` (both
    seen live). So an address with a path is taken as given first, and one without is tried both ways. ``?tenant=..`` is
    added if one is given. Raises HaloError.
    """
    try:
        query = "?" + urlencode({"tenant": tenant}) if tenant else ""
    except UnicodeError:
        raise HaloError(
            kind="address",
            cause="The Tenant of the connection holds a character that cannot be sent.",
            assistance="Copy it from Config > Integrations > Halo API.",
        ) from None
    base, steps = _split(text, "Authorization Server", "auth")
    explicit = bool(steps) and steps[-1].lower() == "token"
    while steps and steps[-1].lower() == "token":
        steps.pop()
    below_auth = bool(steps) and steps[-1].lower() == "auth"
    while steps and steps[-1].lower() in ("auth", "token"):
        steps.pop()
    usual, shared = ("/".join([base, *steps, *ending, "token"]) + query for ending in (("auth",), ()))
    if below_auth:
        return (usual,)
    return (shared, usual) if steps or explicit else (usual, shared)


def ticket_address(api: str, ticket_id: int) -> str:
    """The link that opens a ticket in Halo: ``https://host/ticket?id=N`` (seen in production clients)."""
    return f"{api.removesuffix('/api')}/ticket?id={ticket_id}"


def _split(text: object, name: str, ending: str) -> tuple[str, list[str]]:
    """``https://host`` and the steps of the path. Raises HaloError for what is no usable address."""
    typed = text.strip() if isinstance(text, str) else ""
    try:
        parts = urlsplit(typed)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refusal(name, "is not a URL", ending) from None
    if parts.scheme.lower() not in ("http", "https") or not _is_host(host) or port == 0:
        raise _refusal(name, "is not a URL", ending)
    if parts.username is not None or parts.password is not None:
        raise _refusal(name, "holds a user name or password", ending)
    if parts.query or parts.fragment:
        raise _refusal(name, "holds a query (the tenant has a field of its own)", ending)
    if parts.scheme.lower() == "http" and not is_loopback(host):
        raise _refusal(name, "is plain http, which would send the client secret unencrypted", ending)
    steps = [step for step in parts.path.split("/") if step.strip()]
    if any(re.search(r"[\s\x00-\x1f]", step) for step in steps):
        raise _refusal(name, "is not a URL", ending)
    where = f"[{host}]" if ":" in host else host
    return f"{parts.scheme.lower()}://{where}{f':{port}' if port else ''}", steps


def _is_host(host: str) -> bool:
    if ":" in host:
        return _ip(host) is not None
    try:
        name = host.rstrip(".").encode("idna").decode() if re.fullmatch(r"[\w.-]+", host) else ""
    except UnicodeError:
        return False
    # A host that is named like a scheme comes from an address that was pasted twice.
    fits = len(name) <= 253 and name.lower() not in ("http", "https")
    return fits and all(re.fullmatch(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", label) for label in name.split("."))


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    address = _ip(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def _refusal(name: str, what: str, ending: str) -> HaloError:
    return HaloError(
        kind="address",
        cause=f"The {name} of the connection {what}.",
        assistance=f"Enter it as Halo shows it under Config > Integrations > Halo API, "
        f"for example https://example.haloitsm.com/{ending}.",
    )
