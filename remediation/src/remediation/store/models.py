"""The tables. ``bulk`` reads and writes the large ones (assets to observations); the ORM is for the others.

A null text is one that the source does not tell; an empty one is what it told.
"""

from __future__ import annotations

from datetime import date

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex, GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import F, Func, Value
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from ..domain.snapshot import SEVERITIES
from .fields import key_text, owner, texts, version

# Django looks for all tables here. pylint: disable=unused-import,useless-import-alias
from .alert_models import Alert as Alert, AlertMessage as AlertMessage  # noqa: F401
from .alert_models import AlertRule as AlertRule, AlertSubject as AlertSubject  # noqa: F401
from .weekly_models import WeeklyMessage as WeeklyMessage, WeeklyReport as WeeklyReport  # noqa: F401

# pylint: enable=unused-import,useless-import-alias


class Source(models.Model):
    """A scanner, or a series of report files, that speaks of its own assets only."""

    name = models.TextField(unique=True)
    kind = models.TextField()
    settings = models.JSONField(default=dict)
    secret = models.TextField(default="", db_comment="sealed by store.secrets")
    created = models.DateTimeField(default=timezone.now)
    version = version()
    # How many of its vulnerabilities of each severity are on a device: store.counts.
    critical = models.IntegerField(default=0, db_default=0)
    high = models.IntegerField(default=0, db_default=0)
    medium = models.IntegerField(default=0, db_default=0)
    low = models.IntegerField(default=0, db_default=0)
    none = models.IntegerField(default=0, db_default=0)

    def __str__(self) -> str:
        return self.name


class SnapshotRecord(models.Model):
    """What a source said at one time, unfiltered and whole, so that any two can be compared."""

    source = models.ForeignKey(Source, models.PROTECT, related_name="snapshots", db_index=False)
    taken = models.DateTimeField(db_comment="by the source's clock")
    read = models.DateTimeField(default=timezone.now, db_comment="by ours")
    proof = models.TextField(
        db_comment="what the absence of a finding proves: scan, assessed, file, devices or nothing"
    )
    rows = models.BigIntegerField(db_comment="rows that were read, of any kind")
    findings = models.BigIntegerField()
    assets = models.BigIntegerField(db_comment="assets in the coverage")
    content_hash = models.TextField(db_comment="the same for the same content, whenever and in which order it is read")
    frames = models.BinaryField(
        null=True, db_comment="a zip of a parquet file for each of the four frames; null: too old to be kept"
    )

    class Meta:
        indexes = [models.Index(fields=["source", "taken"], name="snapshot_source_taken")]


class OpenInstances(models.Model):
    """Where the findings of a source that tells only changes are open: sources.open_instances."""

    source = models.OneToOneField(Source, models.PROTECT, primary_key=True, related_name="+")
    rows = models.BinaryField(db_comment="a parquet file")


class Device(models.Model):
    """The assets of all sources that are one machine."""

    name = models.TextField()
    by_hand = models.BooleanField(
        default=False, db_comment="a person put its assets together: no rule takes them apart"
    )
    created = models.DateTimeField(default=timezone.now)
    # The sums of its assets' counts, and when the last of them was assessed: store.counts.
    critical = models.IntegerField(default=0, db_default=0)
    high = models.IntegerField(default=0, db_default=0)
    medium = models.IntegerField(default=0, db_default=0)
    low = models.IntegerField(default=0, db_default=0)
    none = models.IntegerField(default=0, db_default=0)
    risk = models.FloatField(default=0, db_default=0)
    assessed = models.DateTimeField(null=True)

    class Meta:
        indexes = [GinIndex(SearchVector("name", config="simple"), name="device_words", fastupdate=False)]


class RegisteredDevice(models.Model):
    """A device of the organisation's own register: domain.register. ``devices`` are those of scans that have one of its
    names, or its address where a scan tells no name: store.registered."""

    key = key_text(unique=True, db_comment="its name in small letters, by which it is the same in another edition")
    name = models.TextField()
    aliases = texts()
    addresses = texts()
    keys = texts()  # its name and aliases, in small letters
    owner = models.TextField(default="", db_comment="a person or a team")
    site = models.TextField(default="")
    criticality = models.TextField(default="")
    devices = models.ManyToManyField(Device, related_name="registered", db_constraint=False)

    class Meta:
        indexes = [
            GinIndex(fields=["keys"], name="registered_keys", fastupdate=False),
            GinIndex(fields=["addresses"], name="registered_addresses", fastupdate=False),
        ]

    def __str__(self) -> str:
        return self.name


class RegisterDraft(models.Model):
    """A register that somebody has brought and nobody has taken in yet: store.register."""

    who = models.TextField(db_comment="the name of the user")
    made = models.DateTimeField(default=timezone.now)
    name = models.TextField(db_comment="of the file, as the browser told it: only shown")
    entries = models.JSONField(default=list, db_comment="the devices, as store.registered writes them")
    columns = models.JSONField(default=dict, db_comment="from which column each field was read")
    keeps = models.BooleanField(default=False, db_comment="what it does not hold stays in the register")


