"""Cisco's openVuln over HTTP: tokens, forms of answers, refusals, and the vendor's limits."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from cryptography.fernet import Fernet

from remediation.domain.budget import spend
from remediation.enrichment.cisco.advisory import advisories_in
from remediation.enrichment.cisco.allowance import A_DAY, DAY, PACE, USUAL_WAIT
from remediation.enrichment.cisco.api import OpenVuln
from remediation.enrichment.cisco.reading import api_of
from remediation.enrichment.conditional_get import PAUSES, AskedToWait
from remediation.sources.errors import (
    CutOff,
    NoRightToAssets,
    NotTaken,
    NotThere,
    NotUnderstood,
    SourceBusy,
    SourceError,
    Unreachable,
    WrongCredentials,
)
from remediation.store import models
from remediation.store.secrets import seal
from stand_ins.cisco_openvuln import CiscoOpenVuln

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)
CVE = "CVE-2026-30001"
ONE = "cisco-sa-iosxe-webui-x1"

pytestmark = pytest.mark.usefixtures("store")


class Clock:
    """Time that only a pause moves on."""

    def __init__(self) -> None:
        self.now = NOON
        self.pauses: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def row(cisco: CiscoOpenVuln, monkeypatch: pytest.MonkeyPatch) -> models.Cisco:
    monkeypatch.setenv("REMEDIATION_KEY", Fernet.generate_key().decode())
    return models.Cisco.objects.create(client_id=cisco.client_id, secret=seal(cisco.client_secret))


@pytest.fixture
def api(row: models.Cisco, clock: Clock) -> OpenVuln:
    made = api_of(row, clock, clock.sleep)
    made.clock = lambda: clock().timestamp()
    return made


def tokens(cisco: CiscoOpenVuln) -> int:
    return sum(method == "POST" for method, _ in cisco.requests)


def test_a_cve_has_its_advisories_and_none_is_an_answer(api: OpenVuln) -> None:
    (found,) = api.of_cve(CVE)
    assert (found.advisory, found.cves, found.sir, found.cvss, found.fixed) == (ONE, (CVE,), "Critical", 9.8, ())
    assert found.url.startswith("https://sec.cloudapps.cisco.com/") and found.published is not None
    assert api.of_cve("CVE-2020-1") == []


def test_a_release_has_the_first_fixed_ones_and_an_unknown_one_is_refused(api: OpenVuln, cisco: CiscoOpenVuln) -> None:
    assert [(one.advisory, one.fixed) for one in api.of_release("iosxe", "17.9.1")] == [(ONE, ("17.9.4a",))]
    cisco.releases.add(("nxos", "9.3(8)"))
    assert api.of_release("nxos", "9.3(8)") == []
    with pytest.raises(NotTaken, match="status 406 .INVALID_VERSION."):
        api.of_release("nxos", "9.9(9)")
    cisco.publish("cisco-sa-x2", "No fix", fixed={("ios", "15.2(4)M6"): []}, cvss=None)
    assert [(one.fixed, one.cvss, one.cves) for one in api.of_release("ios", "15.2(4)M6")] == [((), None, ())]


def test_all_pages_are_read_whether_the_server_knows_pages_or_not(api: OpenVuln, cisco: CiscoOpenVuln) -> None:
    for number in range(230):
        cisco.publish(f"cisco-sa-many-{number}", "One of many", [CVE])
    assert len(api.of_cve(CVE)) == 231
    cisco.faults.one_page = True
    assert len(api.of_cve(CVE)) == 231


def test_the_other_form_of_an_answer_is_read_as_well(api: OpenVuln, cisco: CiscoOpenVuln) -> None:
    cisco.publish(ONE, "Odd", [CVE, "CVE-2026-30002"])
    cisco.faults.bare = True
    (found,) = api.of_cve(CVE)
    assert found.cves == (CVE, "CVE-2026-30002") and found.title == "Odd"


@pytest.mark.parametrize(
    ("told", "cves", "cvss"),
    [
        ({"cves": "NA", "cvssBaseScore": "NA"}, (), None),
        ({"cves": ["NA"], "cvssBaseScore": None}, (), None),
        ({"cves": None, "cvssBaseScore": "9.8"}, (), 9.8),
        ({"cves": "cve-2026-1111 CVE-2026-2222", "cvssBaseScore": 7}, ("CVE-2026-1111", "CVE-2026-2222"), 7.0),
        ({"cves": [1, "CVE-x", "CVE-2026-1111", "CVE-2026-1111"], "cvssBaseScore": "nan"}, ("CVE-2026-1111",), None),
        ({"cvssBaseScore": 99, "firstPublished": "NA"}, (), None),
        ({"cvssBaseScore": True, "publicationUrl": "javascript:alert(1)"}, (), None),
    ],
)
def test_forms_of_values(told: dict[str, object], cves: tuple[str, ...], cvss: float | None) -> None:
    (found,) = advisories_in({"advisories": [{"advisoryId": ONE, "advisoryTitle": "a\0b", **told}]})
    assert (found.cves, found.cvss, found.title, found.url) == (cves, cvss, "ab", "")


NONSENSE = [b"", b"[]", b"{}", b"<html>", b'{"advisories": {}}', b'{"advisories": [1]}', b'{"advisories": [{}]}']


def test_nonsense_is_not_understood(api: OpenVuln, cisco: CiscoOpenVuln) -> None:
    for content in NONSENSE:
        cisco.faults.contents[".*/cve/.*"] = content
        with pytest.raises(NotUnderstood):
            api.of_cve(CVE)


def test_a_token_is_kept_until_shortly_before_its_end(api: OpenVuln, cisco: CiscoOpenVuln, clock: Clock) -> None:
    for _ in range(3):
        api.of_cve(CVE)
    assert tokens(cisco) == 1
    clock.now += timedelta(seconds=cisco.life - 61)
    api.of_cve(CVE)
    assert tokens(cisco) == 2


def test_a_token_that_is_refused_is_asked_for_anew_once(api: OpenVuln, cisco: CiscoOpenVuln) -> None:
    api.of_cve(CVE)
    cisco.tokens.clear()
    assert api.of_cve(CVE) and tokens(cisco) == 2
    cisco.faults.contents[".*/token"] = b'{"access_token": "none of theirs", "expires_in": 3600}'
    cisco.tokens.clear()
    cisco.requests.clear()
    with pytest.raises(WrongCredentials, match="a new token is not accepted either"):
        api.of_cve(CVE)
    assert [method for method, _ in cisco.requests] == ["GET", "POST", "GET"]


def test_a_token_that_is_none(api: OpenVuln, cisco: CiscoOpenVuln) -> None:
    for content in (b"", b'{"access_token": 7}', b'{"access_token": ""}', b'{"access_token": "a\\r\\nX-Evil: 1"}'):
        cisco.faults.contents[".*/token"] = content
        with pytest.raises(NotUnderstood):
            api.check()


def test_a_wrong_secret_is_told_and_in_no_text(api: OpenVuln, cisco: CiscoOpenVuln) -> None:
    cisco.client_secret = "another one"
    with pytest.raises(WrongCredentials, match="status 401 .invalid_client.") as caught:
        api.check()
    assert "stand-in" not in str(caught.value) and "stand-in" not in repr(api) and len(cisco.requests) == 1


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("77", 77.0), ("", USUAL_WAIT), ("soon", USUAL_WAIT), ("-5", USUAL_WAIT), ("0", 1.0), ("9999999999", 86400.0)],
)
def test_a_429_is_honoured_by_every_process(
    api: OpenVuln, row: models.Cisco, cisco: CiscoOpenVuln, clock: Clock, retry_after: str, seconds: float
) -> None:
    api.check()
    cisco.faults.failing, cisco.faults.status, cisco.faults.retry_after = 1, 429, retry_after
    with pytest.raises(AskedToWait) as caught:
        api.of_cve(CVE)
    assert caught.value.seconds == seconds
    sent = len(cisco.requests)
    other = api_of(row, clock, clock.sleep)
    clock.now += timedelta(seconds=seconds - 0.5)
    with pytest.raises(AskedToWait):
        other.of_cve(CVE)
    assert len(cisco.requests) == sent, "nothing was sent before that"
    clock.now += timedelta(seconds=1)
    assert other.of_cve(CVE)


def test_requests_keep_to_a_pace_and_to_a_days_number(
    api: OpenVuln, row: models.Cisco, cisco: CiscoOpenVuln, clock: Clock
) -> None:
    for _ in range(4):
        api.of_cve(CVE)
    # A token and four answers: each but the first waits for its turn, whoever asks.
    assert clock.pauses == [PACE.total_seconds()] * 4
    api_of(row, clock, clock.sleep).check()
    assert clock.pauses[4:] == [PACE.total_seconds()] * 2
    row.refresh_from_db()
    assert sum(count for _, count in row.spent) == 7 == len(cisco.requests)
    row.spent = [[clock().timestamp() - 3600, A_DAY]]
    row.save()
    with pytest.raises(AskedToWait, match="a day's requests") as caught:
        api.of_cve(CVE)
    assert 82_000 < caught.value.seconds < 87_000 and len(cisco.requests) == 7
    assert len(spend(row.spent, clock().timestamp() + 90_000, DAY)) == 1


REFUSALS: list[tuple[int, type[SourceError]]] = [
    (400, NotTaken),
    (403, NoRightToAssets),
    (404, NotThere),
    (302, NotUnderstood),
    (204, NotUnderstood),
]


def test_what_refusals_mean(api: OpenVuln, cisco: CiscoOpenVuln) -> None:
    api.check()
    for status, error in REFUSALS:
        cisco.faults.failing, cisco.faults.status = 1, status
        with pytest.raises(error):
            api.of_cve(CVE)


def test_a_server_that_fails_or_breaks_off_is_asked_again(api: OpenVuln, cisco: CiscoOpenVuln, clock: Clock) -> None:
    api.check()
    cisco.faults.failing = 2
    assert api.of_cve(CVE)
    assert [pause for pause in clock.pauses if pause in PAUSES] == list(PAUSES[:2])
    cisco.faults.cut = 1
    assert api.of_cve(CVE)
    cisco.faults.cut = 99
    with pytest.raises(CutOff):
        api.of_cve(CVE)
    cisco.faults.cut, cisco.faults.failing = 0, 99
    with pytest.raises(SourceBusy):
        api.of_cve(CVE)


def test_nobody_there_and_an_answer_that_takes_too_long(api: OpenVuln, cisco: CiscoOpenVuln) -> None:
    api.check()
    api.timeout, api.patient = 0.05, False
    cisco.faults.slow = 0.3
    with pytest.raises(Unreachable):
        api.of_cve(CVE)
    cisco.stop()
    with pytest.raises(Unreachable, match="127.0.0.1 gives no answer"):
        api.of_cve(CVE)


@pytest.mark.parametrize("address", ["http://mirror.example/v2", "https://user:word@mirror.example/v2"])
def test_no_token_goes_to_an_address_that_is_not_https(
    row: models.Cisco, clock: Clock, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr("django.conf.settings.CISCO", {"api": address, "token": address})
    with pytest.raises(NotUnderstood):
        api_of(row, clock, clock.sleep).check()
