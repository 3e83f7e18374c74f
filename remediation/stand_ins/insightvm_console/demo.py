"""An invented estate: 8 assets, 3 solutions, 9 vulnerabilities, scanned once with good credentials."""

from __future__ import annotations

from .world import World

WINDOWS, LINUX = "Microsoft Windows Server 2019", "Ubuntu Linux 22.04"

# Host name, address, MAC, system, owner, criticality, sites. The last asset has no host name, as happens.
ASSETS = (
    ("web01.corp.example", "10.0.0.11", "00:50:56:aa:00:01", WINDOWS, "web-team", "High", ("HQ", "DMZ")),
    ("web02.corp.example", "10.0.0.12", "00:50:56:aa:00:02", WINDOWS, "web-team", "High", ("HQ", "DMZ")),
    ("db01.corp.example", "10.0.0.21", "00:50:56:aa:00:03", WINDOWS, "dba-team", "Very High", ("HQ",)),
    ("db02.corp.example", "10.0.0.22", "00:50:56:aa:00:04", LINUX, "dba-team", "Very High", ("HQ",)),
    ("app01.corp.example", "10.0.0.31", "00:50:56:aa:00:05", LINUX, "app-team", "Medium", ("HQ",)),
    ("app02.corp.example", "10.0.0.32", "00:50:56:aa:00:06", LINUX, "app-team", "Medium", ("HQ",)),
    ("clean01.corp.example", "10.0.0.41", "00:50:56:aa:00:07", LINUX, "app-team", "Low", ("HQ",)),
    (None, "10.0.0.99", None, LINUX, None, None, ("HQ",)),
)

ROLLUP, OPENSSL, TLS = "msft-kb5099999-rollup", "ubuntu-upgrade-openssl", "disable-tls-1-0"

SOLUTIONS = (
    (ROLLUP, "2026-11 Cumulative Update (KB5099999)", "<p>Download and apply the patch</p>", "ROLLUP", "1 hour"),
    (OPENSSL, "Upgrade openssl", "<p>Use <code>apt-get</code> to upgrade openssl</p>", "PATCH", "30 minutes"),
    (TLS, "Disable TLS 1.0", "<p>Configure the server to require TLS 1.2</p>", "WORKAROUND", "5 minutes"),
)

# Key, title, severity score, CVSS, CVEs, solution, needs credentials, risk, exploits.
VULNERABILITIES = (
    ("msft-cve-2026-10001", "Microsoft CVE-2026-10001", 10, 9.8, ("CVE-2026-10001",), ROLLUP, True, 823.5, 2),
    ("msft-cve-2026-10002", "Microsoft CVE-2026-10002", 9, 9.1, ("CVE-2026-10002",), ROLLUP, True, 790.0, 1),
    ("msft-cve-2026-10003", "Microsoft CVE-2026-10003", 7, 7.5, ("CVE-2026-10003",), ROLLUP, True, 512.0, 0),
    (
        "ubuntu-cve-2026-20001",
        "openssl: overflow",
        8,
        8.1,
        ("CVE-2026-20001", "CVE-2026-20002"),
        OPENSSL,
        True,
        601.0,
        0,
    ),
    ("ubuntu-cve-2026-20003", "openssl: leak", 5, 5.3, ("CVE-2026-20003",), OPENSSL, True, 305.0, 0),
    ("ubuntu-cve-2026-20004", "openssl: crash", 6, 6.5, ("CVE-2026-20004",), OPENSSL, True, 350.0, 0),
    ("ssl-cve-2011-3389-beast", "TLS/SSL server allows BEAST", 4, 4.3, ("CVE-2011-3389",), TLS, False, 210.0, 0),
    ("tlsv1_0-enabled", "TLS version 1.0 is enabled", 3, None, (), TLS, False, 120.0, 0),
    ("generic-icmp-timestamp", "ICMP timestamp response", 1, None, ("CVE-1999-0524",), None, False, 1.0, 0),
)

MICROSOFT, UBUNTU, OUTSIDE = (
    [row[0] for row in VULNERABILITIES[:3]],
    [row[0] for row in VULNERABILITIES[3:6]],
    [row[0] for row in VULNERABILITIES[6:8]],
)


def seed_demo(world: World) -> dict[str, int]:
    """Fill an empty world and scan it. The asset ids, by host name or else address."""
    with world.by_one_connection():
        return _seeded(world)


def _seeded(world: World) -> dict[str, int]:
    for solution in SOLUTIONS:
        world.add_solution(*solution)
    for vulnerability in VULNERABILITIES:
        world.add_vulnerability(*vulnerability)
    ids = {row[0] or row[1]: world.add_asset(*row) for row in ASSETS}
    web01, web02, db01, db02, app01, app02, _, unnamed = ids.values()
    for asset, keys in ((web01, MICROSOFT), (web02, MICROSOFT), (db01, MICROSOFT[:2]), (db02, UBUNTU), (app01, UBUNTU)):
        for key in keys:
            world.find(asset, key)
    for asset in (web01, web02, app02):
        for key in OUTSIDE:
            world.find(asset, key, instances=2)
    world.find(unnamed, "generic-icmp-timestamp")
    world.scan()
    return ids
