"""The world that the console looks at, with a verb for each thing that can happen in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg

from .scanning import next_scan, record_scan

SCHEMA = "insightvm"
TRUTH = "insightvm_truth"
DDL = Path(__file__).with_name("schema.sql")

# An asset by its id or its host name.
Asset = int | str


class World:
    """Assets, vulnerabilities and their solutions, in two schemas of a PostgreSQL database, kept when they are there.

    Each verb takes place at ``now`` and moves it on by a minute; a scan moves it to its end. Vulnerabilities and
    solutions go by their natural ids. What a scan has not seen yet is in no report.
    """

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self._lock = threading.Lock()
        self._kept: psycopg.Connection[Any] | None = None
        with psycopg.connect(conninfo) as connection:
            if connection.execute("SELECT to_regnamespace(%s)", (SCHEMA,)).fetchone() == (None,):
                connection.execute(DDL.read_bytes())
                connection.execute("INSERT INTO clock VALUES (date_trunc('second', now() AT TIME ZONE 'UTC'))")

    # -- the clock --------------------------------------------------------------------------------------------------

    @property
    def now(self) -> datetime:
        """The console's clock, in UTC. It stands still between verbs: a test device of ours."""
        with self._tables() as cursor:
            moment: datetime = _one(cursor.execute("SELECT now FROM clock"))
        return moment.replace(tzinfo=timezone.utc)

    @now.setter
    def now(self, moment: datetime) -> None:
        with self._tables() as cursor:
            cursor.execute("UPDATE clock SET now = %s", (_stored(moment),))

    # -- assets -----------------------------------------------------------------------------------------------------

    def add_asset(
        self,
        host_name: str | None,
        ip: str,
        mac: str | None = None,
        os: str = "Ubuntu Linux 22.04",
        owner: str | None = None,
        criticality: str | None = None,
        sites: Sequence[str] = ("HQ",),
    ) -> int:
        """Discover an asset, not yet assessed. That it has no row of facts before its first scan is a guess."""
        with self._verb() as cursor:
            system = cursor.execute(
                "INSERT INTO dim_operating_system (description) VALUES (%s)"
                " ON CONFLICT (description) DO UPDATE SET description = excluded.description"
                " RETURNING operating_system_id",
                (os,),
            )
            asset = cursor.execute(
                "INSERT INTO dim_asset (mac_address, ip_address, host_name, operating_system_id, sites)"
                " VALUES (%s, %s, %s, %s, %s) RETURNING asset_id",
                (mac, ip, host_name, _one(system), ", ".join(sites)),
            )
            number = int(_one(asset))
            for kind, name in (("OWNER", owner), ("CRITICALITY", criticality)):
                if name is not None:
                    _tag(cursor, number, kind, name)
        return number

    def tag(self, asset: Asset, kind: str, name: str) -> None:
        """Give an asset a tag: OWNER, CRITICALITY, LOCATION or CUSTOM."""
        with self._verb() as cursor:
            _tag(cursor, _asset_id(cursor, asset), kind, name)

    def untag(self, asset: Asset, kind: str, name: str) -> None:
        """Take a tag off an asset."""
        with self._verb() as cursor:
            cursor.execute(
                "DELETE FROM dim_tag_asset USING dim_tag"
                " WHERE dim_tag.tag_id = dim_tag_asset.tag_id AND asset_id = %s AND tag_type = %s AND tag_name = %s",
                (_asset_id(cursor, asset), kind, name),
            )

    def remove_asset(self, asset: Asset) -> None:
        """Delete an asset with all that is known of it."""
        with self._verb() as cursor:
            cursor.execute("DELETE FROM dim_asset WHERE asset_id = %s", (_asset_id(cursor, asset),))

    def change_address(self, asset: Asset, ip: str, mac: str | None = None) -> None:
        """Give an asset another address, and another MAC if told. That it shows before the next scan is a guess."""
        with self._verb() as cursor:
            cursor.execute(
                "UPDATE dim_asset SET ip_address = %s, mac_address = coalesce(%s::macaddr, mac_address)"
                " WHERE asset_id = %s",
                (ip, mac, _asset_id(cursor, asset)),
            )

    # -- vulnerabilities and solutions ------------------------------------------------------------------------------

    def add_solution(
        self,
        key: str,
        summary: str,
        fix: str,
        type: str = "PATCH",  # pylint: disable=redefined-builtin  # the word of the data model
        estimate: str = "1 hour",
        url: str | None = None,
    ) -> None:
        """Know a solution. ``type`` is PATCH, ROLLUP or WORKAROUND; ``estimate`` is an interval of PostgreSQL."""
        with self._verb() as cursor:
            cursor.execute(
                "INSERT INTO dim_solution (nexpose_id, estimate, url, solution_type, fix, summary)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                (key, estimate, url, type, fix, summary),
            )

    def add_vulnerability(
        self,
        key: str,
        title: str,
        severity_score: int,
        cvss: float | None = None,
        cves: Sequence[str] = (),
        solution: str | None = None,
        needs_credentials: bool = True,
        risk: float = 100.0,
        exploits: int = 0,
        description: str | None = None,
    ) -> None:
        """Know a vulnerability; scores from 0 to 10, risk from 0 to 1000. One solution for all platforms is ours.

        ``description`` is HTML, as the vendor's are.
        """
        with self._verb() as cursor:
            added = cursor.execute(
                "INSERT INTO dim_vulnerability"
                " (nexpose_id, title, severity_score, severity, riskscore, cvss_v3_score, exploits, description,"
                " malware_kits) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0) RETURNING vulnerability_id",
                (key, title, severity_score, _severity_word(severity_score), risk, cvss, exploits, description),
            )
            number = _one(added)
            cursor.executemany(
                "INSERT INTO dim_vulnerability_reference VALUES (%s, 'CVE', %s)", [(number, cve) for cve in cves]
            )
            best = None if solution is None else _solution_id(cursor, solution)
            cursor.execute("INSERT INTO nature VALUES (%s, %s, %s)", (number, best, needs_credentials))

    def drift(self, vulnerability: str, score: int, risk: float | None = None) -> None:
        """Grade a vulnerability anew. That it shows before the next scan is a guess."""
        with self._verb() as cursor:
            cursor.execute(
                "UPDATE dim_vulnerability SET severity_score = %s, severity = %s, riskscore = coalesce(%s, riskscore)"
                " WHERE vulnerability_id = %s",
                (score, _severity_word(score), risk, _vulnerability_id(cursor, vulnerability)),
            )

    def supersede(self, old_solution: str, new_solution: str) -> None:
        """Make one solution supersede another. That it shows before the next scan is a guess."""
        with self._verb() as cursor:
            old, new = _solution_id(cursor, old_solution), _solution_id(cursor, new_solution)
            cursor.execute("INSERT INTO superseded VALUES (%s, %s)", (old, new))
            if _one(cursor.execute("SELECT best(%s)", (new,))) is None:
                raise ValueError(f"{old_solution} supersedes {new_solution} already")
            cursor.execute("UPDATE dim_asset_vulnerability_best_solution SET solution_id = best(solution_id)")

    # -- what is really there ---------------------------------------------------------------------------------------

    def find(self, asset: Asset, vulnerability: str, instances: int = 1) -> None:
        """Make an asset have a vulnerability, which the next scan that looks sees."""
        with self._verb() as cursor:
            cursor.execute(
                "INSERT INTO present VALUES (%s, %s, %s)"
                " ON CONFLICT (asset_id, vulnerability_id) DO UPDATE SET instances = excluded.instances",
                (_asset_id(cursor, asset), _vulnerability_id(cursor, vulnerability), instances),
            )

    def patch(self, asset: Asset, vulnerability: str) -> None:
        """Take a vulnerability off an asset for good."""
        with self._verb() as cursor:
            gone = cursor.execute(
                "DELETE FROM present WHERE asset_id = %s AND vulnerability_id = %s RETURNING 1",
                (_asset_id(cursor, asset), _vulnerability_id(cursor, vulnerability)),
            )
            _one(gone)

    def half_patch(self, asset: Asset, vulnerability: str) -> None:
        """Do the work badly: half of the instances go, at least one stays, so the finding stays."""
        with self._verb() as cursor:
            left = cursor.execute(
                "UPDATE present SET instances = (instances + 1) / 2"
                " WHERE asset_id = %s AND vulnerability_id = %s RETURNING instances",
                (_asset_id(cursor, asset), _vulnerability_id(cursor, vulnerability)),
            )
            _one(left)

    def scan(
        self,
        assets: Sequence[Asset] | None = None,
        credentials: int = 4,
        started: datetime | None = None,
        finished: datetime | None = None,
        partial: Sequence[Asset] = (),
    ) -> int:
        """Scan assets, all by default, and return the scan's number.

        It starts at ``now`` and ends half an hour later unless told, and sees what is there at the time of this call.
        Credentials 1 and 2 miss what needs credentials. The facts of the assets in ``partial`` stay as they were:
        documented only, facts hold only completed scans of an asset.
        """
        begin = _stored(started or self.now)
        end = _stored(finished) if finished else begin + timedelta(minutes=30)
        with self._tables() as cursor:
            every = [row[0] for row in cursor.execute("SELECT asset_id FROM dim_asset").fetchall()]
            chosen = every if assets is None else [_asset_id(cursor, asset) for asset in assets]
            left_out = {_asset_id(cursor, asset) for asset in partial}
            scan = record_scan(cursor, [asset for asset in chosen if asset not in left_out], credentials, begin, end)
            cursor.execute("UPDATE clock SET now = greatest(now, %s)", (end,))
        return scan

    # -- scans that a client asks for ---------------------------------------------------------------------------------

    def ask_scan(self, site: str, name: str, hosts: Sequence[str], status: str = "running") -> int:
        """Begin to scan hosts of a site, by addresses or host names. Its number; it sees something when it ends."""
        with self._verb() as cursor:
            number = next_scan(cursor)
            cursor.execute(
                "INSERT INTO asked_scan VALUES (%s, %s, %s, %s, (SELECT now FROM clock), %s)",
                (number, site, name, list(hosts), status),
            )
        return number

    def end_scan(self, scan: int, status: str = "finished", credentials: int = 4) -> None:
        """Let a scan that was asked for end now. Only one that is finished has seen its hosts."""
        with self._verb() as cursor:
            ended = cursor.execute(
                "UPDATE asked_scan SET status = %s WHERE scan_id = %s RETURNING hosts, started", (status, scan)
            ).fetchall()
            if not ended:
                raise LookupError("the console knows no such scan")
            ((hosts, started),) = ended
            found = cursor.execute(
                "SELECT asset_id FROM dim_asset WHERE host(ip_address) = ANY(%s) OR host_name = ANY(%s)", (hosts, hosts)
            )
            assets = [row[0] for row in found.fetchall()]
            if status == "finished":
                (now,) = cursor.execute("SELECT now FROM clock").fetchall()[0]
                record_scan(cursor, assets, credentials, started, now, scan)

    # -- exceptions -------------------------------------------------------------------------------------------------

    def except_(
        self,
        asset: Asset,
        vulnerability: str,
        reason: str = "Acceptable Risk",
        expires: date | None = None,
        by: str = "halo-sync",
        comment: str = "",
    ) -> int:
        """Ask for an exception for one asset: Under Review, without effect. Its number."""
        with self._verb() as cursor:
            known = cursor.execute("SELECT reason_id FROM dim_exception_reason WHERE description = %s", (reason,))
            added = cursor.execute(
                "INSERT INTO dim_vulnerability_exception (reason_id, vulnerability_id, asset_id, submitted_by,"
                " expiration_date, scope_id, status_id, submitted_date)"
                " VALUES (%s, %s, %s, %s, %s, 'D', 'U', (SELECT now FROM clock)) RETURNING vulnerability_exception_id",
                (_one(known), _vulnerability_id(cursor, vulnerability), _asset_id(cursor, asset), by, expires),
            )
            number = int(_one(added))
            cursor.execute("INSERT INTO exception_comment VALUES (%s, %s)", (number, comment))
            return number

    def approve(self, exception: int, by: str = "admin", comment: str | None = None) -> None:
        """Approve an exception. That the facts show it from the next scan on, and not at once, is a guess."""
        self._judge(exception, "A", by, comment)

    def reject(self, exception: int, by: str = "admin", comment: str | None = None) -> None:
        """Reject an exception."""
        self._judge(exception, "R", by, comment)

    def recall(self, exception: int) -> None:
        """Take back what was asked for. That it is Deleted then, even where it was approved, is a guess."""
        self._judge(exception, "D", None)

    def extend(self, exception: int, expires: date) -> None:
        """Let an exception hold until another day."""
        with self._verb() as cursor:
            changed = cursor.execute(
                "UPDATE dim_vulnerability_exception SET expiration_date = %s WHERE vulnerability_exception_id = %s"
                " RETURNING 1",
                (expires, exception),
            )
            _one(changed)

    def delete_exception(self, exception: int) -> None:
        """Remove an exception. That nothing shows it any more is a guess."""
        with self._verb() as cursor:
            gone = cursor.execute(
                "DELETE FROM dim_vulnerability_exception WHERE vulnerability_exception_id = %s RETURNING 1",
                (exception,),
            )
            _one(gone)

    def expire(self, exception: int) -> None:
        """Let an exception run out. When the facts show it is a guess, as for ``approve``."""
        self._judge(exception, "E", None)

    def _judge(self, exception: int, status: str, by: str | None, comment: str | None = None) -> None:
        with self._verb() as cursor:
            judged = cursor.execute(
                "UPDATE dim_vulnerability_exception SET status_id = %s, reviewed_by = coalesce(%s, reviewed_by)"
                " WHERE vulnerability_exception_id = %s RETURNING 1",
                (status, by, exception),
            )
            _one(judged)
            cursor.execute(
                "UPDATE exception_comment SET reviewed = coalesce(%s, reviewed) WHERE vulnerability_exception_id = %s",
                (comment, exception),
            )

    # -- the tables -------------------------------------------------------------------------------------------------

    @contextmanager
    def _tables(self) -> Iterator[psycopg.Cursor[Any]]:
        """A cursor on both schemas, in one transaction."""
        with self._lock, ExitStack() as stack:
            connection = self._kept or stack.enter_context(self._connected())
            stack.enter_context(connection.transaction())
            yield connection.cursor()

    def _connected(self) -> psycopg.Connection[Any]:
        path = f"-c search_path={SCHEMA},{TRUTH} -c timezone=UTC"
        return psycopg.connect(self.conninfo, options=path)

    @contextmanager
    def by_one_connection(self) -> Iterator[None]:
        """For the block, all verbs take place by one connection: many of them take a fraction of the time."""
        with self._connected() as self._kept:
            self._kept.autocommit = True
            try:
                yield
            finally:
                self._kept = None

    @contextmanager
    def _verb(self) -> Iterator[psycopg.Cursor[Any]]:
        with self._tables() as cursor:
            yield cursor
            cursor.execute("UPDATE clock SET now = now + interval '1 minute'")


