"""Asks a console to scan the assets of tickets that people call done, where the project says so.

What comes of a scan is read with the next snapshot, like that of any other: nothing is closed by a scan's own state. A
ticket is scanned once in a site for each time that somebody calls it done. That a scan is asked for is stored before
the request; where its outcome is not known, it is looked up by the scan's name, which nothing else has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from django.db.models import F, QuerySet
from django.utils import timezone

from ..domain.decide import CALLED_DONE
from ..domain.exceptions import LATE
from ..domain.ledger import ALIVE
from ..domain.project import Settings
from ..domain.rescan import Limits, Scan, by_site, refusal
from ..domain.ticket import pair_of, still_its
from ..sources.errors import NotTaken, NotThere, SourceBusy, SourceError
from ..sources.insightvm_scans import REFUSALS, InsightVmScans
from ..sources.reading import CONSOLE, console_of
from ..store import audit, models
from ..store.json_keys import change_keys
from ..store.one_at_a_time import Lock, only_one
from ..tickets.attention import left_alone_by
from ..tickets.keeping import RESCAN

SERVICE = "the service"
_DAY = timedelta(days=1)
# For tickets of which HaloITSM has told no time, and which are left out.
_NEVER = datetime.min.replace(tzinfo=UTC)
_ABOUT = models.Rescan.State.ABOUT
_ASKED = models.Rescan.State.ASKED


def rescans(project: models.Project) -> bool:
    """Whether the console of a project is asked for scans."""
    is_console = project.source is not None and project.source.kind == CONSOLE
    return is_console and Settings.from_table(project.settings).rescan


def rescan(
    project: models.Project,
    *,
    now: Callable[[], datetime] = timezone.now,
    sleep: Callable[[float], None] = time.sleep,
    new_mark: Callable[[], str] = lambda: uuid4().hex[:12],
) -> bool:
    """Ask for the scans that a project's tickets want now; whether there is something to tell that was not told.

    Raises SourceError, also where another process writes to the console, and KeyTrouble.
    """
    source = project.source
    if source is None or not rescans(project):
        return False
    tickets = [row for row in _called_done(project) if not left_alone_by(row)]
    if not tickets:
        return False
    with only_one(Lock.WRITING, source.pk) as is_ours, console_of(source, REFUSALS, sleep) as http:
        if not is_ours:
            raise SourceBusy("Another process is writing to this console.", "Run this again when that is done.")
        try:
            asking = _Asking(project, InsightVmScans(http), now, new_mark)
            # Each has its turn, whether or not there is news of those before it.
            news = list(map(asking.ask, tickets))
            return any(news)
        except SourceError as error:
            for row in tickets:
                _tell(row, [_told(one) for one in _known(row)] or [f"a scan could not be asked for: {error}"])
            raise


def _called_done(project: models.Project) -> QuerySet[models.Ticket]:
    """The tickets that a person calls done: what the service has set itself, both sides agree on."""
    words = [status.value for status in CALLED_DONE]
    tickets = project.tickets.filter(kind="child", status__in=words, halo_id__isnull=False, halo_changed__isnull=False)
    return tickets.exclude(status=F("agreed_status")).exclude(note__has_key="missing").order_by("halo_changed", "pk")


def _known(ticket: models.Ticket) -> list[models.Rescan]:
    """What was asked for since the ticket is called done."""
    return list(ticket.rescans.filter(done=ticket.halo_changed or _NEVER).order_by("pk"))


def _tell(ticket: models.Ticket, told: Sequence[str]) -> bool:
    """Let the ticket's page and the next plan tell what was asked, or why nothing was; whether it is news."""
    text = "; ".join(told)
    if ticket.note.get(RESCAN) == text:
        return False
    change_keys(ticket, "note", {RESCAN: text})
    return True