class Segment(models.Model):
    """A part of the network, and what is open in it: store.segment_counts."""

    by = models.TextField(db_comment="subnet, sites or one of the lists of tags of an asset")
    name = key_text(db_comment="empty for what is in none")
    devices = models.IntegerField(db_comment="how many are in it")
    critical = models.IntegerField()
    high = models.IntegerField()
    medium = models.IntegerField()
    low = models.IntegerField()
    none = models.IntegerField()
    risk = models.FloatField(db_comment="the sum of their vulnerabilities' risks")
    members = models.JSONField(db_comment="its first devices, each with its findings and its worst severity")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["by", "name"], name="segment_once")]
        # The order of the page. The expressions are those of store.segments.
        indexes = [
            models.Index(
                F("by"), *(F(name) * Value(-1) for name in ("risk", *SEVERITIES)), F("name"), name="segment_by_risk"
            )
        ]


# Of an asset. The order is that of web.devices.rows.
_TAGS = tuple(map(F, ("sites", "owner_tags", "location_tags", "criticality_tags", "custom_tags")))


class Asset(models.Model):
    """What one source calls one machine, and how it was assessed last."""

    source = owner("Source")
    asset = key_text()
    host_name = models.TextField(null=True)
    ip = models.TextField(null=True)
    mac = models.TextField(null=True)
    os = models.TextField(null=True)
    sites = texts()
    owner_tags = texts()
    criticality_tags = texts()
    location_tags = texts()
    custom_tags = texts()
    # How many findings of each severity are open or unconfirmed, and not accepted: store.counts.
    critical = models.IntegerField(default=0, db_default=0)
    high = models.IntegerField(default=0, db_default=0)
    medium = models.IntegerField(default=0, db_default=0)
    low = models.IntegerField(default=0, db_default=0)
    none = models.IntegerField(default=0, db_default=0)
    risk = models.FloatField(default=0, db_default=0, db_comment="the sum of their vulnerabilities' risks")
    scan = models.TextField(null=True, db_comment="the last scan that assessed it")
    scan_started = models.DateTimeField(null=True)
    scan_finished = models.DateTimeField(null=True)
    assessed = models.DateTimeField(null=True)
    credentials = models.SmallIntegerField(null=True, db_comment="-1 not applicable, 1 none, 2 failed, 3 partly, 4 all")
    covered = models.BooleanField(default=False, db_comment="whether the source's last full snapshot covered it")
    device = models.ForeignKey(Device, models.SET_NULL, null=True, related_name="assets", db_constraint=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "asset"], name="asset_once")]
        indexes = [
            GinIndex(SearchVector("host_name", "ip", config="simple"), name="asset_words", fastupdate=False),
            GinIndex(
                Func(*_TAGS, arg_joiner=" || ", template="(%(expressions)s)"), name="asset_tags", fastupdate=False
            ),
        ]


# The orders of pages. The expressions are those of web.vulnerabilities.rows.
_ORDERS: dict[str, F | Coalesce] = {
    "rank": F("rank"),
    "graded": F("graded_rank"),
    "alive": F("alive"),
    "oldest": F("oldest"),
    "newest": F("newest"),
    **{name: Coalesce(name, Value(-1.0)) for name in ("cvss", "vpr", "risk")},
}


class Vulnerability(models.Model):
    """What a source says of a vulnerability, wherever it is found."""

    source = owner("Source")
    vulnerability = key_text()
    title = models.TextField(null=True)
    severity = models.TextField(null=True, db_comment="critical, high, medium, low or none")
    cvss = models.FloatField(null=True, db_comment="0 to 10")
    family = models.TextField(null=True, db_comment="of a plugin; often names the vendor")
    risk = models.FloatField(null=True, db_comment="the source's own score: the highest of all assets")
    vpr = models.FloatField(null=True, db_comment="0 to 10, Tenable's own")
    epss = models.FloatField(null=True, db_comment="0 to 1, as the source tells it")
    exploits = models.IntegerField(null=True)
    cves = texts()
    description = models.TextField(null=True, db_comment="the source's own, as plain text")
    # The ranks are set by a trigger, for whoever writes. A generated column would be made anew with each change of a
    # row, which doubled the time that what feeds tell takes.
    rank = models.SmallIntegerField(db_default=0, db_comment="4 for critical to 0 for none or unknown")
    # Of its findings that are open or unconfirmed, and not accepted: store.counts.
    alive = models.IntegerField(default=0, db_default=0, db_comment="on how many assets it is")
    oldest = models.DateTimeField(null=True, db_comment="when the first of them was found")
    newest = models.DateTimeField(null=True, db_comment="when the last of them was found first")
    # By the service's formula: store.grading. Null where there is none.
    graded = models.TextField(null=True, db_comment="critical, high, medium, low or none")
    on_critical = models.BooleanField(
        default=False, db_default=False, db_comment="whether it counted that a critical asset has it"
    )
    graded_rank = models.SmallIntegerField(
        db_default=0, db_comment="4 for critical to 0 for none or unknown; as rank where it is not graded"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "vulnerability"], name="vulnerability_once")]
        indexes = [
            models.Index(by, F("id"), name=f"vulnerability_by_{name}", condition=models.Q(alive__gt=0))
            for name, by in _ORDERS.items()
        ]


