"""The API: tokens, advisories by CVE, identifier, release and date, and what goes wrong."""

from __future__ import annotations

import re
import secrets
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from flask import Flask, Response, jsonify, request

from stand_ins.loopback import Loopback

TOKEN, API = "/oauth2/default/v1/token", "/security/advisories/v2"
# Where the real advisories are (official).
PAGES = "https://sec.cloudapps.cisco.com/security/center/content/CiscoSecurityAdvisory"
# Official.
SYSTEMS = ("aci", "asa", "ftd", "fmc", "fxos", "ios", "iosxe", "nxos")

Release = tuple[str, str]


@dataclass
class Published:
    """An advisory. ``fixed``: by the system and the release that has it, the first releases without it."""

    advisory: str
    title: str
    cves: list[str]
    sir: str
    cvss: float | None
    published: datetime
    updated: datetime
    products: list[str]
    fixed: dict[Release, list[str]]


@dataclass
class Faults:
    """What goes wrong, a test device of ours. ``failing``: how many requests are answered with ``status``, and with
    which Retry-After. ``cut``: how many answers break off. ``slow``: seconds before each answer. ``contents``: what an
    answer is instead, by a pattern of its path. ``bare``: an answer about a CVE is one object with texts for lists, as
    the vendor's description of the API has it. ``one_page``: pages are not known, and all is sent at once."""

    failing: int = 0
    status: int = 503
    retry_after: str = ""
    cut: int = 0
    slow: float = 0.0
    contents: dict[str, bytes] = field(default_factory=dict)
    bare: bool = False
    one_page: bool = False


