"""Accepted risks as exceptions of a stand-in console, over HTTP: each state, each fault, and every sudden end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from remediation.domain.exceptions import LATE, REFERENCE, State
from remediation.domain.snapshot import Snapshot
from remediation.sources.errors import NoRightToWrite, SourceBusy, SourceError, Unreachable, WrongCredentials
from remediation.sources.excepting import MOST, Sent, release, send_exceptions, set_most
from remediation.sources.insightvm_exceptions import InsightVmExceptions
from remediation.sources.reading import NotAsked, reading_of
from remediation.store import acceptances, models
from remediation.store.intake import take_in
from remediation.store.one_at_a_time import Lock
from stand_ins.insightvm_console import Console
from tests.sudden_end import Death, dying

from .test_reading import source_of

WEB01, WEB02 = "1", "2"
ROLLUP = "msft-kb5099999-rollup"
CVE1, CVE2 = "msft-cve-2026-10001", "msft-cve-2026-10002"
LISTED = """SELECT vulnerability_exception_id AS number, asset_id::text AS asset, nexpose_id AS vulnerability,
    status_id AS state, expiration_date AS expires, submitted AS comment
    FROM insightvm.dim_vulnerability_exception JOIN insightvm.dim_vulnerability USING (vulnerability_id)
    LEFT JOIN insightvm_truth.exception_comment USING (vulnerability_exception_id) ORDER BY 1"""
LIVE = ("U", "A")
SEEN: list[Snapshot] = []


class Scene:
    """A console that was read once, and its source, which lets 20 exceptions be asked for in a run."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.source = source_of(console)
        self.now = timezone.now()
        if not SEEN:
            SEEN.append(reading_of(self.source).snapshot)
        # The console's estate is the same each time, and to read it takes a second.
        take_in(self.source, SEEN[0], is_answer=True)
        set_most(self.source, 20, "admin")
        console.requests.clear()

    def read(self) -> None:
        take_in(self.source, reading_of(self.source).snapshot, is_answer=True)

    def later(self, by: timedelta) -> None:
        self.now += by
        self.console.now = self.now

    def accept(self, days: int = 30, **what: str) -> models.RiskAcceptance:
        until = timezone.localdate(self.now) + timedelta(days=days)
        given: dict[str, Any] = {"asset": None, "solution": None, "vulnerability": None, **what}
        return acceptances.accept(self.source, **given, reason="Isolated", until=until, by="anna")

    def send(self) -> Sent:
        source = models.Source.objects.get(pk=self.source.pk)
        return send_exceptions(source, now=lambda: self.now, sleep=lambda _: None)

    def listed(self) -> list[Any]:
        factory = psycopg.rows.namedtuple_row
        with psycopg.connect(self.console.conninfo, row_factory=factory) as connection:
            return connection.execute(LISTED).fetchall()

    def states(self) -> dict[tuple[str, str], str]:
        rows = models.ConsoleException.objects.filter(source=self.source)
        return {(row.asset, row.vulnerability): row.state for row in rows}

    def writes(self) -> list[tuple[str, str]]:
        asked = [(method, path.removeprefix("/api/3")) for method, path in self.console.requests]
        return [(method, path) for method, path in asked if method != "GET" and not path.startswith("/reports")]


@pytest.fixture
def scene(console: Console, store: str) -> Scene:
    return Scene(console)


def the_row() -> models.ConsoleException:
    return models.ConsoleException.objects.get()


def test_nothing_is_sent_unless_somebody_says_so(scene: Scene) -> None:
    set_most(scene.source, None, "admin")
    scene.accept(vulnerability=CVE1)
    with pytest.raises(NotAsked):
        scene.send()
    assert not scene.console.requests and MOST not in models.Source.objects.get().settings
    assert models.AuditEntry.objects.filter(what="sending of exceptions changed").count() == 2
    files = models.Source.objects.create(name="weekly", kind="nessus")
    with pytest.raises(NotAsked):
        set_most(files, 5, "admin")