class Enrichment(models.Model):
    """The worst that the feeds tell of the CVEs of a vulnerability: store.cves. Each vulnerability has one.

    Apart from it, because the feeds tell something new of most of them each day, and a vulnerability's row has many
    indexes, all of which are written with it.
    """

    vulnerability = models.OneToOneField(Vulnerability, models.CASCADE, primary_key=True, db_constraint=False)
    kev = models.BooleanField(
        default=False, db_default=False, db_comment="whether CISA's catalogue has one of its CVEs"
    )
    kev_due = models.DateField(null=True, db_comment="the earliest that CISA sets for one of them")
    kev_ransomware = models.BooleanField(
        default=False, db_default=False, db_comment="whether CISA knows that ransomware uses one of them"
    )
    feed_epss = models.FloatField(null=True, db_comment="0 to 1, the highest that FIRST gives one of them")
    known_epss = models.FloatField(null=True, db_comment="0 to 1, the source's own EPSS, or else feed_epss")

    class Meta:
        indexes = [
            # The expressions are those of web.vulnerabilities.rows.
            models.Index(Coalesce("known_epss", Value(-1.0)), F("vulnerability"), name="enrichment_by_epss"),
            models.Index(Coalesce("kev_due", Value(date.min)), F("vulnerability"), name="enrichment_by_kev"),
            # They are few among many, and are asked for with any other order.
            models.Index("vulnerability", name="enrichment_in_kev", condition=models.Q(kev=True)),
        ]


class SearchedVulnerability(models.Model):
    """What people search vulnerabilities by, as it stands in their own rows.

    Apart from them, because these indexes take longest to write, and each reading of a scanner or a feed writes other
    columns of a vulnerability.
    """

    pk = models.CompositePrimaryKey("source_id", "vulnerability")
    source = owner("Source")
    vulnerability = key_text()
    title = models.TextField(null=True)
    cves = texts()

    class Meta:
        indexes = [
            # Without a list of what is to be put into it later, which every search would go through.
            GinIndex(fields=["cves"], name="searched_cves", fastupdate=False),
            # With one, which store.bulk empties: many titles have the same words, and put in one by one they take six
            # times as long.
            GinIndex(
                SearchVector(Coalesce("title", "vulnerability"), config="simple"),
                name="searched_words",
                fastupdate=True,
            ),
        ]


class Cve(models.Model):
    """What CISA's catalogue (KEV) and FIRST's scores (EPSS) tell of a CVE. Null is what they do not tell.

    ``kev_of`` and ``epss_of`` are the feeds' own dates when they first told what stands here.
    """

    cve = key_text(primary_key=True)
    kev_added = models.DateField(null=True)
    kev_due = models.DateField(null=True)
    kev_ransomware = models.BooleanField(null=True, db_comment="whether CISA knows that ransomware uses it")
    kev_of = models.DateField(null=True)
    epss = models.FloatField(null=True, db_comment="0 to 1")
    epss_percentile = models.FloatField(null=True, db_comment="0 to 1")
    epss_of = models.DateField(null=True)
    read = models.DateTimeField(db_comment="when something of it was read that was news, by our clock")


class Feed(models.Model):
    """What was read of a feed about CVEs, and how the last try ended."""

    name = models.TextField(primary_key=True, db_comment="kev, epss or cisco")
    address = models.TextField(default="", db_comment="of which etag and modified are")
    etag = models.TextField(default="")
    modified = models.TextField(default="")
    day = models.DateField(null=True, db_comment="the feed's own date")
    release = models.TextField(default="", db_comment="what the feed calls its edition or its model")
    rows = models.IntegerField(default=0, db_comment="how many CVEs it held")
    read = models.DateTimeField(null=True, db_comment="when it was last read, or had not changed, by our clock")
    due = models.DateTimeField(null=True, db_comment="when it is to be read again; null: at once")
    error = models.TextField(default="", db_comment="why the last try failed; empty: it did not")


class Cisco(models.Model):
    """The access to Cisco's openVuln, and what was asked with it. There is one row at most."""

    client_id = models.TextField()
    secret = models.TextField(db_comment="sealed by store.secrets")
    spent = models.JSONField(default=list, db_comment="requests of the last 24 hours, as domain.budget has them")
    next_at = models.DateTimeField(null=True, db_comment="when the next request may be sent")
    waits_until = models.DateTimeField(null=True, db_comment="until when Cisco does not want to be asked")
    known_until = models.DateField(null=True, db_comment="the day up to which it was asked what has changed")
    version = version()

    @property
    def name(self) -> str:
        """What it is."""
        return "openVuln"


class Advisory(models.Model):
    """An advisory of Cisco's, as it was told last."""

    advisory = key_text(primary_key=True, db_comment="Cisco's identifier")
    title = models.TextField()
    cves = texts()
    sir = models.TextField(default="", db_comment="Cisco's word for how bad it is")
    cvss = models.FloatField(null=True, db_comment="0 to 10")
    published = models.DateTimeField(null=True)
    updated = models.DateTimeField(null=True)
    url = models.TextField(default="")
    read = models.DateTimeField(db_comment="when it was told last, by our clock")

    class Meta:
        indexes = [GinIndex(fields=["cves"], name="advisory_cves", fastupdate=False)]


