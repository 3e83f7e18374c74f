"""The pure decisions: what is sent again, what closes a ticket, which events follow, whom a webhook is from."""

import base64
import hashlib
import hmac
from datetime import datetime, timezone
from unittest import TestCase

from komand_haloitsm.util.events.decide import (
    LastSeen,
    Watermark,
    decide_created,
    decide_status_changed,
    decide_updated,
)
from komand_haloitsm.util.halo.changes import snapshot_of
from komand_haloitsm.util.halo.errors import HaloError, Loss
from komand_haloitsm.util.halo.http.messages import NoResponse, NoResponseKind, Response
from komand_haloitsm.util.halo.http.retry import RetryPolicy, Step, decide
from komand_haloitsm.util.halo.tickets.close import closed_status
from komand_haloitsm.util.halo.tickets.filters import TicketFilter
from komand_haloitsm.util.halo.tickets.recovery import Next, Situation, after_absence
from komand_haloitsm.util.halo.values.sort_key import SortKey
from komand_haloitsm.util.halo.webhook import is_authentic, notices


class TestRetry(TestCase):
    """After one attempt: (answer, what becomes of a read, what becomes of a create)."""

    CASES = (
        (Response(200, data={"id": 1}), Step.DONE, Step.DONE),
        (Response(400, data="no"), Step.FAIL, Step.UNCERTAIN),
        (Response(401, readable=False), Step.REFRESH, Step.UNCERTAIN),
        (Response(404), Step.FAIL, Step.UNCERTAIN),
        (Response(503), Step.WAIT, Step.UNCERTAIN),
        (NoResponse(NoResponseKind.CONNECT_TIMEOUT), Step.WAIT, Step.WAIT),
        (NoResponse(NoResponseKind.READ_TIMEOUT), Step.WAIT, Step.UNCERTAIN),
    )

    def test_a_create_is_never_just_sent_again(self) -> None:
        now = datetime(2026, 3, 1, tzinfo=timezone.utc)
        for answer, read, create in self.CASES:
            for repeatable, expected in ((True, read), (False, create)):
                with self.subTest(answer=answer, repeatable=repeatable):
                    decision = decide(
                        answer,
                        repeatable=repeatable,
                        attempt=1,
                        elapsed=0.0,
                        refreshed=False,
                        jitter=0.5,
                        now=now,
                        policy=RetryPolicy(),
                    )
                    self.assertEqual(decision.step, expected)


class TestRecovery(TestCase):
    """A write that was looked up and not found: looked for, for how long, and sent again at most once."""

    CASES = (
        (Loss.BROKEN, {}, Next.LOOK),
        (Loss.BROKEN, {"looked": 20.0}, Next.SEND),
        (Loss.BROKEN, {"looked": 20.0, "sends": 2}, Next.UNKNOWN),
        (Loss.SLOW, {"looked": 20.0}, Next.LOOK),
        (Loss.SLOW, {"looked": 60.0}, Next.SEND),
        (Loss.SLOW, {"looked": 90.0, "reliable": False, "left": 0.0}, Next.UNKNOWN),
        (Loss.TOKEN, {}, Next.SEND),
        (Loss.TOKEN, {"renewed": True}, Next.REFUSED),
        (Loss.REFUSED, {"clear": True}, Next.REFUSED),
    )

    def test_the_next_step(self) -> None:
        usual = {"looked": 0.0, "looks": 1, "left": 100.0, "sends": 1, "renewed": False, "reliable": True}
        for loss, given, expected in self.CASES:
            with self.subTest(loss=loss, given=given):
                found, _ = after_absence(Situation(loss, first_pause=2.0, **{**usual, **given}))
                self.assertEqual(found, expected)