def test_from_an_acceptance_to_an_exception_that_hides_the_finding(scene: Scene) -> None:
    accepted = scene.accept(asset=WEB01, vulnerability=CVE1)
    assert str(scene.send()) == "Vulnerability exceptions: 1 asked for."
    (one,) = scene.listed()
    assert (one.asset, one.vulnerability, one.state) == (WEB01, CVE1, "U")
    assert one.expires == accepted.expires + timedelta(days=1), "it holds on its last day"
    assert one.comment.startswith(f"Accepted by anna until {accepted.expires}: Isolated\nReference: {REFERENCE}")
    assert (the_row().state, the_row().number, the_row().doing) == ("asked", one.number, "")
    assert str(scene.send()) == "Vulnerability exceptions: nothing had to be written."
    assert the_row().state == "under review"
    scene.console.approve(one.number)
    scene.console.scan()
    scene.read()
    assert models.Finding.objects.get(asset=WEB01, vulnerability=CVE1).state == "excepted"
    scene.send()
    assert the_row().state == "approved" and len(scene.writes()) == 1
    entry = models.AuditEntry.objects.get(what="exceptions begun")
    assert entry.detail == {"count": 1, "writes": [["submit", WEB01, CVE1]]}


@pytest.mark.parametrize("judged", ["reject", "expire", "delete_exception", "recall"])
def test_what_people_decide_there_is_told_and_not_asked_for_again(scene: Scene, judged: str) -> None:
    scene.accept(asset=WEB01, vulnerability=CVE1)
    scene.send()
    getattr(scene.console, judged)(the_row().number)
    for _ in range(2):
        scene.send()
    words = {"reject": "rejected", "expire": "expired", "delete_exception": "deleted", "recall": "deleted"}
    assert the_row().state == words[judged] and len(scene.writes()) == 1
    assert ("not asked for again" in the_row().said) == (judged != "expire")
    # A person accepts it anew.
    if judged == "expire":
        acceptances.renew(models.RiskAcceptance.objects.get(), scene.now.date() + timedelta(days=90), "bert")
    else:
        scene.accept(days=60, asset=WEB01, vulnerability=CVE1)
    assert scene.send().submitted == 1
    assert Counter(one.state in LIVE for one in scene.listed())[True] == 1


def test_only_what_nobody_has_judged_is_recalled(scene: Scene) -> None:
    accepted = scene.accept(solution=ROLLUP)
    assert scene.send().submitted == 8
    numbers = [one.number for one in scene.listed()]
    scene.console.approve(numbers[0])
    scene.console.reject(numbers[1])
    by_hand = scene.console.except_(6, "tlsv1_0-enabled", comment="by hand")
    acceptances.withdraw(accepted, "anna")
    assert scene.send() == Sent(recalled=6)
    assert [one.state for one in scene.listed()] == ["A", "R", *["D"] * 6, "U"]
    assert Counter(scene.states().values()) == {"recalled": 6, "approved": 1, "rejected": 1}
    left = models.ConsoleException.objects.get(state="approved")
    assert left.said == "The acceptance has ended. What is approved is ended in InsightVM."
    assert scene.send() == Sent() and by_hand == scene.listed()[-1].number


def test_what_is_approved_between_the_list_and_the_recall_is_left(scene: Scene) -> None:
    accepted = scene.accept(asset=WEB01, vulnerability=CVE1)
    scene.send()
    acceptances.withdraw(accepted, "anna")
    number = the_row().number

    def approves(path: str) -> None:
        if path.startswith("/vulnerability_exceptions?"):
            scene.console.approve(number or 0)

    scene.console.after_answer = approves
    assert scene.send() == Sent()
    scene.console.after_answer = None
    scene.send()
    assert the_row().state == "approved" and not any("recall" in path for _, path in scene.writes())


def test_an_acceptance_that_is_over_recalls_what_waits(scene: Scene) -> None:
    scene.accept(days=3, asset=WEB01, vulnerability=CVE1)
    scene.send()
    scene.later(timedelta(days=4))
    assert scene.send() == Sent(recalled=1)


def test_a_renewal_extends_what_is_ours_and_pending_or_approved(scene: Scene) -> None:
    accepted = scene.accept(asset=WEB01)
    scene.send()
    numbers = [one.number for one in scene.listed()]
    assert len(numbers) == 5
    scene.console.approve(numbers[0])
    scene.console.reject(numbers[1])
    later = accepted.expires + timedelta(days=60)
    acceptances.renew(accepted, later, "bert")
    assert scene.send() == Sent(extended=4)
    ends = [one.expires for one in scene.listed()]
    assert ends == [later + timedelta(days=1 if number != numbers[1] else -59) for number in numbers]
    acceptances.renew(accepted, later - timedelta(days=7), "bert")
    assert scene.send() == Sent()
    assert "not shortened" in models.ConsoleException.objects.get(number=numbers[0]).said