class CiscoAnswer(models.Model):
    """What Cisco answered last about a CVE, a release or an identifier. Nothing is an answer as well."""

    about = key_text(primary_key=True, db_comment="as store.advisories.about_cve and the like have it")
    read = models.DateTimeField(null=True, db_comment="when it was answered, by our clock; null: never")
    again = models.DateTimeField(db_comment="when it is to be asked again")
    advisories = texts()
    fixed = models.JSONField(default=dict, db_comment="of a release: the first ones without it, by advisory")
    said = models.TextField(default="", db_comment="why the last try gave no answer; empty: it did")

    class Meta:
        indexes = [GinIndex(fields=["advisories"], name="cisco_answer_advisories", fastupdate=False)]


class Solution(models.Model):
    """What to do about vulnerabilities. Where a source has none, the vulnerability stands for it."""

    source = owner("Source")
    solution = key_text()
    name = models.TextField(null=True)
    fix = models.TextField(null=True)
    type = models.TextField(null=True)
    url = models.TextField(null=True)
    estimate = models.TextField(null=True)
    # By these, its findings are found: an index on them by solution would be a tenth of an import.
    vulnerabilities = texts()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "solution"], name="solution_once")]


class Remedy(models.Model):
    """What would be gone if a solution were carried out everywhere: the findings that count (store.counts) and have it.
    Where a source names no solution, the vulnerability stands for it."""

    source = owner("Source")
    remedy = key_text(db_comment="the solution's key, else the vulnerability's")
    findings = models.IntegerField()
    assets = models.IntegerField(db_comment="on how many assets they are")
    risk = models.FloatField(null=True, db_comment="the sum of their vulnerabilities' risks")
    critical = models.IntegerField()
    high = models.IntegerField()
    medium = models.IntegerField()
    low = models.IntegerField()
    none = models.IntegerField()
    vulnerabilities = texts()
    owners = texts()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "remedy"], name="remedy_once")]
        indexes = [
            models.Index(Coalesce("risk", Value(-1.0)), F("id"), name="remedy_by_risk"),
            models.Index(F("assets"), F("id"), name="remedy_by_assets"),
        ]


class Finding(models.Model):
    """The ledger: what is believed of every finding that was ever seen. Columns as in domain.ledger.LEDGER."""

    pk = models.CompositePrimaryKey("source_id", "asset", "vulnerability")
    source = owner("Source")
    asset = key_text()
    vulnerability = key_text()
    solution = key_text(null=True)
    state = models.TextField(db_comment="open, unconfirmed, remediated, excepted or left")
    since = models.DateTimeField(null=True, db_comment="since when the state holds, by the source's clock")
    first_found = models.DateTimeField(null=True)
    last_found = models.DateTimeField(null=True)
    instances = models.BigIntegerField(null=True, db_comment="ports and protocols")
    scan = models.TextField(null=True, db_comment="the last scan that saw it, or that proved it gone")
    scan_started = models.DateTimeField(null=True)
    credentials = models.SmallIntegerField(null=True, db_comment="the weakest with which it was seen")
    missed = models.IntegerField(null=True, db_comment="reports in a row that held its asset without it")

    class Meta:
        indexes = [models.Index(fields=["source", "vulnerability", "asset"], name="finding_vulnerability")]


class RiskAcceptance(models.Model):
    """A risk that somebody accepts until a day: of an asset, a solution or a vulnerability, or of what all of the given
    ones have in common. It excepts the findings that it covers, whatever their source says."""

    source = models.ForeignKey(Source, models.PROTECT, related_name="acceptances")
    asset = models.TextField(null=True, db_collation="C")
    solution = models.TextField(null=True, db_collation="C")
    vulnerability = models.TextField(null=True, db_collation="C")
    reason = models.TextField()
    approver = models.TextField()
    accepted = models.DateTimeField(default=timezone.now)
    expires = models.DateField(db_comment="the last day on which it holds")
    withdrawn = models.DateTimeField(null=True, db_comment="when somebody ended it before its time")
    version = version()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(asset__isnull=False)
                | models.Q(solution__isnull=False)
                | models.Q(vulnerability__isnull=False),
                name="acceptance_of_something",
            )
        ]


class ConsoleException(models.Model):
    """An asset and a vulnerability for which a console was asked for an exception, or is to be: domain.exceptions."""

    source = models.ForeignKey(Source, models.CASCADE, related_name="exceptions", db_index=False)
    acceptance = models.ForeignKey(RiskAcceptance, models.PROTECT, related_name="exceptions")
    asset = key_text()
    vulnerability = key_text()
    state = models.TextField(db_comment="a State of domain.exceptions")
    number = models.IntegerField(null=True, db_comment="the console's")
    reference = models.TextField(default="", db_comment="stands in the comment; empty: nothing was ever sent")
    until = models.DateField(db_comment="the last day on which it was asked to hold")
    doing = models.TextField(default="", db_comment="what was begun, and whose outcome is not known: submit, ...")
    since = models.DateTimeField(null=True, db_comment="when it was begun")
    released = models.BooleanField(default=False, db_comment="it needs no word of an approver")
    said = models.TextField(default="", db_comment="what a person should know")
    at = models.DateTimeField(default=timezone.now, db_comment="when something of it changed last")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "asset", "vulnerability"], name="console_exception_once")
        ]


