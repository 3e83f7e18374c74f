"""Where people may point the service at from its pages: its own process must not ask what only it can reach.

Public addresses may be asked. Those of private networks only where REMEDIATION_NETWORKS names them, and this machine's
own likewise. Link-local ones, with the metadata services of clouds, and those that are nobody's are never asked.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# Alibaba's and Oracle's metadata services answer at addresses that look public or private; those of others are
# link-local, or in fd00:ec2::/32.
METADATA = [ip_network(text) for text in ("100.100.100.200/32", "192.0.0.192/32", "fd00:ec2::/32")]
# Where addresses of version 6 have one of version 4 in them, and how many bits are behind it: mapped ones, NAT64
# (RFC 6052), and 6to4 (RFC 3056), which older versions of Python take for public whatever is in them.
WITH_IPV4 = [
    (ip_network(text), place) for text, place in (("::ffff:0:0/96", 0), ("64:ff9b::/96", 0), ("2002::/16", 80))
]


class NotReachable(ValueError):
    """An address that the service does not ask. The text is for the person who gave it."""


def resolved(host: str) -> list[str]:
    """The addresses of a host name. Raises NotReachable."""
    try:
        return sorted({str(row[4][0]) for row in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)})
    except (OSError, UnicodeError):
        raise NotReachable(f"The name {host} cannot be resolved.") from None


def require_reachable(url: str, allowed: Iterable[Network], resolve: Callable[[str], Sequence[str]] = resolved) -> None:
    """Refuse a URL that the service may not ask. ``allowed`` are networks that are not public and may be asked.

    Every address of the host has to be allowed, because nobody knows which one is taken. Raises NotReachable.
    """
    host = _host(url)
    networks = list(allowed)
    for text in resolve(host):
        if why := _refusal(_in_ipv4(ip_address(text.partition("%")[0])), networks):
            raise NotReachable(f"{host} is at {why}.")


def _in_ipv4(address: Address) -> Address:
    """The address of version 4 to which one of version 6 leads through a gateway or by itself; else the same one."""
    if not isinstance(address, IPv6Address):
        return address
    for network, place in WITH_IPV4:
        if address in network:
            return IPv4Address(int(address) >> place & 0xFFFFFFFF)
    return address


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("https", "http") or not host or parts.username or parts.password:
        raise NotReachable(
            "An address is written as https://halo.example.com, without a user name or a password in it."
        )
    return host


def _refusal(address: Address, allowed: Sequence[Network]) -> str:
    """Why an address is not asked, "" where it is."""
    if address.is_link_local or any(address in network for network in METADATA):
        return "a link-local address or a metadata service, which is never asked"
    if address.is_multicast or address.is_unspecified:
        return "an address that is no machine's"
    if any(address in network for network in allowed):
        return ""
    if not address.is_global:
        return (
            "an address that is not public. Whoever runs the service allows it by REMEDIATION_NETWORKS, as in "
            "REMEDIATION_NETWORKS=10.0.0.0/8,192.168.4.0/24"
        )
    return ""
