"""Where people may point the service at."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from remediation.reachable import NotReachable, require_reachable

ALLOWED = [ip_network("10.1.0.0/16"), ip_network("127.0.0.0/8")]
NAMES = {
    "halo.example": ["93.184.216.34", "2606:2800:21f:cb07::1"],
    "inside.example": ["10.1.2.3"],
    "outside.example": ["10.2.2.3"],
    "half.example": ["93.184.216.34", "192.168.1.1"],
    "cloud.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:169.254.169.254"],
    "nat64.example": ["64:ff9b::a9fe:a9fe"],
    "nat64-inside.example": ["64:ff9b::10.2.2.3"],
    "nat64-public.example": ["64:ff9b::93.184.216.34"],
    "6to4.example": ["2002:a9fe:a9fe::1"],
    "self.example": ["127.0.0.1"],
    "self6.example": ["::1"],
    "local6.example": ["fe80::1%eth0"],
    "aws6.example": ["fd00:ec2::254"],
    "none.example": ["0.0.0.0"],
    "many.example": ["224.0.0.1"],
}


@pytest.mark.parametrize(
    "url",
    [
        "https://halo.example/api",
        "http://inside.example:8080",
        "https://self.example",
        "https://nat64-public.example",
    ],
)
def test_what_may_be_asked(url: str) -> None:
    require_reachable(url, ALLOWED, lambda host: NAMES[host])


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("outside.example", "not public"),
        ("half.example", "not public"),
        ("self6.example", "not public"),
        ("cloud.example", "never asked"),
        ("mapped.example", "never asked"),
        ("nat64.example", "never asked"),
        ("nat64-inside.example", "not public"),
        ("6to4.example", "never asked"),
        ("local6.example", "never asked"),
        ("aws6.example", "never asked"),
        ("none.example", "no machine"),
        ("many.example", "no machine"),
    ],
)
def test_what_is_not_asked(host: str, said: str) -> None:
    with pytest.raises(NotReachable, match=said):
        require_reachable(f"https://{host}/", ALLOWED, lambda name: NAMES[name])


def test_link_local_is_not_asked_even_where_a_network_with_it_is_allowed() -> None:
    with pytest.raises(NotReachable):
        require_reachable("https://cloud.example", [ip_network("0.0.0.0/0")], lambda name: NAMES[name])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "halo.example",
        "ftp://halo.example",
        "file:///etc/passwd",
        "https://",
        "https://a:b@halo.example",
        "https://[::1",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(NotReachable, match="is written as"):
        require_reachable(url, ALLOWED, lambda name: NAMES[name])


def test_an_address_in_numbers_and_a_name_that_is_none() -> None:
    with pytest.raises(NotReachable, match="not public"):
        require_reachable("https://192.168.7.7/", [])
    with pytest.raises(NotReachable, match="cannot be resolved"):
        require_reachable("https://there-is-none.invalid/", [])
