"""Which of Cisco's systems a text means."""

from __future__ import annotations

import pytest

from remediation.domain.cisco_software import Software, software_of

SURE = {
    "Cisco IOS XE 17.9.4a": ("iosxe", "17.9.4a"),
    "Cisco IOS-XE 16.12.4": ("iosxe", "16.12.4"),
    "Cisco IOS XE Software, Version 17.09.04a": ("iosxe", "17.9.4a"),
    "Cisco IOS Software [Gibraltar], Catalyst L3 Switch Software (CAT9K_IOSXE), Version 16.12.10": (
        "iosxe",
        "16.12.10",
    ),
    "Cisco IOS XE 3.16.5S": ("iosxe", "3.16.5S"),
    "Cisco IOS 15.2(4)M6": ("ios", "15.2(4)M6"),
    "CISCO IOS Version 12.2(55)SE12": ("ios", "12.2(55)SE12"),
    "Cisco IOS 15.2(7)E0a on a C2960": ("ios", "15.2(7)E0a"),
    "Cisco NX-OS 9.3(8)": ("nxos", "9.3(8)"),
    "Cisco Nexus 9000, NX-OS 7.0(3)I7(9)": ("nxos", "7.0(3)I7(9)"),
    "Cisco ACI 14.2(1i)": ("aci", "14.2(1i)"),
    "Cisco ASA 9.16(4)": ("asa", "9.16.4"),
    "Cisco Adaptive Security Appliance Software 9.16(4)19": ("asa", "9.16.4.19"),
    "Cisco ASA 5516-X 9.16.1": ("asa", "9.16.1"),
    "Cisco Firepower Threat Defense 7.0.5": ("ftd", "7.0.5"),
    "Cisco Secure Firewall Threat Defense 7.2.4.1": ("ftd", "7.2.4.1"),
    "Cisco Firepower Management Center 7.2.5": ("fmc", "7.2.5"),
    "Cisco FXOS 2.10(1.179)": ("fxos", "2.10.1.179"),
    "Cisco FXOS 2.6.1.131": ("fxos", "2.6.1.131"),
}
UNSURE = [
    None,
    "",
    "Cisco",
    "Apple iOS 17.1.2",
    "IOS XE 17.9.4a",  # whose it is has to be said
    "Cisco IOS XR 7.3.1",
    "Cisco IOS XE 17.9",  # no whole version
    "Cisco IOS 15.2",
    "Cisco IOS XE 17.9.4a or 17.6.1",
    "Cisco ASA 9.16(4) with FTD 7.0.5",
    "Cisco APIC 5.2(4d)",
    "Cisco IOS XE 17.9.4a.1.2.3.4",
    "Cisco NX-OS 9.3(8",
    "Cisco ACI 5.2(4d)",
    "Cisco AnyConnect 4.10.1",
    "Linux 5.15.0",
    "Cisco IOS " + "9" * 10_000,
    "Cisco " + "x" * 10_000 + " IOS XE 17.9.4a",
    "Cisco IOS XE <script>17.9.4a(</script>",
]


@pytest.mark.parametrize("text", SURE)
def test_a_text_that_is_sure(text: str) -> None:
    assert software_of(text) == Software(*SURE[text])


@pytest.mark.parametrize("text", UNSURE)
def test_a_text_that_is_not(text: str | None) -> None:
    assert software_of(text) is None


def test_it_is_told_as_people_write_it() -> None:
    assert Software("iosxe", "17.9.4a").title == "Cisco IOS XE 17.9.4a"