class Run(models.Model):
    """One reading of a source or one run of a project, and how it ended."""

    project = models.ForeignKey("Project", models.CASCADE, null=True, related_name="runs")
    source = models.ForeignKey(Source, models.CASCADE, null=True, related_name="runs")
    kind = models.TextField()
    started = models.DateTimeField(default=timezone.now)
    finished = models.DateTimeField(null=True)
    outcome = models.TextField(default="")
    detail = models.JSONField(default=dict)


class Observation(models.Model):
    """What a snapshot changed in the ledger. Rows are only ever appended."""

    pk = models.CompositePrimaryKey("source_id", "asset", "vulnerability", "snapshot_id")
    place = models.BigIntegerField(db_comment="among all: a later snapshot's are higher")
    run = owner("Run", null=True)
    snapshot = owner("SnapshotRecord")
    source = owner("Source")
    asset = key_text()
    vulnerability = key_text()
    solution = key_text(null=True)
    kind = models.TextField(db_comment="new, rediscovered, remediated, ...")
    detail = models.JSONField(default=dict, db_comment="the other columns of domain.observe.OBSERVATIONS")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # Rows lie in the order of snapshots: bounds are enough, and an entry for each would cost as much again.
            BrinIndex(fields=["snapshot"], autosummarize=True, name="observation_snapshot"),
            # What was settled and what came back, of any time.
            models.Index(
                fields=["kind", "source"],
                condition=models.Q(kind__in=["remediated", "rediscovered"]),
                name="observation_settled",
            ),
        ]


class Connection(models.Model):
    """One HaloITSM instance."""

    name = models.TextField(unique=True)
    settings = models.JSONField(default=dict)
    secret = models.TextField(default="", db_comment="sealed by store.secrets")
    version = version()
    # Where Halo's webhooks come in: tickets.webhook.
    webhook_address = models.TextField(default="", db_comment="SHA-256 of the end of its address; empty: there is none")
    webhook_secret = models.TextField(default="", db_comment="sealed by store.secrets")
    webhook_heard = models.DateTimeField(null=True, db_comment="when one was believed last, to a minute")

    def __str__(self) -> str:
        return self.name


class ConnectionDraft(models.Model):
    """What somebody has entered of a connection and not enabled yet: of a new one, or changes of one that is there.

    Nothing but the pages of the wizard reads it.
    """

    connection = models.OneToOneField(Connection, models.CASCADE, null=True, related_name="draft")
    based_on = models.IntegerField(default=0, db_comment="the version of the connection that it changes")
    name = models.TextField(default="")
    entered = models.JSONField(default=dict, db_comment="the fields of each step's form, as they were sent")
    seen = models.JSONField(default=dict, db_comment="HaloITSM's lists as last read, and what the last test found")
    secret = models.TextField(default="", db_comment="sealed by store.secrets")
    who = models.TextField(default="", db_comment="the name of the user who entered something last")
    at = models.DateTimeField(default=timezone.now)
    version = version()


class Project(models.Model):
    """A remediation project. The first in order of ``position`` has a finding that several would have."""

    name = models.TextField(unique=True)
    slug = models.SlugField(max_length=200, unique=True, db_comment="in the references of its tickets: never changed")
    position = models.IntegerField(default=0)
    connection = models.ForeignKey(Connection, models.PROTECT, related_name="projects")
    source = models.ForeignKey(Source, models.PROTECT, null=True, related_name="projects")
    settings = models.JSONField(default=dict)
    created = models.DateTimeField(default=timezone.now)
    paused = models.BooleanField(default=False, db_default=False, db_comment="it is not run until somebody resumes it")
    version = version()


class ListedFinding(models.Model):
    """A finding that a static project was made of, where a report told them: it takes in no other."""

    pk = models.CompositePrimaryKey("project_id", "asset", "vulnerability")
    project = models.ForeignKey(Project, models.CASCADE, related_name="listed", db_index=False)
    asset = key_text()
    vulnerability = key_text()