class TestClosing(TestCase):
    STATUSES = (
        {"id": 1, "name": "New", "closed": False},
        {"id": 8, "name": "Resolved", "closed": True},
        {"id": 9, "name": "Closed", "closed": True},
    )

    def test_the_one_named_closed_or_the_one_that_is_wanted(self) -> None:
        self.assertEqual(closed_status(self.STATUSES, None), 9)
        self.assertEqual(closed_status(self.STATUSES, 8), 8)

    def test_an_open_one_is_refused(self) -> None:
        with self.assertRaises(HaloError):
            closed_status(self.STATUSES, 1)


class TestFilters(TestCase):
    def test_a_row_is_checked_where_it_tells(self) -> None:
        wanted = TicketFilter(summary_contains="printer", agent_id=3)
        for row, expected in (
            ({"summary": "Printer on fire", "agent_id": 3}, True),
            ({"summary": "Printer on fire", "agent_id": 3.0}, True),
            ({"summary": "Printer on fire", "agent_id": 4}, False),
            ({"summary": "Mail", "agent_id": 3}, False),
            ({"summary": "Printer on fire"}, True),
        ):
            with self.subTest(row=row):
                self.assertIs(wanted.matches(row), expected)


class TestEvents(TestCase):
    START = Watermark(SortKey.of("2026-03-01T00:10:00Z"), 4000)

    @staticmethod
    def ticket(status: int, time: str, number: int = 4242):
        row = {"id": number, "status_id": status, "dateoccurred": "2026-03-01T00:11:00Z", "last_update": time}
        return snapshot_of(row)

    def ids(self, steps) -> list[str]:
        return [step.event.event_id for step in steps if step.event]

    def test_only_what_was_logged_since_the_start_is_created(self) -> None:
        new = self.ticket(1, "2026-03-01T00:11:00Z")
        old = self.ticket(1, "2026-03-01T00:11:00Z", number=3999)
        self.assertEqual(self.ids(decide_created(None, new, self.START)), ["4242-created"])
        self.assertEqual(self.ids(decide_created(None, old, self.START)), [])

    def test_a_later_change_is_an_update_and_the_same_one_is_none(self) -> None:
        first = self.ticket(1, "2026-03-01T00:12:00Z")
        seen = LastSeen(first.sort_key, 1, first.content_key)
        later = self.ticket(1, "2026-03-01T00:13:00Z")
        self.assertEqual(len(self.ids(decide_updated(seen, later, self.START))), 1)
        self.assertEqual(decide_updated(seen, first, self.START), [])

    def test_an_old_status_is_never_invented(self) -> None:
        now = self.ticket(2, "2026-03-01T00:13:00Z")
        self.assertEqual(self.ids(decide_status_changed(None, now, self.START, None)), [])
        seen = LastSeen(SortKey.of("2026-03-01T00:12:00Z"), 1)
        (event,) = [step.event for step in decide_status_changed(seen, now, self.START, None) if step.event]
        self.assertEqual(event.outputs, {"old_status_id": 1, "new_status_id": 2})


class TestWebhook(TestCase):
    BODY = b'[{"object_id": 2102, "event": "ticket status changed"}, {"object_id": 2103}]'

    def test_only_who_knows_the_secret_is_believed(self) -> None:
        proof = base64.b64encode(hmac.new(b"secret", self.BODY, hashlib.sha256).digest()).decode()
        basic = "Basic " + base64.b64encode(b"anybody:secret").decode()
        self.assertTrue(is_authentic(self.BODY, {"Token": proof}, "secret"))
        self.assertTrue(is_authentic(self.BODY, {"Authorization": basic}, "secret"))
        for body, headers, secret in (
            (self.BODY + b" ", {"Token": proof}, "secret"),
            (self.BODY, {"Token": proof}, "another"),
            (self.BODY, {}, "secret"),
            (self.BODY, {"Token": proof}, ""),
        ):
            with self.subTest(headers=headers, secret=secret):
                self.assertFalse(is_authentic(body, headers, secret))

    def test_each_ticket_of_a_batch_is_noticed(self) -> None:
        self.assertEqual([notice.ticket_id for notice in notices(self.BODY)], [2102, 2103])
