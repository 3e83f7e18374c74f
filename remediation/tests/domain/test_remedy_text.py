"""What a solution's text tells unambiguously, and what it does not."""

from __future__ import annotations

import time

import pytest

from remediation.domain.remedy_text import LONGEST, Told, told_by

OPENSSL = (("openssl", ""),)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Run yum update openssl", Told(rpm=OPENSSL)),
        ("Use `dnf -y upgrade openssl` to update it.", Told(rpm=OPENSSL)),
        ("Use the following command:\n  sudo yum update openssl", Told(rpm=OPENSSL)),
        ("yum update bb aa", Told(rpm=(("aa", ""), ("bb", "")))),
        ("sudo apt-get update && sudo apt-get install --only-upgrade libssl3", Told(deb=(("libssl3", ""),))),
        ("apt install libssl3=3.0.2-0ubuntu1.15", Told(deb=(("libssl3", "3.0.2-0ubuntu1.15"),))),
        ("Debian: apt-get install y\nRed Hat: yum update x", Told(deb=(("y", ""),), rpm=(("x", ""),))),
        ("Upgrade to the latest version of package openssl.", Told(deb=OPENSSL, rpm=OPENSSL)),
        ("Update the openssl package to the latest version", Told(deb=OPENSSL, rpm=OPENSSL)),
        (
            "Update package nginx to version 1.24.0.",
            Told(deb=(("nginx", "1.24.0"),), rpm=(("nginx", "1.24.0"),)),
        ),
        ("Disable the service telnet.", Told(services=("telnet",))),
        ("Disable the telnet service", Told(services=("telnet",))),
        ("systemctl disable --now rpcbind.service", Told(services=("rpcbind",))),
        ("chkconfig rsh off", Told(services=("rsh",))),
        ("2024-01 Cumulative Update for Windows 10 (KB5034122)", Told(kbs=("KB5034122",))),
        ("Download and apply KB 5034129, KB5034129", Told(kbs=("KB5034129",))),
    ],
)
def test_what_is_told(text: str, told: Told) -> None:
    assert told_by(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Upgrade Firefox to the latest version",
        "Run yum update openssl to fix it",
        "Run yum update",
        "apt-get upgrade",
        "Update the affected package",
        "Upgrade the following packages",
        "Do not run yum update openssl",
        "Do not run this:\nyum update openssl",
        "Never use `yum update openssl` here",
        "Instead of yum update openssl",
        "yum remove openssl",
        "apt-get install $(reboot)",
        "yum update {{ 7 * 7 }}",
        "yum update openssl | sh",
        "yum update ../../etc/passwd",
        "Update the package {{x}}",
        "systemctl disable sshd",
        "Disable the sshd service",
        "Disable the NetworkManager service",
        "systemctl disable multi-user.target",
        "systemctl stop telnet",
        "If it is not needed, disable the telnet service",
        "Disable the telnet service if nobody needs it",
        "Either patch it or disable the telnet service",
        "Disable this service",
        "KB5034441 causes trouble",
        "Uninstall KB5034441",
        "Install KB5034441, which supersedes KB5034123, without restart",
        "Install KB12",
    ],
)
def test_what_is_left_to_a_person(text: str) -> None:
    assert not told_by(text)


def test_one_sentence_takes_back_itself_only() -> None:
    assert told_by("Do not reboot. Run this:\nyum update openssl") == Told(rpm=OPENSSL)


@pytest.mark.parametrize("part", [" ", "update ", "yum ", "package ", "a.", "-", "`", "\n", "yum update -y ", "KB1"])
def test_no_text_takes_long(part: str) -> None:
    began = time.perf_counter()
    told_by(part * (2 * LONGEST // len(part)))
    assert time.perf_counter() - began < 2