class Ticket(models.Model):
    """A ticket of ours in Halo, or one that is about to be."""

    project = models.ForeignKey(Project, models.PROTECT, related_name="tickets", db_index=False)
    key = key_text(db_comment="solution, owner, asset or vulnerability; 'project' for the parent")
    generation = models.IntegerField(default=1, db_comment="a new linked ticket for the same key is the next one")
    reference = models.TextField(unique=True, db_comment="by which Halo finds it again")
    kind = models.TextField(choices=[("parent", "parent"), ("child", "child")], default="child")
    halo_id = models.BigIntegerField(null=True, db_index=True)
    status = models.TextField(default="", db_comment="ours; empty: Halo's is not mapped")
    halo_status_id = models.IntegerField(null=True)
    halo_changed = models.DateTimeField(null=True, db_comment="its last change in Halo, by Halo's clock")
    webhook = models.DateTimeField(null=True, db_comment="when one told of it that was not followed yet")
    agreed_status = models.TextField(default="", db_comment="ours, when both sides last had the same")
    agreed_at = models.DateTimeField(null=True)
    assigned = models.TextField(default="")
    title = models.TextField(default="")
    due = models.DateField(null=True, db_comment="the date that it was made with")
    created = models.DateTimeField(default=timezone.now)
    settled = models.BooleanField(default=False)
    note = models.JSONField(default=dict)
    # Of the findings that the note tells of and that are the ticket's still.
    assets = texts()
    vulnerabilities = texts()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "key", "generation"], name="ticket_once")]
        indexes = [
            GinIndex(fields=["assets"], name="ticket_assets", fastupdate=False),
            GinIndex(fields=["vulnerabilities"], name="ticket_vulnerabilities", fastupdate=False),
            # They are few, and each plan and each offer of a ticket looks for them.
            models.Index(fields=["project"], condition=models.Q(note__has_key="detached"), name="ticket_detached"),
        ]

    @property
    def name(self) -> str:
        """Key and generation, as plans name it."""
        return f"{self.key}/{self.generation}"


class Consolidation(models.Model):
    """What a person decided of a suggestion to deal with tickets, or with findings without one, as one:
    domain.consolidation. Rows are only ever appended."""

    about = models.TextField(db_comment="device or solution")
    subject = key_text(db_comment="the device's number; the source's number, a colon, and its id of the solution")
    name = models.TextField(db_comment="what that was called then")
    # The numbers of the tickets' rows; empty where it is about findings without a ticket.
    tickets = ArrayField(models.BigIntegerField(), default=list, db_default=[])
    vulnerabilities = texts()  # of findings without a ticket
    stays = models.ForeignKey(
        Ticket, models.CASCADE, null=True, related_name="+", db_comment="the others were joined to it; null: rejected"
    )
    reason = models.TextField(default="", db_comment="why it was rejected")
    who = models.TextField(db_comment="the name of the user")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [GinIndex(fields=["tickets"], name="consolidation_tickets", fastupdate=False)]


class TicketTemplate(models.Model):
    """A template of tickets that people have made, beside the built-in ones: domain.ticket_template."""

    name = models.TextField(unique=True)
    team = models.TextField(default="", db_comment="whose it is; empty: everybody's")
    summary = models.TextField()
    details = models.TextField()
    priority = models.TextField(default="", db_comment="a severity; empty: that of the findings")
    days = models.IntegerField(null=True, db_comment="until it is due; null: by severity")
    compliance = texts()
    version = version()

    def __str__(self) -> str:
        return self.name


class TicketWording(models.Model):
    """How a person wants a ticket that is not made yet. It is gone once the ticket is made."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="wordings", db_index=False)
    key = key_text(db_comment="what the ticket stands for")
    wording = models.JSONField(default=dict, db_comment="as domain.wording has it")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="wording_once")]


class Rescan(models.Model):
    """A scan of a ticket's assets in one site that the console was asked for because a person calls the ticket done."""

    class State(models.TextChoices):
        """``about``: begun, and its end is not known yet."""

        ABOUT = "about"
        ASKED = "asked"
        REFUSED = "refused"

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="rescans", db_index=False)
    done = models.DateTimeField(db_comment="when the ticket was called done, by Halo's clock")
    site = models.IntegerField(db_comment="the console's number")
    site_name = models.TextField()
    hosts = texts()
    name = models.TextField(unique=True, db_comment="of the scan, by which the console finds it again")
    state = models.TextField(choices=State.choices, default=State.ABOUT)
    number = models.BigIntegerField(null=True, db_comment="the console's, of the scan")
    said = models.TextField(default="", db_comment="why it was refused")
    at = models.DateTimeField(db_comment="when it was sent, or is to be")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["ticket", "done", "site"], name="rescan_once")]


class InvestigationSource(models.Model):
    """An organisation of InsightIDR whose investigations have tickets: those of its standing ``project``."""

    name = models.TextField(unique=True)
    project = models.OneToOneField(Project, models.PROTECT, related_name="investigation_source")
    settings = models.JSONField(default=dict, db_comment="address, interval, and domain.investigation_settings")
    secret = models.TextField(default="", db_comment="sealed by store.secrets")
    created = models.DateTimeField(default=timezone.now)
    looked = models.DateTimeField(null=True, db_comment="when the last complete look at InsightIDR began, by our clock")
    version = version()

    def __str__(self) -> str:
        return self.name


