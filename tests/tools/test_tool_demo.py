"""tools/demo: which instance it works on, and what it leaves there when it is interrupted.

The demo runs as the process that make starts. The "real instance" is the emulator, reached as a real one would be.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from halo_emulator import Fault, HaloEmulator
from tools.demo.instance import AGENT, REQUIRED, Instance, WrongVariables, given_instance
from tools.demo.remains import Remains, ours
from tools.tree import ROOT

ALL = {
    "HALO_RESOURCE_SERVER": "https://example.haloitsm.com/api",
    "HALO_AUTH_SERVER": "https://example.haloitsm.com/auth",
    "HALO_CLIENT_ID": "an-id",
    "HALO_CLIENT_SECRET": "a-secret",
}
# Bound against hanging, not a measurement.
LONGEST = 60.0


class Demo:
    """The demo as a process whose process group Ctrl-C reaches, as from a terminal."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        others = {name: value for name, value in os.environ.items() if not name.startswith("HALO_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.demo"],
            cwd=ROOT,
            env={**others, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # As make starts it: the demo is the first that listens to Ctrl-C.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_IGN),
        )
        self.said = ""

    def until(self, words: str) -> None:
        """Wait until it says something."""
        assert self.process.stdout is not None
        while words not in self.said:
            line = self.process.stdout.readline()
            assert line, f"it ended without {words!r}: {self.said}"
            self.said += line

    def ctrl_c(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def children(self) -> list[int]:
        """The processes that it has started."""
        found = []
        for path in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            # A thread may have ended since it was listed.
            with suppress(OSError):
                found += [int(number) for number in path.read_text(encoding="ascii").split()]
        return found

    def end(self) -> int:
        """Its exit code. Whatever it is, there is no traceback and no secret."""
        rest, _ = self.process.communicate(timeout=LONGEST)
        self.said += rest
        assert "Traceback" not in self.said and "KeyboardInterrupt" not in self.said, self.said
        return self.process.returncode


@pytest.fixture
def halo() -> Iterator[HaloEmulator]:
    with HaloEmulator() as emulator:
        yield emulator


def variables(halo: HaloEmulator, **more: str) -> dict[str, str]:
    values = (halo.resource_server, halo.auth_server, halo.client_id, halo.client_secret)
    return {**dict(zip(REQUIRED, values)), **more}


def wait_for(happened: Callable[[], object]) -> None:
    end = time.monotonic() + LONGEST
    while not happened():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def posts(halo: HaloEmulator) -> list[str]:
    return [request.path for request in halo.requests if request.method == "POST" and "token" not in request.path]


def of_the_demo(halo: HaloEmulator) -> list[int]:
    """Its tickets that are not deleted. HaloITSM keeps deleted ones, marked."""
    there = {number: ticket for number, ticket in halo.tickets.items() if not ticket.get("deleted")}
    return [number for number, ticket in there.items() if str(ticket["summary"]).startswith("InsightConnect")]


def test_without_variables_it_is_the_stand_in_and_with_all_the_instance() -> None:
    assert given_instance({}) is None
    assert given_instance({name: " " for name in ALL}) is None
    assert given_instance(ALL) == Instance(*ALL.values())
    given = given_instance({**ALL, "HALO_TENANT": "t", AGENT: "3", "HALO_TICKET_TYPE_ID": "21"})
    assert given == Instance(*ALL.values(), tenant="t", agent_id=3, ticket_type_id=21)


@pytest.mark.parametrize("left_out", REQUIRED)
def test_one_that_is_missing_is_named_and_no_value_is_told(left_out: str) -> None:
    for some in ({**ALL, left_out: ""}, {name: value for name, value in ALL.items() if name != left_out}):
        with pytest.raises(WrongVariables, match=f"but not {left_out}\\.") as raised:
            given_instance(some)
        assert not any(value in str(raised.value) for value in ALL.values())


def test_a_variable_that_needs_the_others_names_them_all() -> None:
    with pytest.raises(WrongVariables, match=f"There is HALO_TENANT, but not {', '.join(REQUIRED)}\\."):
        given_instance({"HALO_TENANT": "example"})


@pytest.mark.parametrize(("name", "value"), [(AGENT, "1"), (AGENT, "Ingrid"), ("HALO_TICKET_TYPE_ID", "0")])
def test_an_id_that_is_none_is_refused(name: str, value: str) -> None:
    with pytest.raises(WrongVariables, match=f"{name} has to be an id"):
        given_instance({**ALL, name: value})


def test_with_some_variables_it_starts_nothing() -> None:
    demo = Demo({"HALO_RESOURCE_SERVER": "http://127.0.0.1:9/api", "HALO_CLIENT_ID": "an-id"})
    assert demo.end() == 2
    assert demo.said.startswith("FAILED: ") and "but not HALO_AUTH_SERVER, HALO_CLIENT_SECRET." in demo.said
    assert "connection test" not in demo.said


@pytest.mark.long
def test_on_an_instance_nobody_is_assigned_and_all_is_deleted(halo: HaloEmulator) -> None:
    demo = Demo(variables(halo))
    assert demo.end() == 0, demo.said
    assert "Left out, since HALO_AGENT_ID names nobody to assign: assign ticket, close ticket." in demo.said
    assert demo.said.endswith("Nothing is left behind in HaloITSM.\n") and not of_the_demo(halo)
    bodies = [request.body for request in halo.requests if request.method == "POST" and isinstance(request.body, list)]
    assert bodies and not any("agent_id" in row or "team" in row for body in bodies for row in body)


@pytest.mark.long
def test_what_is_told_is_used_and_what_may_not_be_deleted_is_named(halo: HaloEmulator) -> None:
    halo.denied = {("DELETE", "tickets")}
    halo.granted_scopes = {"read:tickets", "edit:tickets", "read:customers"}
    halo.outcomes = {"Internal", "Public Note"}
    given = {"HALO_SCOPE": "read:tickets edit:tickets read:customers", "HALO_PRIVATE_NOTE_OUTCOME": "Internal"}
    demo = Demo(variables(halo, HALO_AGENT_ID="3", HALO_TICKET_TYPE_ID="21", **given))
    demo.until("get ticket")
    demo.ctrl_c()
    assert demo.end() == 130, demo.said
    (number,) = of_the_demo(halo)
    assert (halo.tickets[number]["agent_id"], halo.tickets[number]["tickettype_id"]) == (3, 21)
    assert f"  ticket {number} could not be deleted: " in demo.said
    last = demo.said.splitlines()[-1]
    assert last.startswith(f"Ticket {number} ('InsightConnect demo") and last.endswith(" is left behind in HaloITSM.")


def test_ctrl_c_before_anything_was_imported(halo: HaloEmulator) -> None:
    demo = Demo(variables(halo))
    # Until then, the signal is ignored.
    wait_for(lambda: listens(demo))
    demo.ctrl_c()
    assert demo.end() == 130, demo.said
    assert demo.said.endswith("Stopped.\nNothing is left behind in HaloITSM.\n") and not halo.requests


def listens(demo: Demo) -> bool:
    """Whether the process has a handler for Ctrl-C, which was ignored when it was started."""
    status = Path(f"/proc/{demo.process.pid}/status").read_text(encoding="ascii")
    caught = int(re.findall(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)[0], 16)
    return bool(caught & 1 << signal.SIGINT - 1)


@pytest.mark.long
def test_ctrl_c_while_a_ticket_is_made_lets_it_be_made_and_deletes_it(halo: HaloEmulator) -> None:
    halo.inject(Fault("hang", "POST", "tickets", seconds=1.0))
    demo = Demo(variables(halo))
    wait_for(lambda: posts(halo))
    demo.ctrl_c()
    assert demo.end() == 130, demo.said
    assert "create ticket            success True" in demo.said and "search tickets" not in demo.said
    assert demo.said.endswith("Stopped.\nNothing is left behind in HaloITSM.\n") and not of_the_demo(halo)


@pytest.mark.long
def test_ctrl_c_twice_while_a_ticket_is_made_says_that_it_may_be_there(halo: HaloEmulator) -> None:
    halo.inject(Fault("hang", "POST", "tickets", after_commit=True, seconds=LONGEST))
    demo = Demo(variables(halo))
    wait_for(lambda: of_the_demo(halo))
    demo.ctrl_c()
    demo.until("Ctrl-C again")
    demo.ctrl_c()
    assert demo.end() == 130, demo.said
    (number,) = of_the_demo(halo)
    summary = halo.tickets[number]["summary"]
    last = f"Stopped at once.\nThere may be a ticket {summary!r} in HaloITSM: its making was cut off.\n"
    assert demo.said.endswith(last)
    halo.clear_faults()


@pytest.mark.long
def test_ctrl_c_twice_while_a_ticket_is_deleted_says_that_it_is_not_sure(halo: HaloEmulator) -> None:
    halo.inject(Fault("hang", "DELETE", "tickets", seconds=LONGEST))
    demo = Demo(variables(halo))
    demo.until("add comment")
    demo.ctrl_c()
    wait_for(lambda: any(request.method == "DELETE" for request in halo.requests))
    demo.ctrl_c()
    assert demo.end() == 130, demo.said
    (number,) = of_the_demo(halo)
    summary = halo.tickets[number]["summary"].removesuffix(", updated")
    assert demo.said.endswith(
        f"Stopped at once.\nTicket {number} ({summary!r}) is left behind in HaloITSM, unless it was still deleted.\n"
    )
    halo.clear_faults()


@pytest.mark.long
def test_ctrl_c_while_an_event_is_waited_for_ends_the_trigger_and_deletes_both(halo: HaloEmulator) -> None:
    demo = Demo(variables(halo))
    demo.until("the next poll finds it")
    demo.ctrl_c()
    assert demo.end() == 130, demo.said
    assert "event delivered" not in demo.said and len(re.findall(r"  ticket \d+ is deleted", demo.said)) == 2
    assert demo.said.endswith("Stopped.\nNothing is left behind in HaloITSM.\n") and not of_the_demo(halo)


def test_a_create_that_is_refused_is_looked_up_and_nobody_elses_ticket_is_deleted(halo: HaloEmulator) -> None:
    halo.mandatory_fields = {kind["id"]: {"category_1"} for kind in halo.lists.ticket_types}
    halo.ignored_parameters = {"search_summary"}
    demo = Demo(variables(halo))
    assert demo.end() == 1, demo.said
    assert "FAILED: create_ticket: " in demo.said and "HaloITSM shows no ticket 'InsightConnect demo" in demo.said
    assert not any(request.method == "DELETE" for request in halo.requests)


def test_a_ticket_whose_making_broke_off_is_deleted_where_it_is_found(halo: HaloEmulator) -> None:
    halo.inject(Fault("hang", "POST", "tickets", after_commit=True, seconds=LONGEST))
    demo = Demo(variables(halo))
    wait_for(lambda: of_the_demo(halo))
    (plugin,) = demo.children()
    os.kill(plugin, signal.SIGKILL)
    assert demo.end() == 1, demo.said
    assert "FAILED: create_ticket gave no answer" in demo.said
    assert demo.said.endswith("Nothing is left behind in HaloITSM.\n") and not of_the_demo(halo)
    halo.clear_faults()


def test_on_the_stand_in_everything_is_shown_and_nothing_left() -> None:
    demo = Demo({})
    demo.until("event delivered")
    assert demo.end() == 0, demo.said
    assert demo.said.endswith(
        "Done: every step did its work.\nNothing is left behind: the stand-in was in memory only.\n"
    )


def test_what_remains_is_told_a_sentence_a_ticket() -> None:
    remains = Remains()
    assert remains.lines() == []
    for summary, number in (("a", 1), ("b", 2), ("c", 3)):
        remains.making(summary)
        remains.made(summary, number)
    remains.making("d")
    remains.making("e")
    remains.not_found("e")
    for number, gone in ((1, True), (2, False)):
        remains.deleting(number)
        remains.deleted(number, gone)
    remains.deleting(3)
    assert remains.lines() == [
        "Ticket 2 ('b') is left behind in HaloITSM.",
        "Ticket 3 ('c') is left behind in HaloITSM, unless it was still deleted.",
        "There may be a ticket 'd' in HaloITSM: its making was cut off.",
        "HaloITSM shows no ticket 'e', whose making failed. It may still appear, some minutes later.",
    ]
    assert remains.numbers == [2, 3] and remains.unknown == ["d"]


def test_only_what_shows_our_summary_is_ours() -> None:
    rows = [
        {"id": 1, "summary": "Printer"},
        {"id": 2},
        {"id": 3, "summary": "AB-12: demo 7f"},
        {"id": 4, "summary": None},
    ]
    assert ours(rows, "demo 7f") == [3]
