"""The network that an address is in. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import polars as pl

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_PLAIN_V4 = rf"^{_OCTET}(?:\.{_OCTET}){{3}}$"


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

    def of_each(self, addresses: pl.Series) -> pl.Series:
        """The same of many, at once where an address is written plainly. Null for null."""
        texts = addresses.unique().drop_nulls().rename("address")
        is_plain = texts.str.contains(_PLAIN_V4)
        plain = texts.filter(is_plain)
        others = texts.filter(~is_plain)
        known = pl.DataFrame(
            {
                "address": pl.concat([plain, others]),
                "network": pl.concat([self._of_plain(plain), others.map_elements(self.of, pl.String)]),
            },
            schema={"address": pl.String, "network": pl.String},
        )
        return addresses.replace_strict(known["address"], known["network"], default=None, return_dtype=pl.String)

    def _of_plain(self, addresses: pl.Series) -> pl.Series:
        octets = [addresses.str.split(".").list.get(place).cast(pl.Int64) for place in range(4)]
        number = sum((octet * 256 ** (3 - place) for place, octet in enumerate(octets)), pl.Series([0]))
        number = number // (size := 2 ** (32 - self.v4)) * size
        parts = pl.DataFrame([(number // 256 ** (3 - place) % 256).alias(str(place)) for place in range(4)])
        return parts.select(pl.format(f"{{}}.{{}}.{{}}.{{}}/{self.v4}", *"0123")).to_series()