class Investigation(models.Model):
    """An investigation as InsightIDR showed it last, and what both sides last agreed on."""

    source = models.ForeignKey(InvestigationSource, models.CASCADE, related_name="investigations", db_index=False)
    rrn = key_text()
    title = models.TextField()
    state = models.TextField(db_comment="InsightIDR's word")
    priority = models.TextField()
    disposition = models.TextField()
    origin = models.TextField(db_comment="what InsightIDR calls its source")
    assignee = models.TextField(default="", db_comment="e-mail address")
    tags = texts()
    created = models.DateTimeField()
    responsibility = models.TextField(default="")
    seen = models.DateTimeField(db_comment="when it was read last, by our clock")
    gone = models.DateTimeField(null=True, db_comment="since when InsightIDR does not show it")
    ticket = models.OneToOneField(Ticket, models.SET_NULL, null=True, related_name="investigation")
    asked_by = models.TextField(default="", db_comment="who wants a ticket for it, whatever the rule says")
    agreed_state = models.TextField(default="", db_comment="InsightIDR's word, when both sides last had the same")
    agreed_assignee = models.TextField(default="", db_comment="e-mail address, when both sides last had the same")
    agreed_ticket = models.BigIntegerField(null=True, db_comment="Halo's number of the ticket that this is about")
    agreed_status = models.IntegerField(null=True, db_comment="Halo's number of the status that was agreed_state then")
    agreed_at = models.DateTimeField(null=True, db_comment="when both sides were last seen in step")
    asked = models.BooleanField(default=False, db_comment="both states were changed, and a person was asked")
    decided = models.TextField(default="", db_comment="the side that a person has decided for: halo or insightidr")
    disposition_chosen = models.TextField(default="", db_comment="by a person, for closing it")
    refused = texts()  # e-mail addresses that InsightIDR does not know
    refused_at = models.DateTimeField(null=True, db_comment="when it last said so, by our clock")
    notes_due = models.BooleanField(default=True, db_comment="its ticket changed since its comments were carried")
    comments_read = models.DateTimeField(null=True, db_comment="when its own comments were read last, by our clock")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "rrn"], name="investigation_once")]
        indexes = [models.Index(fields=["source", "created"], name="investigation_created")]


class Carried(models.Model):
    """What was carried between an investigation and its ticket: each once."""

    investigation = models.ForeignKey(Investigation, models.CASCADE, related_name="carried", db_index=False)
    what = models.TextField(db_comment="told:TICKET, halo:TICKET:NUMBER or idr:RRN: domain.investigation_plan")
    other = models.TextField(default="", db_comment="the number or RRN of what was made of it on the other side")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["investigation", "what"], name="carried_once")]


class Lease(models.Model):
    """Which process may write to a connection's Halo, and until when unless it renews that."""

    connection = models.OneToOneField(Connection, models.CASCADE, primary_key=True, related_name="lease")
    number = models.BigIntegerField(db_comment="each holder's is higher than the one before it had")
    until = models.DateTimeField(db_comment="by the database's clock")


class RequestBudget(models.Model):
    """The requests that all processes have lately sent to Halo as one API application."""

    application = models.TextField(unique=True, db_comment="its client id and Halo's address")
    spent = models.JSONField(default=list, db_comment="as domain.budget has it")
    waits_until = models.DateTimeField(null=True, db_comment="until when a run waits, or waited last")


class Plan(models.Model):
    """The steps that would make Halo agree with the facts: dry run, approval and audit in one."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="plans")
    made = models.DateTimeField(default=timezone.now)
    held = models.BooleanField(default=False, db_comment="waits for an approver")
    approved_at = models.DateTimeField(null=True)
    approved_by = models.TextField(default="")
    not_done = models.JSONField(default=list, db_comment="what is not done, each with its reason")
    world_hash = models.TextField(default="", db_comment="of the facts that it was made from")


class Step(models.Model):
    """A step of a plan, with its reason, its evidence and, once done, its result."""

    class State(models.TextChoices):
        """``about``: begun, and its end is not known yet."""

        PLANNED = "planned"
        ABOUT = "about"
        DONE = "done"
        FAILED = "failed"
        SKIPPED = "skipped"
        WAITING = "waiting"

    plan = models.ForeignKey(Plan, models.CASCADE, related_name="steps", db_index=False)
    position = models.IntegerField()
    key = key_text(db_index=True, db_comment="the same for the same step, whenever it is planned")
    kind = models.TextField()
    reason = models.TextField()
    evidence = models.JSONField(default=dict)
    ticket = models.ForeignKey(Ticket, models.SET_NULL, null=True, related_name="steps")
    body = models.JSONField(default=dict)
    state = models.TextField(choices=State.choices, default=State.PLANNED)
    result = models.JSONField(default=dict)
    at = models.DateTimeField(null=True, db_comment="when it reached its state")

    class Meta:
        ordering = ["plan", "position"]
        constraints = [models.UniqueConstraint(fields=["plan", "position"], name="step_once")]
        # Warnings are few, and are looked for at each look at the state.
        indexes = [
            models.Index(fields=["plan"], condition=models.Q(result__has_key="warning"), name="step_with_a_warning")
        ]


class Journal(models.Model):
    """What was about to be written to Halo, and what came of it. Rows are only ever appended."""

    class Event(models.TextChoices):
        """``unknown``: the write may have been done."""

        ABOUT = "about"
        DONE = "done"
        FAILED = "failed"
        UNKNOWN = "unknown"

    step = models.ForeignKey(Step, models.PROTECT, null=True, related_name="journal")
    ticket = models.ForeignKey(Ticket, models.PROTECT, null=True, related_name="journal")
    event = models.TextField(choices=Event.choices)
    reference = models.TextField(default="", db_index=True)
    at = models.DateTimeField(default=timezone.now)
    detail = models.JSONField(default=dict)


class DailyCount(models.Model):
    """What was open of a source at the end of a day, by severity, and what had changed on it."""

    source = models.ForeignKey(Source, models.CASCADE, related_name="daily_counts", db_index=False)
    day = models.DateField(db_comment="of the snapshot, in UTC")
    critical = models.IntegerField(default=0)
    high = models.IntegerField(default=0)
    medium = models.IntegerField(default=0)
    low = models.IntegerField(default=0)
    none = models.IntegerField(default=0)
    new = models.IntegerField(default=0, db_comment="findings that came up or came back")
    gone = models.IntegerField(default=0, db_comment="findings that were remediated, excepted or left the coverage")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "day"], name="daily_count_once")]


class Setting(models.Model):
    """A setting of the whole service."""

    name = models.TextField(unique=True)
    value = models.JSONField(default=dict)
    version = version()


class SavedView(models.Model):
    """Filters, order and columns of a list that somebody gave a name. ``listing`` is the name of the list."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_views")
    listing = models.TextField()
    name = models.TextField()
    query = models.TextField(db_comment="as it stands in the address of the page")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "listing", "name"], name="saved_view_once")]


