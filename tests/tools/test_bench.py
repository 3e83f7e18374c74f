"""The proof commands work and judge rightly, in sizes that prove nothing; no test here looks at a time."""

import json
from collections import Counter
from pathlib import Path

import pytest

from halo_emulator import HaloEmulator
from komand_haloitsm.util.halo.errors import HaloError
from komand_haloitsm.util.insightconnect.errors import HaloITSMError, UncertainWriteError
from tools import faults, proof, soak
from tools.bench import __main__ as bench
from tools.bench import actions, catch_up, cold_start, receiver, search, server
from tools.bench.halo import halo_process
from tools.bench.load import Clients, http_request
from tools.bench.measure import Figure, Result, interleaved, percentile, ratio, shown
from tools.bench.process import Usage, family, plugin_server, usage
from tools.bench.report import Document, Table, about
from tools.orchestrator import Accepted


def test_a_figure_has_its_median_and_its_quartiles():
    assert Figure.of([4, 1, 3, 2, 5]) == Figure(3, 2, 4)
    assert Figure.of([7.0]) == Figure(7.0, 7.0, 7.0)
    assert percentile([3, 1, 2], 50) == 2 and percentile(list(range(100)), 99) == 99
    assert [shown(value) for value in (0.12345, 1.239, 1234.6, 3)] == ["0.123", "1.24", "1,235", "3"]


def test_a_ratio_is_that_of_the_medians():
    assert ratio([2.0] * 20, [1.0] * 20) == Figure(2.0, 2.0, 2.0)


def test_sides_are_called_in_turn():
    called = []
    samples = interleaved({"a": lambda: called.append("a"), "b": lambda: called.append("b")}, rounds=3, warm_up=1)
    assert called == ["a", "b"] + ["a", "b"] * 3
    assert len(samples["a"].wall) == len(samples["b"].cpu) == 3


def test_a_row_says_whether_its_goal_was_met():
    result = Result("name", "Title", "Method")
    result.at_most("low enough", 1.0, 1.25)
    result.at_most("too high", Figure(1.3, 1.2, 1.4), 1.25, "ms")
    result.at_least("high enough", 1200.0, 1000)
    result.add("only told", 5.0)
    assert [row.met for row in result.rows] == [True, False, True, None]
    assert "| too high | 1.30 ms | 1.20 .. 1.40 | at most 1.25 | NO |" in result.table().markdown()


def test_a_document_survives_its_file(tmp_path):
    document = Document("command", about(), [Table("Title", ("a", "b"), [["1", "2|3"]], "A note.")], False, {"x": 1})
    document.write(tmp_path / "deep" / "file.json")
    read = Document.read(tmp_path / "deep" / "file.json")
    assert (read.command, read.about, read.passed, read.data) == ("command", document.about, False, {"x": 1})
    assert read.tables[0].text() == document.tables[0].text() and "2\\|3" in read.tables[0].markdown()


def test_where_and_when_names_no_place_of_the_machine():
    told = about()
    assert set(told) == {"date", "commit", "machine", "python", "load at the start"}
    assert "/" not in "".join(told.values()).replace(" / ", "")


def test_the_emulator_in_a_process_of_its_own_counts_requests():
    with halo_process() as halo:
        numbers = halo.ask("log", 3)
        halo.ask("change", numbers, "again")
        halo.ask("move", numbers[:1], 2)
        sides = actions.pairs(halo.connection)
        halo.ask("forget")
        for pair in sides.values():
            for call in pair.values():
                call()
        counts = halo.ask("requests")
        with pytest.raises(RuntimeError, match="change"):
            halo.ask("change", [4711], "not there")
    assert counts["POST tickets"] == 2 and counts["GET tickets/N"] == 2 and counts["GET tickets"] >= 2


def test_instructions_are_counted_or_not():
    assert actions.counts_instructions() in (True, False)


def test_the_server_runs_actions_that_do_nothing_beside_ours():
    with halo_process() as halo, plugin_server(server._START_SCRIPT) as running, Clients(1) as clients:
        for port, request in server._targets(halo.connection, running).values():
            sent = clients.send(port, [request], clients=2, seconds=0.05)
            assert sent.status and sent.failed == 0 and sent.rate > 0
        assert len(family(running.pid)) >= 2 and usage(running.pid).threads >= 1
    assert usage(running.pid) is None


def test_a_request_is_what_was_asked_for():
    assert http_request("POST", "/x", {"Token": "t"}, b"body") == (
        b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nToken: t\r\n\r\nbody"
    )


