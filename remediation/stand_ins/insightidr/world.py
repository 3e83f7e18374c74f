"""The investigations that InsightIDR has, with a verb for each thing that can happen to one. In memory."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

ORGANIZATION = "44d88612-fea8-a8f3-6de8-2e1278abb02f"
REGION = "us"
# Official. Seen live: an investigation that a person made without a priority reads UNMAPPED.
STATUSES = ("OPEN", "INVESTIGATING", "WAITING", "CLOSED")
PRIORITIES = ("UNSPECIFIED", "LOW", "MEDIUM", "HIGH", "CRITICAL")
READ_PRIORITIES = (*PRIORITIES, "UNMAPPED", "UNKNOWN")
DISPOSITIONS = (
    *("BENIGN", "MALICIOUS", "NOT_APPLICABLE", "UNDECIDED"),
    *("FALSE_POSITIVE", "SECURITY_TEST", "UNKNOWN", "UNSPECIFIED"),
)
# Creators of comments: a kind and a name.
Creator = tuple[str, str]
ANALYST: Creator = ("USER", "Ellen Example")


class Refused(Exception):
    """What InsightIDR does not do: a status of HTTP and its words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Alert:
    """An alert of an investigation. Seen live: the times of its events may be null."""

    title: str
    kind: str
    created: datetime
    source: str
    rule: str = ""
    id: str = field(default_factory=lambda: str(uuid4()))

    def told(self) -> dict[str, Any]:
        """As the API tells it. Seen live: the rule is an object; the plugin of Rapid7 knows it as a text too."""
        rule = {"rule_name": self.rule, "rule_rrn": _rrn("cba", "detection-rule", self.rule)}
        return {
            "id": self.id,
            "title": self.title,
            "alert_type": self.kind,
            "alert_type_description": "Invented.",
            "created_time": stamp(self.created),
            "first_event_time": None,
            "latest_event_time": None,
            "alert_source": self.source,
            "detection_rule_rrn": rule if self.rule else None,
        }


@dataclass
class Investigation:
    """``assignee`` is an e-mail address, "" for nobody. ``responsibility`` may be unknown."""

    title: str
    source: str
    created: datetime
    accessed: datetime
    status: str = "OPEN"
    priority: str = "UNSPECIFIED"
    disposition: str = "UNDECIDED"
    assignee: str = ""
    tags: tuple[str, ...] = ()
    responsibility: str | None = None
    alerts: list[Alert] = field(default_factory=list)
    id: str = field(default_factory=lambda: str(uuid4()))
    rrn: str = field(default_factory=lambda: _rrn("investigation", "investigation"))


@dataclass(frozen=True)
class Comment:
    """A comment on an investigation, ``target``."""

    target: str
    body: str
    creator: Creator
    created: datetime
    rrn: str = field(default_factory=lambda: _rrn("collaboration", "comment"))

    def told(self) -> dict[str, Any]:
        """As the API tells it. Seen live."""
        kind, name = self.creator
        return {
            "created_time": stamp(self.created),
            "rrn": self.rrn,
            "target": self.target,
            "creator": {"type": kind, "name": name},
            "body": self.body,
            "visibility": "PUBLIC",
            "attachments": [],
        }


