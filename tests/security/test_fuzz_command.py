"""The fuzzing command finds planted faults, reports them, and then fails."""

import random
import re
import time

import pytest

from komand_haloitsm.util.halo.webhook import UnreadableWebhook, notices
from tools import fuzz


def run(tmp_path, *arguments):
    return fuzz.main(["--own-loop", "--crashes", str(tmp_path / "crashes"), *arguments])


def test_the_parser_bears_a_moment_of_it(tmp_path, capsys):
    assert run(tmp_path, "--seconds", "1.5") == 0
    told = capsys.readouterr().out
    counts = re.findall(r"(\w+): ([\d,]+) executions in \d+ s, (\d+) edges, (\d+) inputs kept, 0 crashes", told)
    assert [count[0] for count in counts] == ["notices", "is_authentic"]
    assert all(int(count[1].replace(",", "")) > 50 and int(count[2]) > 20 for count in counts)
    assert not (tmp_path / "crashes").exists()


def test_what_crashes_is_saved_and_told_once(tmp_path, capsys, monkeypatch):
    def fragile(data):
        try:
            if any(notice.ticket_id == 18 for notice in notices(data)):
                raise KeyError("planted")
        except UnreadableWebhook:
            return

    monkeypatch.setitem(fuzz.TARGETS, "notices", fragile)
    assert run(tmp_path, "--seconds", "1", "--target", "notices") == 1
    (crash,) = (tmp_path / "crashes").iterdir()
    told = capsys.readouterr().out
    assert f"CRASH {crash}" in told and "KeyError at test_fuzz_command.py" in told
    with pytest.raises(KeyError):
        fragile(crash.read_bytes())


def test_an_input_that_hangs_is_a_crash(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS_FOR_ONE", 0.05)
    monkeypatch.setitem(fuzz.TARGETS, "notices", lambda data: time.sleep(5))
    assert run(tmp_path, "--seconds", "0.3", "--target", "notices") == 1
    assert "TooSlow at slow input" in capsys.readouterr().out


def test_an_answer_that_makes_no_sense_is_a_crash(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fuzz.webhook, "is_authentic", lambda body, headers, secret: headers.get("Authorization") == "")
    assert run(tmp_path, "--seconds", "0.3", "--target", "is_authentic") == 1
    assert "Nonsense" in capsys.readouterr().out


def test_it_follows_from_its_seed_and_goes_where_coverage_leads(tmp_path):
    def fuzzed(seed):
        fuzzer = fuzz.Fuzzer("notices", tmp_path, seed)
        result = fuzzer.run(60, executions=1500)
        return result.executions, result.edges, fuzzer._corpus

    one = fuzzed(3)
    assert one == fuzzed(3) != fuzzed(4)
    assert one[0] == 1500 and len(one[2]) > len(fuzz.seeds("notices"))


def test_changes_are_bounded_and_reach_everything():
    mutator = fuzz.Mutator(random.Random(1))
    data, seen = b"{}", set()
    for _ in range(3000):
        changed = mutator.change(data, b'{"object_id": 7}')
        assert isinstance(changed, bytes) and len(changed) <= fuzz.LONGEST
        seen.add(changed)
        data = changed if len(changed) < 500 else b'{"object_id": 7}'
    assert len(seen) > 2000