def test_an_end_that_a_person_brought_forward_there_is_respected(scene: Scene) -> None:
    accepted = scene.accept(asset=WEB01, vulnerability=CVE1)
    scene.send()
    scene.console.extend(the_row().number or 0, accepted.expires - timedelta(days=9))
    assert scene.send() == Sent()


def test_what_there_is_already_is_not_asked_for(scene: Scene) -> None:
    by_hand = scene.console.except_(1, CVE1, comment="by hand")
    scene.accept(vulnerability=CVE1)
    assert scene.send() == Sent(submitted=2)
    row = models.ConsoleException.objects.get(asset=WEB01)
    assert row.state == "covered" and f"exception {by_hand} for it" in row.said
    scene.console.reject(by_hand)
    assert scene.send() == Sent(submitted=1)


def test_more_than_the_cap_waits_for_an_approver(scene: Scene) -> None:
    set_most(scene.source, 3, "admin")
    accepted = scene.accept(solution=ROLLUP)
    assert scene.send() == Sent(submitted=3, waiting=5)
    assert scene.send() == Sent(waiting=5)
    assert release(accepted, "bert") == 5 and release(accepted, "bert") == 0
    assert scene.send() == Sent(submitted=5)
    assert models.AuditEntry.objects.get(what="exceptions released").detail["count"] == 5


def test_two_clicks_ask_once(scene: Scene) -> None:
    for _ in range(2):
        scene.accept(asset=WEB01, vulnerability=CVE1)
        scene.send()
    assert len(scene.listed()) == 1


def test_an_answer_that_is_lost_is_looked_up(scene: Scene) -> None:
    scene.accept(solution=ROLLUP)
    scene.console.lost_answers["POST /vulnerability_exceptions"] = 1
    with pytest.raises(Unreachable):
        scene.send()
    assert len(scene.writes()) == 1, "it was sent once, and nothing after it"
    assert models.ConsoleException.objects.get().doing == "submit"
    assert scene.send() == Sent(submitted=7)
    assert len({(one.asset, one.vulnerability) for one in scene.listed()}) == len(scene.listed()) == 8


def test_what_was_not_carried_out_is_sent_again_when_nothing_can_come_of_it(scene: Scene) -> None:
    scene.accept(asset=WEB01, vulnerability=CVE1)
    scene.console.failing_routes["POST /vulnerability_exceptions"] = 1
    with pytest.raises(SourceError):
        scene.send()
    assert scene.send() == Sent() and len(scene.writes()) == 1
    scene.later(LATE)
    assert scene.send() == Sent(submitted=1)
    assert len(scene.listed()) == 1


def test_what_comes_after_it_was_given_up_is_ours(scene: Scene) -> None:
    set_most(scene.source, 0, "admin")
    accepted = scene.accept(asset=WEB01, vulnerability=CVE1)
    scene.send()
    release(accepted, "bert")
    scene.console.failing_routes["POST /vulnerability_exceptions"] = 1
    with pytest.raises(SourceError):
        scene.send()
    scene.later(2 * LATE)
    late = scene.console.except_(1, CVE1, comment=f"Late\nReference: {the_row().reference}")
    assert scene.send() == Sent() and the_row().number == late and len(scene.listed()) == 1


@pytest.mark.parametrize("verb", ["recall", "expires"])
@pytest.mark.parametrize("fault", ["lost_answers", "failing_routes"])
def test_other_writes_whose_outcome_is_not_known(scene: Scene, verb: str, fault: str) -> None:
    accepted = scene.accept(asset=WEB01, vulnerability=CVE1)
    scene.send()
    scene.send()
    later = accepted.expires + timedelta(days=30)
    if verb == "recall":
        acceptances.withdraw(accepted, "anna")
    else:
        acceptances.renew(accepted, later, "anna")
    getattr(scene.console, fault)[f"(POST|PUT) /vulnerability_exceptions/[0-9]+/{verb}"] = 1
    with pytest.raises(SourceError):
        scene.send()
    scene.send()
    (one,) = scene.listed()
    assert one.state == "D" if verb == "recall" else one.expires == later + timedelta(days=1)
    assert (the_row().state, the_row().doing) == ("recalled" if verb == "recall" else "under review", "")
    assert scene.send() == Sent()


