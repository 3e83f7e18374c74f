"""Stories of scans, outages and sudden deaths at random: in the end each alert has arrived once at each recipient."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from halo_emulator import Fault
from remediation.store import models
from remediation.tickets import alert_ticket
from tests.stories import STORIES
from tests.sudden_end import Death, dying

from .alert_scene import ANNA, MINUTE, Scene
from .test_alerts import CALLS, scene

__all__ = ["scene"]  # the fixture
NAMES = [f"critical-{number}" for number in range(5)]
STEPS = 12


def story(scene: Scene, chance: random.Random, patch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """One rule that tells three recipients, and what an own count of beginnings says of it."""
    there: set[str] = set()
    scene.scan()
    scene.rule(**scene.everywhere())
    begun: Counter[str] = Counter()
    for _ in range(STEPS):
        if chance.random() < 0.6:
            now = {name for name in NAMES if chance.random() < 0.5}
            scene.scan(*sorted(now))
            begun.update(now - there)
            there = now
            # What nobody looks at before it is gone was never seen: this look sees it, whatever becomes of it then.
            looked(scene, chance, patch)
        trouble(scene, chance)
        looked(scene, chance, patch)
        scene.now += chance.choice((MINUTE, 5 * MINUTE, 40 * MINUTE))
    scene.mailbox.drops, scene.mailbox.answers = "", {}
    scene.trigger.status, scene.trigger.drops = 200, False
    scene.halo.clear_faults()
    scene.round(6, by=400 * MINUTE)
    unsent = models.AlertMessage.objects.exclude(state="done")
    assert not unsent.exclude(recipient=f"mail:{ANNA}").exists()
    # Of mail, what was given up after the second time without an answer has arrived.
    assert not unsent.exclude(unknown=2).exists()
    calls = {one.content["id"]: one.content for one in scene.trigger.calls}
    hooked = ["- " + line["title"] + ":" for one in calls.values() for line in one["alerts"]]
    for texts in (list(scene.mails().values()), hooked, [one["details"] for one in scene.tickets()]):
        assert scene.told(texts) == begun
    assert max(Counter(str(one.message["Message-ID"]) for one in scene.mailbox.messages).values(), default=0) <= 2


def looked(scene: Scene, chance: random.Random, patch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """A round, which may die anywhere; then another that at least finds what is there."""
    with patch.context() as mortal:
        dying(mortal, CALLS, chance.randrange(1, 30), after=chance.random() < 0.5)  # type: ignore[arg-type]
        try:
            scene.round()
            return
        except Death:
            pass
    scene.round()


def trouble(scene: Scene, chance: random.Random) -> None:  # noqa: F811
    """Something is away, or talks nonsense."""
    scene.mailbox.drops = chance.choice(("", "", "RCPT", "DATA."))
    scene.mailbox.answers = chance.choice(({}, {}, {"MAIL": "451 later"}, {"": "nonsense"}))
    scene.trigger.status, scene.trigger.drops = chance.choice((200, 200, 503, 401)), chance.random() < 0.2
    scene.halo.clear_faults()
    if chance.random() < 0.4:
        after = chance.random() < 0.5
        scene.halo.inject(Fault("drop", "POST", "tickets", after_commit=after, times=None))


@pytest.mark.parametrize("number", range(max(STORIES // 4, 1)))
def test_stories(scene: Scene, number: int, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setitem(alert_ticket.LIMITS, "max_wait", 0.1)
    story(scene, random.Random(number), monkeypatch)