class Upload(models.Model):
    """A report that somebody brings in a browser, from its first byte until it is taken in. Its bytes are in the data
    folder: jobs.uploads."""

    class State(models.TextChoices):
        """LOOKED: it was parsed, and what it would change is known; nothing was stored of it yet."""

        SENDING = "sending"
        SENT = "sent"
        LOOKING = "looking"
        LOOKED = "looked"
        IMPORTING = "importing"
        DONE = "done"
        REFUSED = "refused"
        CANCELLED = "cancelled"

    who = models.TextField(db_comment="the name of the user")
    made = models.DateTimeField(default=timezone.now)
    name = models.TextField(db_comment="of the file, as the browser told it: only shown")
    size = models.BigIntegerField(db_comment="bytes")
    source = models.TextField(default="", db_comment="the name of the source that it speaks for; it may be a new one")
    options = models.JSONField(default=dict, db_comment="what its person said of it: jobs.uploads.options_of")
    state = models.TextField(choices=State.choices, default=State.SENDING)
    told = models.TextField(default="", db_comment="how far the work is, or how it ended")
    result = models.JSONField(default=dict)
    cancel = models.BooleanField(default=False, db_comment="its person wants it to be stopped")


class WrongPassword(models.Model):
    """A password or a code that was wrong, until somebody of the same name signs in. The name may be nobody's."""

    name = models.TextField(db_index=True, db_comment="in lower case, cut")
    at = models.DateTimeField(db_default=Now())


class SecondFactor(models.Model):
    """What somebody shows beside a password. A new set-up is a new row."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="second_factor")
    secret = models.TextField(db_comment="sealed by store.secrets")
    used = models.BigIntegerField(db_comment="of the newest code that was used: its 30 seconds, counted since 1970")
    recovery = texts()  # SHA-256 of each recovery code that is left
    made = models.DateTimeField(default=timezone.now)

    @property
    def name(self) -> str:
        """Whose it is."""
        return self.user.username


class Identity(models.Model):
    """Who a user is at an OpenID provider."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="identities")
    issuer = models.TextField(db_comment="the provider's address, without a slash at its end")
    subject = models.TextField(db_comment="the provider's name for a person: never changed, never another's")
    made = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="identity_once"),
            models.UniqueConstraint(fields=["user", "issuer"], name="identity_of_user_once"),
        ]


class ApiKey(models.Model):
    """A key with which a program uses the JSON API. The key itself is not kept: store.api_keys."""

    name = models.TextField(unique=True)
    digest = models.TextField(unique=True, db_comment="SHA-256 of the key")
    begins = models.TextField(db_comment="its first characters, by which people recognise it")
    role = models.TextField(db_comment="viewer, analyst or approver")
    made = models.DateTimeField(default=timezone.now)
    made_by = models.TextField(db_comment="the name of the user")
    used = models.DateTimeField(null=True, db_comment="when it was used last, to a minute")
    busy = models.DateTimeField(null=True, db_comment="as domain.pace has it")
    ended = models.DateTimeField(null=True, db_comment="since when it is worth nothing")

    def __str__(self) -> str:
        return f"API key {self.name}"


class AuditEntry(models.Model):
    """Who did what. The database refuses to change or remove a row."""

    at = models.DateTimeField(db_default=Now())
    who = models.TextField(db_comment="the name of the user, kept when the user is gone")
    what = models.TextField(db_comment="in a few words: connection changed, plan approved")
    of = models.TextField(default="", db_comment="the name of what it was done to")
    detail = models.JSONField(default=dict, db_comment="never a secret")

    class Meta:
        indexes = [models.Index(fields=["of", "id"], name="audit_of")]
