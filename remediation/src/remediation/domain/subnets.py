"""The network that an address is in. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network


@dataclass(frozen=True)
class Subnets:
    """How many bits of an address of each kind name its network: 1 to 32, and 1 to 128."""

    v4: int = 24
    v6: int = 64

    def __post_init__(self) -> None:
        if not (1 <= self.v4 <= 32 and 1 <= self.v6 <= 128):
            raise ValueError("A network has 1 to 32 bits with IPv4, and 1 to 128 with IPv6.")

    def of(self, address: str) -> str | None:
        """As in ``10.1.2.0/24``; None for what is no address. A zone (``%eth0``) does not count."""
        try:
            known = ip_address(address.strip().partition("%")[0])
        except ValueError:
            return None
        return str(ip_network(f"{known}/{self.v4 if known.version == 4 else self.v6}", strict=False))
