"""Stand-ins for CISA's catalogue (KEV) and FIRST's scores (EPSS) on loopback. Neither is theirs; all data is invented.

How sure we are that the real ones do the same:

* the catalogue's members and their forms: official, by CISA's schema;
* the form of the scores' file, and that the address of the newest redirects to the file of the day: seen in what many
  programs read;
* ETag, 304 and 429 with Retry-After: as HTTP has them, and a guess of how either uses them;
* all faults: a test device of ours.
"""

from __future__ import annotations

import gzip
import hashlib
import socket
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from typing import Any

from flask import Flask, Response, jsonify, redirect, request

from stand_ins.loopback import Loopback

KEV, EPSS = "/known_exploited_vulnerabilities.json", "/epss_scores-current.csv.gz"


@dataclass(frozen=True)
class Exploited:
    """An entry of the catalogue. ``ransomware``: Known or Unknown; None: not told, as in old copies."""

    added: date
    due: date
    ransomware: str | None = "Unknown"

    def told(self, cve: str) -> dict[str, Any]:
        """As the catalogue has it."""
        used = {} if self.ransomware is None else {"knownRansomwareCampaignUse": self.ransomware}
        return {
            "cveID": cve,
            "vendorProject": "Example",
            "product": "Product",
            "vulnerabilityName": f"Example Product {cve}",
            "dateAdded": self.added.isoformat(),
            "shortDescription": "An invented vulnerability.",
            "requiredAction": "Apply mitigations per vendor instructions.",
            "dueDate": self.due.isoformat(),
            **used,
            "notes": "",
        }


@dataclass
class Faults:
    """What goes wrong, of both feeds: how many requests are answered with ``status``, and with which Retry-After; how
    many are cut off in the middle. ``contents``: what an answer is instead, by path. ``redirect``: where all requests
    are sent on to. ``tells_etag``: not all do."""

    failing: int = 0
    status: int = 503
    retry_after: str = ""
    cut: int = 0
    contents: dict[str, bytes] = field(default_factory=dict)
    redirect: str = ""
    tells_etag: bool = True


class CveFeeds(Loopback):
    """Both feeds. What they tell may be changed while they run: ``exploited`` and ``scores`` (EPSS and percentile) by
    CVE, and the ``day`` that both are of."""

    def __init__(self, day: date, port: int = 0) -> None:
        super().__init__(port)
        self.now = datetime.now(timezone.utc)
        self.day = day
        self.exploited: dict[str, Exploited] = {}
        self.scores: dict[str, tuple[float, float]] = {}
        self.faults = Faults()

    @property
    def kev_url(self) -> str:
        """The address of the catalogue."""
        return self.url + KEV

    @property
    def epss_url(self) -> str:
        """The address of the newest scores."""
        return self.url + EPSS

    def catalogue(self) -> dict[str, Any]:
        """The catalogue as it is served."""
        return {
            "title": "A stand-in catalogue",
            "catalogVersion": f"{self.day:%Y.%m.%d}",
            "dateReleased": f"{self.day}T14:00:00.000Z",
            "count": len(self.exploited),
            "vulnerabilities": [entry.told(cve) for cve, entry in self.exploited.items()],
        }

    def scores_csv(self) -> str:
        """The file of scores, unpacked."""
        lines = [f"#model_version:v2025.03.14,score_date:{self.day}T12:55:00Z", "cve,epss,percentile"]
        lines += [f"{cve},{epss:.5f},{percentile:.5f}" for cve, (epss, percentile) in sorted(self.scores.items())]
        return "\n".join(lines) + "\n"

    def app(self) -> Flask:
        app = Flask(__name__)
        app.before_request(self._fault)

        @app.get(KEV)
        def kev() -> Response:
            return self._answered(jsonify(self.catalogue()).get_data(), "application/json")

        @app.get(EPSS)
        def newest() -> Any:
            return redirect(f"/epss_scores-{self.day}.csv.gz")

        @app.get("/epss_scores-<day>.csv.gz")
        def epss(day: str) -> Response:
            if day != self.day.isoformat():
                return Response(status=404)
            return self._answered(gzip.compress(self.scores_csv().encode(), mtime=0), "application/gzip")

        return app

    def _fault(self) -> Any:
        if self.faults.redirect:
            return redirect(self.faults.redirect)
        if self.faults.failing:
            self.faults.failing -= 1
            headers = {"Retry-After": self.faults.retry_after} if self.faults.retry_after else {}
            return Response(status=self.faults.status, headers=headers)
        if request.path in self.faults.contents:
            return Response(self.faults.contents[request.path])
        return None

    def _answered(self, content: bytes, kind: str) -> Response:
        response = Response(content, mimetype=kind)
        if self.faults.tells_etag:
            response.set_etag(hashlib.sha256(content).hexdigest())
            response.make_conditional(request.environ)
        if self.faults.cut and response.status_code == 200:
            self.faults.cut -= 1
            # Its headers are those of the whole.
            half = content[: len(content) // 2]
            response.response = _cut_off(half, request.environ["werkzeug.socket"])
            response.headers["Content-Length"] = str(len(content))
        return response


def _cut_off(content: bytes, connection: socket.socket) -> Any:
    yield content
    connection.shutdown(socket.SHUT_RDWR)