def test_each_request_is_sent_once_and_its_place_is_known():
    chosen = list(range(10, 21))
    for count in (1, 2, 3, 16):
        assert sorted(receiver._order(chosen, count, len(chosen))) == chosen


def test_a_search_is_measured_in_a_process_of_its_own():
    with halo_process() as halo:
        halo.ask("log", 20)
        once = search._in_a_process(halo.connection, 20)
    assert set(once) == {"wall", "cpu", "memory", "requests_before"}


def test_a_cold_start_is_measured(tmp_path):
    plugin = cold_start.copied(tmp_path / "ours")
    assert not list(plugin.folder.rglob("__pycache__"))
    assert cold_start._info(plugin).cpu > 0
    assert cold_start._first_request(plugin).wall > 0
    assert not list(plugin.folder.rglob("__pycache__"))


def test_a_generated_method_gets_another_body(tmp_path):
    path = tmp_path / "action.py"
    path.write_text("class A:\n    def run(self, params={}):\n        # TODO\n\n        return {}\n    x = 1\n")
    cold_start._replace_body(path, "run", "        return 1\n")
    assert path.read_text() == "class A:\n    def run(self, params={}):\n        return 1\n    x = 1\n"
    with pytest.raises(RuntimeError, match="test"):
        cold_start._replace_body(path, "test", "")


def test_the_generated_plugin_can_be_somewhere_else(monkeypatch):
    monkeypatch.setenv("INSIGHT_PLUGIN", "somewhere/insight-plugin")
    assert cold_start.insight_plugin() == Path("somewhere/insight-plugin")


def test_the_command_runs_what_it_is_told(tmp_path, monkeypatch, capsys):
    def measured(quick):
        result = Result("search", "Some title", "Some method")
        result.at_most("a figure", 2.0 if quick else 0.0, 1.0)
        return result

    monkeypatch.setattr(search, "run", measured)
    assert bench.main(["search", "--quick", "--json", str(tmp_path / "bench.json")]) == 0
    document = Document.read(tmp_path / "bench.json")
    assert document.command == "python -m tools.bench search --quick" and document.passed is False
    assert document.data[0]["rows"][0]["met"] is False
    assert "Some title" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        bench.main(["nonsense"])
    for name in bench.NAMES:
        assert callable(bench.benchmark(name))


@pytest.mark.long
def test_the_receiver_and_the_catch_up_account_for_all_events(monkeypatch):
    monkeypatch.setattr(receiver, "SENDERS", (2,))
    told = {row.what: row for result in (receiver.run(True), catch_up.run(True)) for row in result.rows}
    judged = {what: row.met for what, row in told.items() if "did not come" in what or "came twice" in what}
    assert len(judged) == 5 and all(judged.values())
    assert told["2 senders: not accepted"].met


# -- faults -------------------------------------------------------------------------------------------------------------


def test_the_matrix_has_every_action_trigger_and_fault():
    cells = faults.action_cells()
    for name in faults.STEPS:
        assert {cell.trouble.kind for cell in cells if cell.who == name} == set(faults.KINDS)
    assert {cell.trouble.kind for cell in cells if cell.who == faults.WITH_REFERENCE.name} == set(faults.KINDS)
    named = {(cell.who, cell.trouble, cell.place, cell.circumstance and cell.circumstance.name) for cell in cells}
    assert len(cells) == len(named)
    odd = faults.odd_cells()
    assert {cell.trouble.kind for cell in odd} >= set(faults.LATE)
    for name in ("create_ticket", faults.WITH_REFERENCE.name, "add_comment", "close_ticket"):
        kinds = [cell.trouble.kind for cell in odd if cell.step.name == name]
        assert set(kinds) >= set(faults.LATE) and len(kinds) > 60
    others = faults.trigger_cells()
    assert {cell.trigger for cell in others} == set(faults.TRIGGERS)
    assert {cell.trouble.kind for cell in others if isinstance(cell, faults.TriggerCell)} == set(faults.KINDS)
    assert {cell.setback for cell in others if isinstance(cell, faults.SetbackCell)} == set(faults.SETBACKS)


@pytest.mark.parametrize("place", [faults.WORK, faults.EVERYTHING, faults.TOKEN, faults.EVERY_LIST])
def test_a_cell_of_an_action(place):
    cell = faults.ActionCell(faults.STEPS["create_ticket"], faults.Trouble("503", False, False), place)
    with faults.marked_tokens() as token:
        outcome = faults.run_action_cell(cell, token)
    assert outcome.wrong == [] and outcome.made == 1 and outcome.outcome == "done" and outcome.requests > 1


