"""An invented estate: 12 assets and 9 plugins, scanned once."""

from __future__ import annotations

from .world import World

WINDOWS, LINUX, IOS = "Microsoft Windows Server 2022", "Ubuntu Linux 22.04", "Cisco IOS XE 17.9"

# A short name, the domain name, the address, the host name, the MAC, the system.
ASSETS = (
    ("web01", "web01.corp.example", "10.1.0.11", None, "00:50:56:bb:00:01", WINDOWS),
    ("web02", "web02.corp.example", "10.1.0.12", None, "00:50:56:bb:00:02", WINDOWS),
    ("web03", "web03.corp.example", "10.1.0.13", None, "00:50:56:bb:00:03", LINUX),
    ("db01", "db01.corp.example", "10.1.0.21", "DB01", "00:50:56:bb:00:04", WINDOWS),
    ("db02", "db02.corp.example", "10.1.0.22", "db02", "00:50:56:bb:00:05", LINUX),
    ("app01", None, "10.1.0.31", "app01", "00:50:56:bb:00:06", LINUX),
    ("app02", None, "10.1.0.32", "app02", "00:50:56:bb:00:07", LINUX),
    ("file01", "file01.corp.example", "10.1.0.41", "FILE01", "00:50:56:bb:00:08", WINDOWS),
    ("core-sw1", "core-sw1.corp.example", "10.1.0.2", None, None, IOS),
    ("core-sw2", "core-sw2.corp.example", "10.1.0.3", None, None, IOS),
    ("printer", None, "10.1.0.99", None, None, "Embedded"),
    ("clean01", "clean01.corp.example", "10.1.0.51", None, "00:50:56:bb:00:09", LINUX),
)

MICROSOFT, UBUNTU, CISCO = "Windows : Microsoft Bulletins", "Ubuntu Local Security Checks", "CISCO"

# The number, the name, the family, the severity, CVSS 3 and 2, VPR, EPSS in percent, whether exploited, CVEs, solution.
PLUGINS = (
    (10001, "KB5099999: Windows Server (November 2026)", MICROSOFT, 4, 9.8, 10.0, 9.4, 91.2, True,
     ("CVE-2026-10001", "CVE-2026-10002"), "Apply Security Update 5099999"),
    (10002, "KB5098888: .NET (October 2026)", MICROSOFT, 3, 7.5, 7.8, 6.7, 4.25, False,
     ("CVE-2026-10003",), "Apply Security Update 5098888"),
    (20001, "Ubuntu : openssl (USN-7777-1)", UBUNTU, 3, 8.1, 7.1, 7.4, 10.647, True,
     ("CVE-2026-20001", "CVE-2026-1234567"), "Update the affected packages."),
    (20002, "Ubuntu : curl (USN-7778-1)", UBUNTU, 2, 5.3, 5.0, 3.6, 0.05, False,
     ("CVE-2026-20003",), "Update the affected packages."),
    (30001, "Cisco IOS XE web UI (cisco-sa-iosxe-webui)", CISCO, 4, 10.0, 10.0, 10.0, 94.0, True,
     ("CVE-2026-30001",), "Upgrade to the fixed version in the advisory."),
    (40001, "TLS Version 1.0 Protocol Detection", "Service detection", 2, 6.5, 6.1, None, None, False, (),
     "Enable TLS 1.2 and 1.3, and disable TLS 1.0."),
    (40002, "SMB Signing not required", "Misc.", 2, 5.3, 5.0, None, None, False, (), "Enforce message signing."),
    (40003, "ICMP Timestamp Request Remote Date Disclosure", "General", 1, None, 2.1, 2.2, None, False,
     ("CVE-1999-0524",), "Filter out the ICMP timestamp requests."),
    (50001, "OS Identification", "General", 0, None, None, None, None, False, (), "n/a"),
)  # fmt: skip

FOUND = (
    (("web01", "web02", "db01", "file01"), 10001, (0,)),
    (("web01", "db01"), 10002, (0,)),
    (("web03", "db02", "app01", "app02"), 20001, (0,)),
    (("web03", "app01"), 20002, (0,)),
    (("core-sw1", "core-sw2"), 30001, (443,)),
    (("web01", "web02"), 40001, (443, 8443)),
    (("file01",), 40002, (445,)),
    (("printer",), 40003, (0,)),
)


def seed_demo(world: World) -> dict[str, str]:
    """Fill an empty world and scan it. The UUIDs of the assets by their short names."""
    ids = {name: world.add_asset(fqdn, ip, host, mac, (system,)) for name, fqdn, ip, host, mac, system in ASSETS}
    for number, name, family, severity, cvss3, cvss2, vpr, epss, exploit, cves, solution in PLUGINS:
        world.add_plugin(
            number, name, family, severity,
            cvss3=cvss3, cvss2=cvss2, vpr=vpr, epss=epss, exploit=exploit, cves=cves, solution=solution,
        )  # fmt: skip
    for names, plugin, ports in FOUND:
        for asset in names:
            for port in ports:
                world.find(ids[asset], plugin, port)
    for asset in ids:
        world.find(ids[asset], 50001)
    world.scan()
    return ids
