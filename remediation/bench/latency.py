"""From a change of a ticket in Halo to that of its investigation in InsightIDR: by webhook, and by interval alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.utils import timezone
from werkzeug.serving import make_server

from halo_emulator import HaloEmulator
from tools.bench.measure import Figure, Result

from stand_ins.insightidr import Idr
from remediation.domain.investigation_settings import InvestigationSettings
from remediation.investigations.run import run_of
from remediation.investigations.source import Details, store_source
from remediation.store import models
from remediation.store.secrets import seal
from remediation.tickets.webhook import new_webhook

from .child import Side, taken
from .database import server

# Halo's status and InsightIDR's, turn by turn.
_TURNS = ((2, "INVESTIGATING"), (28, "WAITING"))
# So many tickets are changed at one moment.
_AT_ONCE = 25
_PATIENCE = 300.0
# Minutes between two looks, where no webhook asks for one sooner.
_EVERY = 1


def run(quick: bool) -> Result:
    """The benchmark."""
    changes, alone = (50, 25) if quick else (1_000, 50)
    result = Result(
        "latency",
        "From Halo to InsightIDR",
        f"Somebody changes the status of {_AT_ONCE} tickets in the stand-in Halo at one moment, and again once all "
        "investigations in the stand-in InsightIDR have followed; the service's pages and one worker run as they do in "
        f"production, and InsightIDR is looked at every {_EVERY} minute. By webhook: Halo tells the service of each "
        "change. By interval: it tells nothing. A look is one run over all of them in this process, with as many "
        "changes to carry.",
    )
    with server() as postgres:
        for name, count, by_webhook in (("webhook", changes, True), ("interval", alone, False)):
            with postgres.database() as address:
                value = taken("latency", "followed", count, by_webhook, database=address).value
                _tell(result, name, value)
    return result


def _tell(result: Result, name: str, value: dict[str, Any]) -> None:
    times: list[float] = sorted(value["times"])
    result.add(f"{name}: changes", float(len(times)))
    result.add(f"{name}: a look that carries {_AT_ONCE} changes", value["look"], "s")
    result.add(f"{name}: from change to change", Figure.of(times), "s")
    result.add(f"{name}: of 100, 95 within", times[max(0, len(times) * 95 // 100 - 1)], "s")
    result.add(f"{name}: the longest", times[-1], "s")
    if name == "webhook":
        result.at_most(f"{name}: looks for each time that somebody changes tickets", value["looks"], 2)
    else:
        # A change that comes just after a look waits for the next one, and is in step when that ends.
        result.at_most(
            f"{name}: the longest, without the look itself", times[-1] - value["look"], 60 * _EVERY + 35, "s"
        )


def followed(changes: int, by_webhook: bool) -> Side:
    """The seconds that each of so many changes takes, how many looks they took, and how long one takes."""

    def follow() -> dict[str, Any]:
        with ExitStack() as stack:
            halo, idr = stack.enter_context(HaloEmulator()), stack.enter_context(Idr())
            project = _project(halo, idr)
            look = _look(project, halo)
            if by_webhook:
                made = new_webhook(project.connection)
                halo.add_webhook(
                    f"{_pages(stack)}/webhooks/halo/{made.token}", authentication="hmac", secret=made.secret
                )
            stack.callback(_worker().kill)
            before = models.Run.objects.filter(project=project).count()
            times: list[float] = []
            turns = changes // _AT_ONCE
            for turn in range(1, turns + 1):
                times += _followed(halo, idr, *_TURNS[turn % len(_TURNS)])
            looks = models.Run.objects.filter(project=project).count() - before
            return {"times": times, "look": look, "looks": looks / turns}

    return follow


def _project(halo: HaloEmulator, idr: Idr) -> models.Project:
    """An organisation with some investigations that have their tickets."""
    where = {"resource_server": halo.resource_server, "auth_server": halo.auth_server, "client_id": halo.client_id}
    settings = {**where, "ticket_type": "Incident", "requests": 10**9}
    connection = models.Connection.objects.create(name="halo", settings=settings, secret=seal(halo.client_secret))
    for number in range(_AT_ONCE):
        idr.investigate(f"Investigation {number}")
    source = store_source(Details("soc", idr.url, _EVERY), InvestigationSettings(), idr.api_key, None, connection)
    models.Project.objects.update(paused=False)
    project = models.Project.objects.get(pk=source.project_id)
    run_of(project).apply()
    return project


def _look(project: models.Project, halo: HaloEmulator) -> float:
    """The seconds of one run that carries a change of each ticket."""
    for ticket in _tickets():
        halo.change_ticket(ticket, status_id=_TURNS[0][0])
    began = time.monotonic()
    run_of(models.Project.objects.get(pk=project.pk)).apply()
    return time.monotonic() - began


def _followed(halo: HaloEmulator, idr: Idr, status: int, state: str) -> list[float]:
    """Change all tickets; how long each investigation takes to follow."""
    rrns = dict(models.Investigation.objects.values_list("ticket__halo_id", "rrn"))
    began = {}
    for ticket in _tickets():
        halo.change_ticket(ticket, status_id=status)
        began[rrns[ticket]] = time.monotonic()
    times: dict[str, float] = {}
    end = time.monotonic() + _PATIENCE
    while len(times) < len(began):
        now = time.monotonic()
        times |= {
            rrn: now - begun
            for rrn, begun in began.items()
            if rrn not in times and idr.investigations[rrn].status == state
        }
        if now > end:
            raise RuntimeError(f"{len(began) - len(times)} investigations did not follow within {_PATIENCE:.0f} s.")
        time.sleep(0.01)
    return list(times.values())


def _tickets() -> list[int]:
    return [number for number in models.Ticket.objects.values_list("halo_id", flat=True) if number]


def _pages(stack: ExitStack) -> str:
    """The service's pages, which take webhooks, on a port of this machine; their address."""
    listening = make_server("127.0.0.1", 0, WSGIHandler(), threaded=True)
    threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
    stack.callback(listening.shutdown)
    return f"http://127.0.0.1:{listening.port}"


def _worker() -> subprocess.Popen[bytes]:
    """A worker that begins no round in the time of the measurement."""
    models.Run.objects.create(kind="round", started=timezone.now(), finished=timezone.now(), outcome="done")
    return subprocess.Popen(
        [sys.executable, "-m", "remediation.jobs.worker", "600"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