class CiscoOpenVuln(Loopback):
    """All of it. What it tells may be changed while it runs. ``releases`` are those that it knows beside those with
    advisories. ``tokens`` are those that are valid; take them away, and they have ended."""

    client_id = "a-client"
    client_secret = "a secret of the stand-in"  # nosec B105: invented

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.now = datetime.now(timezone.utc)
        self.advisories: dict[str, Published] = {}
        self.releases: set[Release] = set()
        self.tokens: set[str] = set()
        self.life = 3600
        self.faults = Faults()

    @property
    def api_url(self) -> str:
        """The address of the API."""
        return self.url + API

    @property
    def token_url(self) -> str:
        """Where tokens are given."""
        return self.url + TOKEN

    def publish(
        self,
        advisory: str,
        title: str,
        cves: Iterable[str] = (),
        *,
        sir: str = "High",
        cvss: float | None = 7.5,
        products: Iterable[str] = (),
        fixed: Mapping[Release, list[str]] | None = None,
    ) -> Published:
        """A new advisory, of now; of an identifier that is there, a change of it."""
        before = self.advisories.get(advisory)
        made = before.published if before else self.now
        row = Published(advisory, title, list(cves), sir, cvss, made, self.now, list(products), dict(fixed or {}))
        self.advisories[advisory] = row
        return row

    def app(self) -> Flask:
        app = Flask(__name__)
        app.before_request(self._fault)
        app.after_request(self._cut)
        app.post(TOKEN)(self._token)

        @app.get(f"{API}/<path:path>")
        def asked(path: str) -> Response:
            if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
                return _error(401, "INVALID_TOKEN")
            return self._answer(path)

        return app

    def _token(self) -> Response:
        form = request.form
        if form.get("grant_type") != "client_credentials":
            return _oauth_error(400, "unsupported_grant_type")
        if (form.get("client_id"), form.get("client_secret")) != (self.client_id, self.client_secret):
            return _oauth_error(401, "invalid_client")
        token = secrets.token_urlsafe(24)
        self.tokens.add(token)
        return jsonify(access_token=token, token_type="Bearer", expires_in=self.life)  # nosec B106: invented

    def _answer(self, path: str) -> Response:
        kind, _, of = path.partition("/")
        if kind == "cve":
            return self._listed([row for row in self._newest() if of in row.cves], bare=self.faults.bare)
        if kind == "advisory":
            return self._listed([row for row in self._newest() if row.advisory == of])
        if kind == "latest" and of.isdecimal():
            return self._listed(self._newest()[: int(of)])
        if kind == "OSType" and of in SYSTEMS:
            return self._of_release((of, request.args.get("version", "")))
        if path in ("all/lastpublished", "all/firstpublished"):
            return self._between("updated" if path.endswith("lastpublished") else "published")
        return _error(404, "INVALID_PATH")

    def _of_release(self, release: Release) -> Response:
        """Official: 406 for a release that Cisco does not know."""
        rows = [row for row in self._newest() if release in row.fixed]
        if not rows and release not in self.releases:
            return _error(406, "INVALID_VERSION")
        return self._listed(rows, release)

    def _between(self, when: str) -> Response:
        """Both days are among them (a guess)."""
        try:
            begin, end = (
                datetime.fromisoformat(request.args[name]).replace(tzinfo=timezone.utc)
                for name in ("startDate", "endDate")
            )
        except (KeyError, ValueError):
            return _error(400, "INVALID_DATE")
        return self._listed([row for row in self._newest() if begin <= getattr(row, when) < end + timedelta(days=1)])

    def _newest(self) -> list[Published]:
        return sorted(self.advisories.values(), key=lambda row: (row.updated, row.advisory), reverse=True)

    def _listed(self, rows: list[Published], release: Release | None = None, *, bare: bool = False) -> Response:
        size = min(int(request.args.get("pageSize", 100)), 100)
        begin = (int(request.args.get("pageIndex", 1)) - 1) * size
        shown = rows if self.faults.one_page else rows[begin : begin + size]
        if not shown:
            return _error(404, "NO_DATA_FOUND")
        if bare:
            told = self._told(shown[0], release)
            return jsonify(**told | {name: ", ".join(told[name]) for name in ("cves", "bugIDs")})
        return jsonify(advisories=[self._told(row, release) for row in shown])

    def _told(self, row: Published, release: Release | None) -> dict[str, Any]:
        """Official, but for the score, which is a text or a number (both seen), and NA for nothing (seen)."""
        told: dict[str, Any] = {
            "advisoryId": row.advisory,
            "advisoryTitle": row.title,
            "bugIDs": ["CSCab12345"],
            "cves": row.cves or ["NA"],
            "cvssBaseScore": "NA" if row.cvss is None else str(row.cvss) if len(row.title) % 2 else row.cvss,
            "cwe": ["CWE-78"],
            "firstPublished": f"{row.published:%Y-%m-%dT%H:%M:%S}",
            "lastUpdated": f"{row.updated:%Y-%m-%dT%H:%M:%S}",
            "status": "Final",
            "version": "1.0",
            "publicationUrl": f"{PAGES}/{row.advisory}",
            "sir": row.sir,
            "summary": "<p>An invented advisory.</p>",
        }
        if request.args.get("productNames") == "true":
            told["productNames"] = row.products or ["NA"]
        if release is not None:
            told |= {"firstFixed": row.fixed[release] or ["NA"], "iosRelease": [release[1]]}
        return told

    def _fault(self) -> Response | None:
        faults = self.faults
        time.sleep(faults.slow)
        if faults.failing:
            faults.failing -= 1
            response = Response("<h1>No</h1>", faults.status)
            if faults.retry_after:
                response.headers["Retry-After"] = faults.retry_after
            return response
        for path, content in faults.contents.items():
            if re.fullmatch(path, request.path):
                return Response(content, mimetype="application/json")
        return None

    def _cut(self, response: Response) -> Response:
        if self.faults.cut:
            self.faults.cut -= 1
            content = response.get_data()
            response.response = _cut_off(content[: len(content) // 2], request.environ["werkzeug.socket"])
            response.headers["Content-Length"] = str(len(content))
        return response


def _error(status: int, code: str) -> Response:
    response = jsonify(errorCode=code, errorMessage="The stand-in says so.")
    response.status_code = status
    return response


def _oauth_error(status: int, code: str) -> Response:
    response = jsonify(error=code, error_description="The stand-in says so.")
    response.status_code = status
    return response


def _cut_off(content: bytes, connection: socket.socket) -> Any:
    yield content
    connection.shutdown(socket.SHUT_RDWR)