class _Asking:
    """One run, by the one process that writes to the console."""

    def __init__(
        self,
        project: models.Project,
        console: InsightVmScans,
        now: Callable[[], datetime],
        new_mark: Callable[[], str],
    ) -> None:
        self._project = project
        self._settings = Settings.from_table(project.settings)
        self._console = console
        self._now = now
        self._new_mark = new_mark
        self._sites = console.sites()

    def ask(self, ticket: models.Ticket) -> bool:
        """Ask for the scans of one ticket; whether there is something new to tell. Raises SourceError."""
        known = _known(ticket)
        for row in known:
            if row.state == _ABOUT:
                self._look_up(row)
        asked = {host for row in known for host in row.hosts}
        hosts = {host: sites for host, sites in self._hosts(ticket).items() if host not in asked}
        wanted, without = by_site(hosts, self._sites)
        scans = []
        for site, inside in wanted.items():
            if self._sites[site] in {row.site for row in known}:
                scans.append(Scan(site, inside, "it has had one since the ticket is called done"))
                continue
            # Looked at anew each time: the scan before may be of the same site.
            is_running = bool(self._console.active(self._sites[site]))
            reason = refusal(inside, is_running, timezone.localtime(self._now()).hour, self._limits())
            scan = Scan(site, inside, reason)
            scans.append(scan)
            if not scan.reason:
                known.append(self._begin(ticket, scan))
        told = [_told(row) for row in known] + [_not_told(scan) for scan in scans if scan.reason]
        if without or not (told or hosts):
            told.append(_nowhere(without))
        return _tell(ticket, told)

    def _hosts(self, ticket: models.Ticket) -> dict[str, list[str]]:
        """The sites of each asset on which something of the ticket is left, by its address, else its name."""
        pairs = {pair_of(text) for text in still_its(ticket.note.get("told") or {})}
        there = models.Finding.objects.filter(
            source=self._project.source_id,
            asset__in={asset for asset, _ in pairs},
            vulnerability__in={vulnerability for _, vulnerability in pairs},
            state__in=ALIVE,
        )
        left = {
            asset
            for asset, vulnerability in there.values_list("asset", "vulnerability")
            if (asset, vulnerability) in pairs
        }
        rows = models.Asset.objects.filter(source=self._project.source_id, asset__in=left)
        return {row.ip or row.host_name or "": row.sites for row in rows if row.ip or row.host_name}

    def _limits(self) -> Limits:
        lately = models.Rescan.objects.filter(ticket__project=self._project, at__gt=self._now() - _DAY)
        sent = lately.exclude(state=models.Rescan.State.REFUSED).count()
        return Limits(self._settings.rescan_hosts, self._settings.rescan_scans - sent, self._settings.rescan_hours)

    def _begin(self, ticket: models.Ticket, scan: Scan) -> models.Rescan:
        row = models.Rescan(
            ticket=ticket,
            done=ticket.halo_changed or _NEVER,
            site=self._sites[scan.site],
            site_name=scan.site,
            hosts=list(scan.hosts),
            name=f"HALO-{ticket.halo_id} verification {self._new_mark()}",
        )
        audit.record(SERVICE, "scan begun", self._project.name, name=row.name, site=scan.site, hosts=row.hosts)
        self._send(row)
        return row

    def _send(self, row: models.Rescan) -> None:
        row.at = self._now()
        row.save()
        try:
            row.number = self._console.start(row.site, row.hosts, row.name)
            row.state = _ASKED
        except (NotTaken, NotThere) as error:
            row.state, row.said = models.Rescan.State.REFUSED, str(error)
        row.save()

    def _look_up(self, row: models.Rescan) -> None:
        """Find what became of a request. One that shows nowhere when it is LATE is sent again."""
        # In this order, one that ends in between is in the second list.
        active = self._console.active(row.site)
        found = {**active, **self._console.past(row.site)}
        if row.name in found:
            row.number, row.state = found[row.name], _ASKED
            row.save()
        elif self._now() - row.at >= LATE and not active:
            self._send(row)


def _told(row: models.Rescan) -> str:
    what = f"a scan of {len(row.hosts)} of its hosts in the site {row.site_name}"
    if row.state == _ASKED:
        return f"{what} was asked for at {row.at:%Y-%m-%d %H:%M} UTC: scan {row.number}"
    if row.state == _ABOUT:
        return f"{what} was asked for at {row.at:%Y-%m-%d %H:%M} UTC, and it is not known yet whether it began"
    return f"{what} was refused: {row.said}"


def _not_told(scan: Scan) -> str:
    return f"no scan was asked for in the site {scan.site}: {scan.reason}"


def _nowhere(without: Sequence[str]) -> str:
    if not without:
        return "no scan was asked for: no address of its assets is known"
    return f"no scan was asked for of {len(without)} of its hosts: they are in no site that the console shows"
