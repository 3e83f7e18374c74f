"""Whether a request came to a proxy by HTTPS: the proxy's X-Forwarded-Proto says so, and only a proxy is believed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
HEADER = "HTTP_X_FORWARDED_PROTO"


def believing(proxies: Collection[IPv4Network | IPv6Network], application: Application) -> Application:
    """The application, whose requests have the scheme https where one of these proxies says so."""

    def with_scheme(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if is_https(environ["REMOTE_ADDR"], environ.get(HEADER, ""), proxies):
            environ["wsgi.url_scheme"] = "https"
        return application(environ, start_response)

    return with_scheme


def is_https(peer: str, said: str, proxies: Collection[IPv4Network | IPv6Network]) -> bool:
    """Whether ``peer`` is one of the proxies and says https. Of several words, the last is the one that it added."""
    word = said.rpartition(",")[2].strip().lower()
    return word == "https" and any(ip_address(peer) in network for network in proxies)
