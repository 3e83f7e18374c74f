"""An invented estate: 6 assets, 3 solutions, 6 vulnerabilities, scanned once. Its keys are those of the console's."""

from __future__ import annotations

from .estate import Estate

WINDOWS, LINUX = "Microsoft Windows Server 2019", "Ubuntu Linux 22.04"
WEB = (("SITE", "HQ"), ("SITE", "DMZ"), ("OWNER", "web-team"), ("CRITICALITY", "High"))

# Host name, address, MAC, system, tags. The last asset has no host name, as happens.
ASSETS = (
    ("web01.corp.example", "10.0.0.11", "00:50:56:aa:00:01", WINDOWS, WEB),
    ("web02.corp.example", "10.0.0.12", "00:50:56:aa:00:02", WINDOWS, WEB),
    ("db02.corp.example", "10.0.0.22", "00:50:56:aa:00:04", LINUX, (("SITE", "HQ"), ("OWNER", "dba-team"))),
    ("app02.corp.example", "10.0.0.32", "00:50:56:aa:00:06", LINUX, (("SITE", "HQ"), ("LOCATION", "Bern"))),
    ("clean01.corp.example", "10.0.0.41", "00:50:56:aa:00:07", LINUX, (("SITE", "HQ"), ("CUSTOM", "pci"))),
    (None, "10.0.0.99", None, LINUX, ()),
)

ROLLUP, OPENSSL, TLS = "msft-kb5099999-rollup", "ubuntu-upgrade-openssl", "disable-tls-1-0"

SOLUTIONS = (
    (ROLLUP, "2026-11 Cumulative Update (KB5099999)", "<p>Download and apply the patch</p>", "rollup"),
    (OPENSSL, "Upgrade openssl", "<p>Use <code>apt-get</code> to upgrade openssl</p>", "patch"),
    (TLS, "Disable TLS 1.0", "<p>Configure the server to require TLS 1.2</p>", "workaround"),
)


def seed_demo(estate: Estate) -> dict[str, str]:
    """Fill an empty estate and scan it. The asset ids, by host name or else address."""
    for solution in SOLUTIONS:
        estate.add_solution(*solution)
    exploit = {"id": "1", "name": "Invented exploit", "rank": "expert", "source": "invented"}
    # Seen live: the severity word does not follow the score.
    estate.add_vulnerability(
        "msft-cve-2026-10001", "Microsoft CVE-2026-10001", "critical", (ROLLUP,), ("CVE-2026-10001",),
        cvss3=9.8, cvss2=10.0, severity_score=7, risk_score=823.5, exploits=[exploit, exploit],
    )  # fmt: skip
    estate.add_vulnerability(
        "msft-cve-2026-10002", "Microsoft CVE-2026-10002", "severe", (ROLLUP,), ("CVE-2026-10002",), cvss3=9.1
    )
    estate.add_vulnerability(
        "ubuntu-cve-2026-20001", "openssl: overflow", "critical", (OPENSSL,), ("CVE-2026-20001", "CVE-2026-20002"), 8.1
    )
    estate.add_vulnerability("tlsv1_0-enabled", "TLS version 1.0 is enabled", "moderate", (TLS,), cvss2=4.3)
    estate.add_vulnerability("generic-icmp-timestamp", "ICMP timestamp response", "moderate", (), ("CVE-1999-0524",))
    estate.add_vulnerability("never-found", "On no asset", "moderate")
    ids = {row[0] or row[1]: estate.add_asset(*row) for row in ASSETS}
    web01, web02, db02, app02, _, unnamed = ids.values()
    for asset in (web01, web02):
        estate.find(asset, "msft-cve-2026-10001")
        estate.find(asset, "msft-cve-2026-10002")
    estate.find(db02, "ubuntu-cve-2026-20001")
    for asset in (web01, app02):
        for port in (443, 8443):
            estate.find(asset, "tlsv1_0-enabled", port, "TCP")
    estate.find(unnamed, "generic-icmp-timestamp")
    estate.scan()
    return ids