def test_refusals(scene: Scene) -> None:
    scene.accept(vulnerability=CVE1)
    scene.console.remove_asset(1)
    assert scene.send() == Sent(submitted=2, refused=1)
    row = models.ConsoleException.objects.get(asset=WEB01)
    assert row.state == "refused" and "does not know" in row.said
    assert scene.send() == Sent()


def test_a_user_without_the_right_writes_nothing(scene: Scene) -> None:
    scene.accept(vulnerability=CVE1)
    scene.console.forbid_exceptions = True
    for _ in range(2):
        with pytest.raises(NoRightToWrite):
            scene.send()
    assert not scene.listed()
    scene.console.forbid_exceptions = False
    assert scene.send() == Sent(submitted=3)


def test_a_wrong_password_begins_nothing(scene: Scene) -> None:
    scene.accept(vulnerability=CVE1)
    scene.console.password = "another"
    with pytest.raises(WrongCredentials):
        scene.send()
    assert not models.ConsoleException.objects.exists()


@pytest.mark.parametrize("fault", ["stuck", "endless", "hollow"])
def test_a_list_that_is_not_whole_lets_nothing_be_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr("remediation.sources.insightvm_exceptions.PAGE", 2)
    for _ in range(3):
        scene.console.except_(8, "generic-icmp-timestamp", comment="by hand")
    scene.accept(vulnerability=CVE1)
    setattr(scene.console, fault, "/vulnerability_exceptions")
    with pytest.raises(SourceError):
        scene.send()
    assert not scene.writes()