def _one(cursor: psycopg.Cursor[Any]) -> Any:
    row = cursor.fetchone()
    if row is None:
        raise LookupError("the console knows no such thing")
    return row[0]


def _stored(moment: datetime) -> datetime:
    """A moment as the tables hold it: UTC without a zone."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None)


def _asset_id(cursor: psycopg.Cursor[Any], asset: Asset) -> int:
    column = "asset_id" if isinstance(asset, int) else "host_name"
    query = f"SELECT asset_id FROM dim_asset WHERE {column} = %s"  # nosec B608: one of two constants
    return int(_one(cursor.execute(query, (asset,))))


def _vulnerability_id(cursor: psycopg.Cursor[Any], key: str) -> int:
    return int(_one(cursor.execute("SELECT vulnerability_id FROM dim_vulnerability WHERE nexpose_id = %s", (key,))))


def _solution_id(cursor: psycopg.Cursor[Any], key: str) -> int:
    return int(_one(cursor.execute("SELECT solution_id FROM dim_solution WHERE nexpose_id = %s", (key,))))


def _tag(cursor: psycopg.Cursor[Any], asset: int, kind: str, name: str) -> None:
    tag = cursor.execute(
        "INSERT INTO dim_tag (tag_name, tag_type, source) VALUES (%s, %s, 'nexpose')"
        " ON CONFLICT (tag_type, tag_name) DO UPDATE SET source = excluded.source RETURNING tag_id",
        (name, kind),
    )
    cursor.execute("INSERT INTO dim_tag_asset VALUES (%s, %s, 'tag')", (_one(tag), asset))


def _severity_word(score: int) -> str:
    """Seen live: Critical from 8, Severe from 4, Moderate below."""
    return "Critical" if score >= 8 else "Severe" if score >= 4 else "Moderate"