ODD = [
    *((faults.STEPS["close_ticket"].name, "nothing odd", kind) for kind in faults.LATE),
    (faults.WITH_REFERENCE.name, "no key, lists that lag", "504, 45 s late"),
]


@pytest.mark.parametrize("name, circumstance, kind", ODD)
def test_a_cell_of_an_odd_halo(name, circumstance, kind):
    """What tests/plugin/test_odd_halos.py does not have."""
    (cell,) = [
        cell
        for cell in faults.odd_cells()
        if (cell.step.name, cell.circumstance.name, cell.trouble.kind) == (name, circumstance, kind)
    ]
    with faults.marked_tokens() as token:
        outcome = faults.run_action_cell(cell, token)
    assert outcome.wrong == [] and outcome.made == 1 and outcome.outcome == "done"


def test_a_raw_error_and_a_told_secret_are_found(monkeypatch):
    def broken(connection, name, given):
        raise KeyError(connection.client._tokens.token())

    cell = faults.ActionCell(faults.STEPS["get_ticket"], faults.Trouble("401", False, False), faults.EVERY_LIST)
    monkeypatch.setattr(faults, "_run", broken)
    with faults.marked_tokens() as token:
        wrong = faults.run_action_cell(cell, token).wrong
    assert "a raw KeyError" in wrong and "an access token is logged or raised" in wrong
    assert token not in "".join(wrong)


def test_what_is_made_twice_or_too_late_is_wrong():
    cell = faults.ActionCell(faults.STEPS["create_ticket"], faults.Trouble("503", False, False), faults.WORK)
    found = faults._faults_of(cell, faults.Attempt({"ticket": {}}, None, faults.CAP + 60, made=(1, 2), right=False))
    assert found[0] == "made 2 times" and "not what it says" in found[1] and "past the cap" in found[2]
    assert faults._faults_of(cell, faults.Attempt(None, ValueError())) == ["a raw ValueError", "should have succeeded"]


def test_a_refusal_of_what_was_done_is_wrong_at_an_odd_halo():
    cell = faults.odd_cells()[0]
    error = HaloError(kind="refused", cause="It was refused.", assistance="Do not.")
    refused, lost = HaloITSMError(error), UncertainWriteError(error)
    assert faults._faults_of(cell, faults.Attempt(None, refused, made=(1,), done=True)) == ["refused, but it was done"]
    assert faults._faults_of(cell, faults.Attempt(None, refused)) == []
    assert faults._faults_of(cell, faults.Attempt(None, lost, made=(1,), done=True)) == []


def test_secrets_are_named_by_kind():
    secrets = faults.Secrets(("the-id",), ("a text",), "marker")
    assert secrets.told_by("the-id a text marker.x") == ["a credential", "an access token", "the text of a ticket"]
    assert secrets.told_by("a text", may_hold_texts=True) == []


@pytest.mark.long
def test_a_cell_of_a_trigger():
    cell = faults.TriggerCell("ticket_status_changed", faults.Trouble("truncated", False, False), faults.EVERYTHING)
    with faults.marked_tokens() as token:
        outcome = faults.run_trigger_cell(cell, token)
    assert outcome.wrong == [] and outcome.made == 2 and outcome.outcome == "all events delivered"


def test_a_lost_event_is_seen():
    with HaloEmulator() as halo:
        scene = faults._Scene(halo)
        scene.prepare()
        scene.play()
        for trigger in faults.TRIGGERS:
            cell = faults.TriggerCell(trigger, faults.Trouble("503", False, True), faults.EVERYTHING)
            assert scene.missing(cell, [])
        as_one = {"event_id": "1", "ticket": {"id": scene.second}, "old_status_id": 1, "new_status_id": 8}
        cell = faults.TriggerCell("ticket_status_changed", faults.Trouble("403", False, True), faults.EVERYTHING)
        assert len(scene.missing(cell, [Accepted(0.0, "t", as_one)])) == 2


def test_the_fault_command_writes_its_table(tmp_path, monkeypatch, capsys):
    outcome = faults.Outcome("get_ticket", faults.WORK, "503, once", "done", 2, 0, 1.0)
    monkeypatch.setattr(faults, "run_cells", lambda only, every: [outcome])
    assert faults.main(["--only", "actions", "--json", str(tmp_path / "faults.json")]) == 0
    assert "1 cells, 0 of them wrong" in capsys.readouterr().out
    outcome.wrong.append("made 2 times")
    assert faults.main([]) == 1
    assert Document.read(tmp_path / "faults.json").tables[1].title == "Faults: get_ticket"