def test_all_pages_are_read(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remediation.sources.insightvm_exceptions.PAGE", 2)
    for asset in (5, 4, 3, 2, 1):
        scene.console.except_(asset, CVE1, comment="by hand")
    scene.accept(vulnerability=CVE1)
    assert scene.send() == Sent() and set(scene.states().values()) == {"covered"}


def test_an_administrators_own_may_be_approved_at_once(scene: Scene) -> None:
    scene.console.approves_at_once = True
    accepted = scene.accept(asset=WEB01, vulnerability=CVE1)
    scene.send()
    acceptances.withdraw(accepted, "anna")
    assert scene.send() == Sent() and the_row().state == "approved"


def test_one_process_at_a_time_writes_to_a_console(scene: Scene, store: str) -> None:
    scene.accept(vulnerability=CVE1)
    with psycopg.connect(store, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", [Lock.WRITING, scene.source.pk])
        with pytest.raises(SourceBusy, match="Another process is writing"):
            scene.send()
    assert not scene.console.requests


# All that is stored and all that is sent.
CALLS = (
    (models.ConsoleException, "save"),
    *((InsightVmExceptions, name) for name in ("all", "one", "submit", "recall", "extend")),
)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("change", ["accept", "withdraw", "renew"])
def test_death_at_each_point(scene: Scene, monkeypatch: pytest.MonkeyPatch, change: str, after: bool) -> None:
    findings = list(models.Finding.objects.values_list("asset", "vulnerability"))
    for number, (asset, vulnerability) in enumerate(findings, start=1):
        accepted = scene.accept(asset=asset, vulnerability=vulnerability)
        if change != "accept":
            scene.send()
            scene.send()
        if change == "withdraw":
            acceptances.withdraw(accepted, "anna")
        if change == "renew":
            acceptances.renew(accepted, accepted.expires + timedelta(days=9), "anna")
        with monkeypatch.context() as patch:
            dying(patch, CALLS, number, after=after)
            try:
                scene.send()
                break
            except Death:
                pass
        scene.send()
        scene.later(LATE)
        scene.send()
        (one,) = [row for row in scene.listed() if (row.asset, row.vulnerability) == (asset, vulnerability)]
        assert one.state == ("D" if change == "withdraw" else "U"), number
        row = models.ConsoleException.objects.get(asset=asset, vulnerability=vulnerability)
        assert row.number == one.number and not row.doing
        accepted.refresh_from_db()
        assert one.expires == accepted.expires + timedelta(days=1)
        scene.console.requests.clear()
        scene.send()
        assert not scene.writes(), number
    else:
        raise AssertionError("it never ended")
    assert number >= 4


@pytest.fixture
def watched(scene: Scene) -> Iterator[Scene]:
    """The console keeps what was wrong with what it was asked for."""
    recall, wrong = scene.console.recall, []

    def watching(number: int) -> None:
        (one,) = [row for row in scene.listed() if row.number == number]
        if one.state != "U" or REFERENCE not in one.comment:
            wrong.append(f"recalled {one}")
        recall(number)

    scene.console.recall = watching  # type: ignore[method-assign]
    yield scene
    assert not wrong


@pytest.mark.parametrize("seed", range(2))
def test_a_walk(watched: Scene, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Never two for one asset and vulnerability, never an approved one recalled, never one without an end."""
    scene, chance = watched, random.Random(seed)
    findings = list(models.Finding.objects.values_list("asset", "vulnerability", "solution"))
    by_hand: set[tuple[str, str]] = set()

    def one_of(*states: str) -> Any:
        return chance.choice([row for row in scene.listed() if row.state in states and REFERENCE in row.comment] or [0])

    def send() -> None:
        with suppress(SourceError):
            scene.send()

    def dies() -> None:
        with monkeypatch.context() as patch, suppress(Death, SourceError):
            dying(patch, CALLS, chance.randint(1, 12), after=chance.random() < 0.5)
            scene.send()

    def fault() -> None:
        faults = chance.choice([scene.console.lost_answers, scene.console.failing_routes])
        faults[f"(POST|PUT) /vulnerability_exceptions{chance.choice(['', '/.*', '.*'])}"] = 1

    def accept() -> None:
        asset, vulnerability, solution = chance.choice(findings)
        names = {"asset": asset, "vulnerability": vulnerability, "solution": solution}
        chosen = chance.sample([name for name, value in names.items() if value], chance.randint(1, 2))
        scene.accept(days=chance.randint(0, 5), **{name: names[name] for name in chosen})

    def change() -> None:
        row = models.RiskAcceptance.objects.filter(withdrawn=None).order_by("?").first()
        if row and chance.random() < 0.5:
            acceptances.withdraw(row, "anna")
        elif row:
            acceptances.renew(row, scene.now.date() + timedelta(days=chance.randint(1, 9)), "bert")

    def judge() -> None:
        if one := one_of("U"):
            getattr(scene.console, chance.choice(["approve", "approve", "reject", "delete_exception"]))(one.number)

    def hand() -> None:
        asset, vulnerability, _ = chance.choice(findings)
        if not any((row.asset, row.vulnerability) == (asset, vulnerability) for row in scene.listed()):
            by_hand.add((asset, vulnerability))
            scene.console.except_(int(asset), vulnerability, comment="by hand", expires=date(2099, 1, 1))

    def free() -> None:
        if row := models.RiskAcceptance.objects.order_by("?").first():
            release(row, "bert")

    set_most(scene.source, 4, "admin")
    moves: list[Callable[[], object]] = [
        *[send] * 4,
        *[accept] * 2,
        *(dies, fault, change, judge, judge, hand, free),
        lambda: scene.later(chance.choice([timedelta(minutes=3), LATE, timedelta(days=2)])),
        lambda: scene.console.scan() and scene.read(),
    ]
    for _ in range(40):
        chance.choice(moves)()
        rows = scene.listed()
        live = Counter((row.asset, row.vulnerability) for row in rows if row.state in LIVE)
        assert not [pair for pair, count in live.items() if count > 1]
        assert all(row.expires for row in rows)
    scene.console.lost_answers.clear()
    scene.console.failing_routes.clear()
    for _ in range(3):
        scene.later(LATE)
        scene.send()
    scene.console.requests.clear()
    scene.send()
    assert not scene.writes(), "it has come to rest"
    assert State.ASKED.value not in scene.states().values()
    held = {row.pk for row in acceptances.holding([scene.source.pk], scene.now.date())}
    pending = models.ConsoleException.objects.filter(state="under review").values_list("acceptance", flat=True)
    assert set(pending) <= held, "what waits is of an acceptance that holds"
    others = {(row.asset, row.vulnerability) for row in scene.listed() if REFERENCE not in row.comment}
    assert others == by_hand, "what people asked for is left as it is"
