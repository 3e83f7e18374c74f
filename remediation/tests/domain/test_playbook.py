"""Playbooks: whatever a scanner says, it is shown and never run, and the file is the YAML of the data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as properties
from hypothesis import strategies as some

from remediation.domain.hosts import LINUX, OTHER, WINDOWS, Device, group_of, hosts_of, inventory
from remediation.domain.playbook import MOST_DEVICES, MOST_FIXES, Fix, play_of, playbook_of
from remediation.domain.playbook_yaml import WIDTH, Unsafe, lines_of, seen, written
from remediation.domain.remedy_text import KB, NAME, VERSION, told_by
from stand_ins.playbooks import DEVICES, EXAMPLES, NASTY, NASTY_DEVICES

ALLOWED = {
    "ansible.builtin.apt",
    "ansible.builtin.assert",
    "ansible.builtin.debug",
    "ansible.builtin.dnf",
    "ansible.builtin.package_facts",
    "ansible.builtin.service",
    "ansible.builtin.service_facts",
    "ansible.builtin.set_fact",
    "ansible.windows.win_updates",
}
ABOUT = {"name", "when", "register", "become", "check_mode", "loop", "run_once"}


class _Loader(yaml.SafeLoader):
    """As Ansible reads: what is marked is known from the rest."""


_Loader.add_constructor("!unsafe", lambda loader, node: Unsafe(loader.construct_scalar(node)))

texts = some.one_of(
    some.text(max_size=200),
    some.sampled_from(NASTY),
    some.builds(
        "{}{}{}".format,
        some.sampled_from(["yum update ", "apt-get install ", "Update the package ", "systemctl disable ", "Apply KB"]),
        some.one_of(some.text(max_size=20), some.from_regex(r"[a-z0-9]{1,9}", fullmatch=True)),
        some.sampled_from(
            ["", "\n", "={{7*7}}", " to version {{7*7}}", " {{ 7 * 7 }}", "'\"", "; reboot", "\n- hosts: all"]
        ),
    ),
)
devices = some.builds(Device, texts, texts, texts, texts)
fixes = some.builds(Fix, texts, texts, texts, texts, some.lists(texts, max_size=3), some.lists(devices, max_size=3))


def read(text: str) -> Any:
    return yaml.load(text, _Loader)  # noqa: S506  # it is a safe one


def tasks_of(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        if "block" in task:
            assert task.keys() == {"name", "when", "block"}
            yield from tasks_of(task["block"])
        else:
            yield task


@given(some.lists(fixes, max_size=3))
@properties(max_examples=60)
def test_whatever_a_scanner_says(of: list[Fix]) -> None:
    of = [replace(fix, vulnerabilities=tuple(fix.vulnerabilities), devices=tuple(fix.devices)) for fix in of]
    made = playbook_of(of)
    plays = read(made.text)
    wanted = [play_of(place, fix, told_by(fix.name, fix.text)) for place, fix in enumerate(of, 1)]
    assert plays == wanted, "load(dump) is what was dumped"
    # What cannot be told from the value of a text: which of them Ansible may look into.
    assert [type(one) for one in flat(plays)] == [
        Unsafe if type(one) is Unsafe else str if isinstance(one, str) else type(one) for one in flat(wanted)
    ]
    for place, play in enumerate(plays, 1):
        # All that is the same for each solution is ours; the rest stands in variables.
        plain = play_of(place, Fix("x"), told_by(of[place - 1].name, of[place - 1].text))
        assert {**play, "vars": 0} == {**plain, "vars": 0}
        for task in tasks_of(play["tasks"]):
            assert len(task.keys() & ALLOWED) == 1 and task.keys() <= ALLOWED | ABOUT
        checked_variables(play["vars"], f"remedy_{place}_")
    hosts = read(made.inventory)["all"]["children"]
    for name, group in hosts.items():
        assert re.fullmatch(r"os_(linux|windows|other)|remedy_\d+", name)
        for host, known in group["hosts"].items():
            assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", host)
            assert host.lower() not in ("localhost", "all", "ungrouped")
            assert known.keys() <= {"ansible_host"} and re.fullmatch(r"[0-9a-f.:]*", known.get("ansible_host", ""))


def checked_variables(known: dict[str, Any], prefix: str) -> None:
    for name, value in known.items():
        part = name.removeprefix(prefix)
        if part in ("deb", "rpm"):
            assert all(NAME.fullmatch(package) for package in value)
            assert all(not version or VERSION.fullmatch(version) for version in value.values())
        elif part == "services":
            assert all(NAME.fullmatch(service) for service in value)
        elif part == "kbs":
            assert all(KB.fullmatch(update) for update in value)
        elif part == "confirmed":
            assert value is False
        else:
            assert all(type(line) is Unsafe and len(line) <= WIDTH for line in value), part


def flat(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, of in value.items():
            yield str(key)
            yield from flat(of)
    elif isinstance(value, list):
        for of in value:
            yield from flat(of)
    else:
        yield value


@given(
    some.recursive(
        some.text() | some.booleans(), lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner)
    )
)
@properties(max_examples=100)
def test_any_plain_data_is_read_as_it_was_written(data: Any) -> None:
    assert yaml.safe_load(written(data, "# x\n")) == data


def test_a_version_is_no_template() -> None:
    """A version stands beside a package's name: it is a text of the scanner's as well."""
    made = read(playbook_of([Fix("x", "apt-get install a={{7*7}}\nUpdate package b to version {{7*7}}")]).text)
    for family in ("deb", "rpm"):
        for version in made[0]["vars"].get(f"remedy_1_{family}", {}).values():
            assert "{" not in version


def test_the_header_holds_no_text_of_a_scanner() -> None:
    for fixes_of in EXAMPLES.values():
        made = playbook_of(fixes_of)
        for text in (made.text, made.inventory):
            comments = [line for line in text.splitlines() if line.startswith("#")]
            assert comments and "touch" not in "".join(comments)
    made = playbook_of(EXAMPLES["packages"])
    assert "has run none of it" in made.text and "--check" in made.text and made.inventory_name in made.text


def test_the_same_fixes_have_the_same_name_and_others_another() -> None:
    one, other = EXAMPLES["packages"], EXAMPLES["services"]
    assert playbook_of(one) == playbook_of(one)
    assert len({playbook_of(one).name, playbook_of(other).name, playbook_of(one[:1]).name}) == 3
    fewer = [replace(one[0], devices=one[0].devices[:1])]
    assert playbook_of(fewer).inventory_name != playbook_of(one[:1]).inventory_name


def test_what_is_told_has_tasks_and_the_rest_is_for_a_person() -> None:
    made = playbook_of([*EXAMPLES["packages"], *EXAMPLES["by-hand"], *EXAMPLES["windows"], *EXAMPLES["services"]])
    assert (made.fixes, made.by_hand, made.devices) == (5, 1, len(DEVICES))
    plays = read(made.text)
    used = [{name for task in tasks_of(play["tasks"]) for name in task.keys() & ALLOWED} for play in plays]
    assert {"ansible.builtin.apt", "ansible.builtin.dnf"} <= used[0]
    assert used[2] == {"ansible.builtin.debug", "ansible.builtin.assert"} and not plays[2]["gather_facts"]
    assert "ansible.windows.win_updates" in used[3] and "ansible.builtin.service" in used[4]
    for play in plays:
        assert list(tasks_of(play["tasks"]))[-1]["name"] == "Say whether the host is compliant"


def test_hosts_that_are_none() -> None:
    hosts = hosts_of([*NASTY_DEVICES, NASTY_DEVICES[0]])
    assert len(set(hosts.names.values())) == len(NASTY_DEVICES) and hosts.sanitised == 7
    assert "localhost" not in hosts.names.values()
    assert hosts.variables["device-localhost"] == {}, "the machine that Ansible runs on is no device"
    assert hosts.variables["device-oProxyCommand-reboot"] == {"ansible_host": "192.0.2.20"}


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("web.corp.example", "web.corp.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("123", "device-123"),
        ("2001:db8::7", "device-2001-db8-7"),
        ("a_b", "device-a-b"),
        ("..", "device"),
        ("x" * 300, "device-" + "x" * 100),
    ],
)
def test_names_of_hosts(name: str, host: str) -> None:
    assert list(hosts_of([Device("1", name)]).names.values()) == [host]


@pytest.mark.parametrize(
    ("os", "group"),
    [("Microsoft Windows Server 2022", WINDOWS), ("Red Hat Enterprise Linux 9", LINUX), ("IOS XE", OTHER), ("", OTHER)],
)
def test_groups_of_systems(os: str, group: str) -> None:
    assert group_of(os) == group
    made = inventory(hosts_of([Device("1", "a", os=os)]), {})
    assert made == {"all": {"children": {group: {"hosts": {"a": {}}}}}}


def test_what_is_too_much_is_left_out_and_counted() -> None:
    many = tuple(Device(str(number), f"h{number}") for number in range(MOST_DEVICES + 3))
    made = playbook_of([Fix("x", devices=many, more=4), *[Fix("y")] * MOST_FIXES])
    assert (made.devices, made.left_out, made.left_out_fixes) == (MOST_DEVICES, 7, 1)
    assert "left out: 7" in made.inventory and "room for 50: 1" in made.text
    assert len(lines_of("line\n" * 500)) == 201 and lines_of("line\n" * 500)[-1] == "... and 300 more lines"


def test_nothing_invisible_is_kept() -> None:
    assert seen("a\N{RIGHT-TO-LEFT OVERRIDE}b\0c\td\N{ZERO WIDTH SPACE}") == "abc d"