class World:
    """Users, investigations and comments. Its clock shows the time, and ``clock_offset`` seconds more."""

    def __init__(self) -> None:
        self.clock_offset = 0.0
        # Names by e-mail address, in lower case.
        self.users: dict[str, str] = {}
        # By RRN, and the RRNs by the other id.
        self.investigations: dict[str, Investigation] = {}
        self.rrns: dict[str, str] = {}
        # By RRN, the oldest first.
        self.written: dict[str, Comment] = {}
        self.lock = threading.RLock()

    @property
    def now(self) -> datetime:
        """By its own clock."""
        return datetime.now(timezone.utc) + timedelta(seconds=self.clock_offset)

    @now.setter
    def now(self, moment: datetime) -> None:
        self.clock_offset = (moment - datetime.now(timezone.utc)).total_seconds()

    def add_user(self, email: str, name: str) -> None:
        """Let somebody be assigned to investigations."""
        self.users[email.lower()] = name

    def investigate(
        self,
        title: str,
        source: str = "ALERT",
        *,
        status: str = "OPEN",
        priority: str = "UNSPECIFIED",
        disposition: str = "UNDECIDED",
        assignee: str = "",
        tags: Collection[str] = (),
        responsibility: str | None = None,
        created: datetime | None = None,
    ) -> str:
        """Begin an investigation; its RRN. ``created``: now, by default."""
        with self.lock:
            moment = created or self.now
            one = Investigation(title, source, moment, moment, tags=tuple(tags), responsibility=responsibility)
            one.status = known(status, STATUSES)
            one.priority = known(priority, READ_PRIORITIES)
            one.disposition = known(disposition, DISPOSITIONS)
            one.assignee = self._user(assignee) if assignee else ""
            self.investigations[one.rrn] = one
            self.rrns[one.id] = one.rrn
            return one.rrn

    def alert(self, rrn: str, title: str, kind: str = "Attacker Behavior Detected", **more: Any) -> str:
        """Raise an alert in an investigation; its id. ``more``: what Alert has beside these."""
        with self.lock:
            alert = Alert(title, kind, **{"created": self.now, "source": "Attacker Behavior Analytics", **more})
            self.investigation(rrn).alerts.append(alert)
            return alert.id

    def investigation(self, key: str) -> Investigation:
        """The one with this RRN or id. Raises Refused."""
        rrn = self.rrns.get(key, key)
        if rrn not in self.investigations:
            raise Refused(404, "The investigation does not exist.")
        return self.investigations[rrn]

    def change(self, key: str, **fields: str) -> None:
        """Somebody changes a title, status, priority, disposition or assignee, all or nothing. Raises Refused.

        That the time of the last access follows is official. That it stays where nothing changes is a guess.
        """
        with self.lock:
            one = self.investigation(key)
            checked = {name: self._checked(name, value) for name, value in fields.items()}
            if any(getattr(one, name) != value for name, value in checked.items()):
                vars(one).update(checked, accessed=self.now)

    def set_status(self, key: str, status: str, disposition: str = "") -> None:
        """Somebody sets a status, and a disposition where one is given."""
        self.change(key, status=status, **({"disposition": disposition} if disposition else {}))

    def set_priority(self, key: str, priority: str) -> None:
        """Somebody sets a priority."""
        self.change(key, priority=priority)

    def assign(self, key: str, email: str) -> None:
        """Somebody assigns a user."""
        self.change(key, assignee=email)

    def unassign(self, key: str) -> None:
        """Somebody takes the assignee away. That it can be done in the product's pages is a guess."""
        with self.lock:
            vars(self.investigation(key)).update(assignee="", accessed=self.now)

    def remove(self, key: str) -> None:
        """An investigation ends to exist, as when the product no longer keeps it. A guess."""
        with self.lock:
            one = self.investigation(key)
            del self.investigations[one.rrn], self.rrns[one.id]

    def comment(self, target: str, body: str, creator: Creator = ANALYST) -> str:
        """Somebody comments on an investigation, by its RRN; the comment's RRN. Raises Refused."""
        with self.lock:
            if target not in self.investigations:
                raise Refused(404, "The target does not exist.")
            comment = Comment(target, body, creator, self.now)
            self.written[comment.rrn] = comment
            return comment.rrn

    def comments(self, target: str) -> list[Comment]:
        """Those on an investigation, the oldest first."""
        return [one for one in self.written.values() if one.target == target]

    def delete_comment(self, rrn: str, creator: Creator = ANALYST) -> None:
        """Official: only its creator may delete a comment. That the others are refused with 403 is a guess."""
        with self.lock:
            if rrn not in self.written:
                raise Refused(404, "The comment does not exist.")
            if self.written[rrn].creator != creator:
                raise Refused(403, "Only the creator of a comment may delete it.")
            del self.written[rrn]

    def told(self, one: Investigation) -> dict[str, Any]:
        """An investigation as version 2 tells it. Seen live: what is not known is null, and there is no id."""
        times = [alert.created for alert in one.alerts]
        name = self.users.get(one.assignee)
        return {
            "rrn": one.rrn,
            "organization_id": ORGANIZATION,
            "title": one.title,
            "source": one.source,
            "status": one.status,
            "priority": one.priority,
            "disposition": one.disposition,
            "assignee": {"name": name, "email": one.assignee} if one.assignee else None,
            "created_time": stamp(one.created),
            "last_accessed": stamp(one.accessed),
            "first_alert_time": stamp(min(times)) if times else None,
            "latest_alert_time": stamp(max(times)) if times else None,
            "responsibility": one.responsibility,
            "tags": list(one.tags),
        }

    def _checked(self, name: str, value: str) -> str:
        if name == "assignee":
            return self._user(value)
        allowed = {"status": STATUSES, "priority": PRIORITIES, "disposition": DISPOSITIONS}.get(name)
        if allowed is not None:
            return known(value, allowed)
        if not value.strip():
            raise Refused(400, "The title is empty.")
        return value

    def _user(self, email: str) -> str:
        """That an unknown user is refused is official; that it is with 400 is a guess."""
        if email.lower() not in self.users:
            raise Refused(400, "The user does not exist.")
        return email.lower()


def known(word: str, allowed: Collection[str]) -> str:
    """The word in capitals. Official: its case does not matter, and another word is refused with 400."""
    if word.upper() not in allowed:
        raise Refused(400, f"Expected one of {', '.join(allowed)}.")
    return word.upper()


def stamp(moment: datetime) -> str:
    """Seen live: milliseconds, in UTC."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rrn(service: str, kind: str, name: str = "") -> str:
    """Official: the form of an RRN."""
    return f"rrn:{service}:{REGION}:{ORGANIZATION}:{kind}:{name or uuid4().hex[:12].upper()}"