# -- soak ---------------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_short_soak_adds_up(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(soak, "_SETTLING", 60.0)
    path = tmp_path / "soak.json"
    code = soak.main(["--minutes", "0.05", "--seed", "8", "--json", str(path)])
    assert code == 0, capsys.readouterr().out
    document = Document.read(path)
    assert document.passed and set(document.data["events"]) == set(soak.TRIGGERS)
    assert document.data["made"]["tickets"]["asked for"] > 0
    assert len(document.data["processes"]) >= 5


def test_what_is_made_twice_lost_or_unsaid_does_not_add_up():
    account = soak.Account()
    asked = [
        soak.Asked("create_ticket", mark, outcome, 0.0)
        for mark, outcome in zip("abcd", ("done", "done", "failed", "may exist"))
    ]
    soak.account_of_made(account, "tickets", asked, Counter({"a": 2, "c": 1, "d": 1}))
    assert account.wrong == [
        "tickets: made twice: a",
        "tickets: said to be done and is not there: b",
        "tickets: said to have failed and is there: c",
    ]


def test_events_that_are_missing_or_invented_do_not_add_up():
    with HaloEmulator() as halo:
        before = {number: len(rows) for number, rows in halo.actions.items()}
        number = halo.log_ticket(summary="New", agent_id=3)["id"]
        halo.change_ticket(number, status_id=2)
        halo.change_ticket(number, status_id=8)
        account = soak.Account()
        wrong = {"event_id": "x", "ticket": {"id": number}, "old_status_id": 1, "new_status_id": 8}
        soak.account_of_events(account, soak.Due(halo, before), [Accepted(0.0, "ticket_status_changed", wrong)])
    events = account.events
    assert [events[name]["missing"] for name in soak.TRIGGERS] == [1, 1, 2]
    assert events["ticket_status_changed"]["never happened"] == 1 and len(account.wrong) == 5


def test_transitions_may_be_shortened_only_in_order():
    happened = [(1, 2), (2, 8), (8, 9)]
    assert soak.is_shortened(happened, [(1, 9)]) and soak.is_shortened(happened, [(1, 8), (8, 9)])
    assert soak.is_shortened(happened, [(2, 8), (8, 9)]) and soak.is_shortened(happened, [])
    assert not soak.is_shortened(happened, [(1, 8)]) and not soak.is_shortened(happened, [(1, 7), (7, 9)])
    assert not soak.is_shortened(happened, [(8, 2), (2, 9)])


def test_what_grows_is_told():
    account = soak.Account()
    steady = [Usage(60_000, 60_000, 10, 5)] * 20
    growing = [Usage(60_000 + 2_000 * number, 0, 10 + 2 * number, 5) for number in range(20)]
    soak.account_of_processes(account, {"steady": steady, "growing": growing, "gone": []})
    assert account.wrong == [
        "growing: resident grew",
        "growing: descriptors grew",
        "gone: ended before it was looked at",
    ]


# -- proof --------------------------------------------------------------------------------------------------------------


def test_the_page_is_made_of_results(tmp_path, capsys):
    table = Table("Some figures", ("what", "figure"), [["a", "1"]])
    for name in ("bench", "faults", "soak"):
        Document(f"python -m tools.{name}", about(), [table], name != "bench").write(tmp_path / f"{name}.json")
    accounts = [{"trigger": name, "changes": 1000, "missing": [], "passed": True} for name in soak.TRIGGERS]
    (tmp_path / "storm.json").write_text("\n".join(map(json.dumps, accounts)))
    given = [f"--{one.name}={tmp_path / one.name}.json" for one in proof.PROOFS]
    page = tmp_path / "docs" / "proof.md"
    assert proof.main([*given, "--output", str(page)]) == 0
    text = page.read_text()
    assert text.count("### Some figures") == 3 and "| changes | 1,000 | 1,000 | 1,000 |" in text
    assert "python -m tools.soak" in text and about()["machine"] in text and "a goal was missed" in text
    (tmp_path / "storm.json").write_text(json.dumps({**accounts[0], "missing": ["x"], "passed": False}))
    assert proof.main([*given, "--output", str(page)]) == 1
    assert "storm: FAILED" in capsys.readouterr().out


def test_a_result_of_something_else_is_refused(tmp_path):
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(SystemExit):
        proof.collected(proof.PROOFS[0], tmp_path / "other.json")
    with pytest.raises(SystemExit):
        proof.collected(proof.PROOFS[2], tmp_path / "other.json")
