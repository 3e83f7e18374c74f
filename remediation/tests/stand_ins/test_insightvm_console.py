"""The stand-in console: what each verb changes in the tables, and its API as a client sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
import requests

from stand_ins.insightvm_console import Console

START = datetime(2026, 11, 20, 1, 0, tzinfo=timezone.utc)
DAY = timedelta(days=1)
Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def console(database: str) -> Iterator[Console]:
    """Two assets with a patch to come, scanned at START; "deep" needs credentials and "open" does not."""
    with Console(database) as running:
        running.add_solution("fix", "Fix it", "<p>Fix</p>", "ROLLUP", "2 hours", "https://fix.example")
        running.add_vulnerability("deep", "Deep", 9, 9.8, ["CVE-2026-1"], "fix", risk=500.0)
        running.add_vulnerability("open", "Open", 4, solution="fix", needs_credentials=False, risk=50.0)
        for number in (1, 2):
            running.add_asset(f"host{number}", f"10.0.0.{number}")
            running.find(number, "deep", instances=3)
            running.find(number, "open")
        running.now = START
        running.scan()
        yield running


@pytest.fixture
def ask(console: Console, database: str) -> Iterator[Ask]:
    with psycopg.connect(database, autocommit=True, options="-c search_path=insightvm") as connection:
        yield lambda query: connection.execute(query).fetchall()


FINDINGS = """SELECT asset_id, nexpose_id, vulnerability_instances FROM fact_asset_vulnerability_finding
    JOIN dim_vulnerability USING (vulnerability_id) ORDER BY 1, 2"""
EXCLUDED = """SELECT asset_id, nexpose_id, vulnerability_exception_id
    FROM fact_asset_vulnerability_instance_excluded JOIN dim_vulnerability USING (vulnerability_id)"""
AGE = """SELECT first_discovered, most_recently_discovered, reintroduced_date, age_in_days
    FROM fact_asset_vulnerability_age WHERE asset_id = 1 AND vulnerability_id = 1"""
FACTS = """SELECT asset_id, last_scan_id, scan_started, scan_finished, vulnerabilities, riskscore,
    aggregated_credential_status_id FROM fact_asset ORDER BY 1"""
ALL = [(1, "deep", 3), (1, "open", 1), (2, "deep", 3), (2, "open", 1)]
ENDED = START.replace(tzinfo=None) + timedelta(minutes=30)


def test_a_scan_writes_the_facts(console: Console, ask: Ask) -> None:
    assert ask(FINDINGS) == ALL
    begun = START.replace(tzinfo=None)
    assert ask(FACTS) == [(1, 1, begun, ENDED, 2, 550.0, 4), (2, 1, begun, ENDED, 2, 550.0, 4)]
    assert ask("SELECT DISTINCT last_assessed_for_vulnerabilities FROM dim_asset") == [(ENDED,)]
    assert ask(AGE) == [(ENDED, ENDED, None, 0)]
    assert console.now == START + timedelta(minutes=30)


def test_nothing_is_seen_before_a_scan(console: Console, ask: Ask) -> None:
    console.add_asset("host3", "10.0.0.3")
    console.find("host3", "deep")
    console.patch("host1", "deep")
    console.half_patch("host2", "deep")
    assert ask(FINDINGS) == ALL
    assert len(ask(FACTS)) == 2
    console.scan()
    assert ask(FINDINGS) == [(1, "open", 1), (2, "deep", 2), (2, "open", 1), (3, "deep", 1)]


def test_half_a_patch_never_takes_the_last_instance(console: Console, ask: Ask) -> None:
    for _ in range(3):
        console.half_patch(1, "deep")
    console.scan([1])
    assert (1, "deep", 1) in ask(FINDINGS)


def test_a_weaker_scan_does_not_see_what_needs_credentials(console: Console, ask: Ask) -> None:
    for credentials in (1, 2):
        console.scan(credentials=credentials)
        assert ask(FINDINGS) == [(1, "open", 1), (2, "open", 1)]
        assert [row[-1] for row in ask(FACTS)] == [credentials] * 2
        assert ask("SELECT count(*) FROM dim_asset_vulnerability_best_solution") == [(2,)]
    for credentials in (3, -1, 4):
        console.scan(credentials=credentials)
        assert ask(FINDINGS) == ALL


def test_what_comes_back_is_reintroduced(console: Console, ask: Ask) -> None:
    console.patch(1, "deep")
    console.now = START + DAY
    console.scan()
    console.find(1, "deep")
    console.now = START + 2 * DAY
    console.scan()
    again = ENDED + 2 * DAY
    assert ask(AGE) == [(ENDED, again, again, 2)]
    console.now = START + 3 * DAY
    console.scan()
    assert ask(AGE) == [(ENDED, again + DAY, again, 3)]


def test_a_partial_scan_leaves_the_others_as_they_were(console: Console, ask: Ask) -> None:
    before = ask(FACTS)
    for number in (1, 2):
        console.patch(number, "open")
    console.scan([1])
    assert (2, "open", 1) in ask(FINDINGS) and (1, "open", 1) not in ask(FINDINGS)
    assert ask(FACTS)[1] == before[1]
    console.scan(partial=["host2"])
    assert (2, "open", 1) in ask(FINDINGS)
    assert ask(FACTS)[1] == before[1]


def test_a_scan_may_have_begun_before_a_moment_and_end_after_it(console: Console, ask: Ask) -> None:
    console.scan(started=START + DAY, finished=START + 2 * DAY)
    begun = START.replace(tzinfo=None) + DAY
    assert ask(FACTS)[0][2:4] == (begun, begun + DAY)
    assert console.now == START + 2 * DAY
    console.scan(started=START, finished=START + timedelta(hours=1))
    assert console.now == START + 2 * DAY


def test_an_exception_acts_once_it_is_approved_and_scanned(console: Console, ask: Ask) -> None:
    exception = console.except_("host1", "deep", "False Positive", date(2099, 1, 1))
    console.scan()
    assert ask(FINDINGS) == ALL
    console.approve(exception, "boss")
    assert ask(FINDINGS) == ALL
    console.scan()
    assert ask(FINDINGS) == ALL[1:]
    assert ask(EXCLUDED) == [(1, "deep", exception)] * 3
    console.expire(exception)
    assert ask(FINDINGS) == ALL[1:]
    console.scan()
    assert (ask(FINDINGS), ask(EXCLUDED)) == (ALL, [])
    assert ask(AGE)[0][2] is None
    assert ask("SELECT status_id, reviewed_by FROM dim_vulnerability_exception") == [("E", "boss")]


def test_an_exception_runs_out_by_its_date(console: Console, ask: Ask) -> None:
    console.approve(console.except_(1, "deep", expires=date(2026, 11, 22)))
    console.scan()
    assert ask(FINDINGS) == ALL[1:]
    console.now = START + 2 * DAY
    console.scan()
    assert ask(FINDINGS) == ALL


def test_the_best_solution_is_the_one_that_supersedes_all(console: Console, ask: Ask) -> None:
    best = """SELECT DISTINCT nexpose_id FROM dim_asset_vulnerability_best_solution
        JOIN dim_solution USING (solution_id)"""
    console.add_solution("newer", "Newer", "Newer")
    console.add_solution("newest", "Newest", "Newest")
    assert ask(best) == [("fix",)]
    console.supersede("fix", "newer")
    assert ask(best) == [("newer",)]
    console.supersede("newer", "newest")
    assert ask(best) == [("newest",)]
    console.scan()
    assert ask(best) == [("newest",)]
    assert ask("SELECT DISTINCT solution_id FROM dim_asset_vulnerability_solution") == [(1,)]
    with pytest.raises(ValueError, match="newest supersedes fix already"):
        console.supersede("newest", "fix")
    assert ask(best) == [("newest",)]


def test_an_asset_changes_its_address_its_tags_and_leaves(console: Console, ask: Ask) -> None:
    console.change_address("host1", "10.9.9.9")
    console.change_address("host2", "10.9.9.8", "00:50:56:00:00:01")
    addresses = "SELECT host(ip_address), mac_address::text FROM dim_asset ORDER BY asset_id"
    assert ask(addresses) == [("10.9.9.9", None), ("10.9.9.8", "00:50:56:00:00:01")]
    tags = "SELECT asset_id, tag_type, tag_name FROM dim_tag_asset JOIN dim_tag USING (tag_id) ORDER BY 1, 3"
    console.tag(1, "OWNER", "a")
    console.tag(1, "OWNER", "b")
    console.tag(2, "OWNER", "a")
    console.untag(1, "OWNER", "a")
    assert ask(tags) == [(1, "OWNER", "b"), (2, "OWNER", "a")]
    console.except_("host1", "deep")
    console.remove_asset("host1")
    assert {row[0] for row in ask(FINDINGS) + ask(FACTS) + ask(tags)} == {2}
    assert ask("SELECT count(*) FROM dim_vulnerability_exception") == [(0,)]


def test_a_vulnerability_is_graded_anew(console: Console, ask: Ask) -> None:
    grade = "SELECT severity_score, severity, riskscore FROM dim_vulnerability WHERE nexpose_id = 'deep'"
    console.drift("deep", 3)
    assert ask(grade) == [(3, "Moderate", 500.0)]
    console.drift("deep", 8, 700.0)
    assert ask(grade) == [(8, "Critical", 700.0)]


def test_each_verb_takes_a_minute(console: Console) -> None:
    before = console.now
    console.patch(1, "deep")
    console.find(1, "deep")
    assert console.now == before + timedelta(minutes=2)


@pytest.mark.parametrize(
    "verb",
    [
        lambda console: console.find("nobody", "deep"),
        lambda console: console.find(1, "nothing"),
        lambda console: console.half_patch(99, "deep"),
        lambda console: console.except_(1, "deep", "No such reason"),
        lambda console: console.approve(99),
        lambda console: console.scan(["nobody"]),
        lambda console: console.add_vulnerability("new", "New", 5, solution="nothing"),
        lambda console: (console.patch(1, "deep"), console.patch(1, "deep")),
    ],
)
def test_what_the_world_does_not_know_is_refused(console: Console, verb: Callable[[Console], Any]) -> None:
    with pytest.raises(LookupError):
        verb(console)


def test_the_world_outlives_the_console(console: Console, database: str, ask: Ask) -> None:
    console.patch(1, "deep")
    again = Console(database)
    assert again.now == console.now
    again.scan()
    assert ask(FINDINGS) == ALL[1:]


# -- the API ---------------------------------------------------------------------------------------------------------


class Client:
    def __init__(self, console: Console) -> None:
        self.base = console.url + "/api/3/reports"
        self.session = requests.Session()
        self.session.auth = (console.user, console.password)

    def __call__(self, method: str, path: str = "", **more: Any) -> requests.Response:
        return self.session.request(method, self.base + path, timeout=9, **more)

    def create(self, query: str, **more: Any) -> int:
        body = {"name": "test", "format": "sql-query", "version": "2.3.0", "query": query} | more
        answer = self("POST", json=body)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def generate(self, query: str, **more: Any) -> str:
        number = self.create(query, **more)
        return f"/{number}/history/{self('POST', f'/{number}/generate').json()['id']}"

    def output(self, query: str, **more: Any) -> str:
        return self("GET", self.generate(query, **more) + "/output", headers={"Accept": "text/csv"}).text


@pytest.fixture
def client(console: Console) -> Client:
    console.polls_until_ready = 0
    return Client(console)


def test_a_report_runs_and_then_it_is_complete(console: Console, client: Client) -> None:
    console.polls_until_ready = 2
    run = client.generate("SELECT 1 AS one")
    assert client("GET", run + "/output", headers={"Accept": "text/csv"}).status_code == 404
    assert [client("GET", run).json()["status"] for _ in range(4)] == ["running", "running", "complete", "complete"]
    assert client("GET", run + "/output", headers={"Accept": "text/csv"}).text == "one\n1\n"


def test_the_output_is_csv_only(client: Client) -> None:
    run = client.generate("SELECT 1 AS one;")
    assert client("GET", run + "/output", headers={"Accept": "application/json"}).status_code == 406
    assert client("GET", run + "/output").status_code == 406


def test_times_are_in_the_zone_of_the_report(client: Client) -> None:
    query = "SELECT scan_finished FROM fact_asset WHERE asset_id = 1 -- with a comment"
    assert client.output(query, timezone="UTC") == "scan_finished\n2026-11-20 01:30:00\n"
    assert client.output(query, timezone="Europe/Zurich") == "scan_finished\n2026-11-20 02:30:00\n"
    assert client.output(query) != client.output(query, timezone="UTC")


@pytest.mark.parametrize(
    "query",
    ["SELECT * FROM no_such_table", "DELETE FROM fact_asset", "SELECT setval('insightvm.dim_asset_asset_id_seq', 99)"],
)
def test_a_query_that_postgresql_refuses_fails(client: Client, ask: Ask, query: str) -> None:
    run = client.generate(query)
    assert client("GET", run).json()["status"] == "failed"
    assert client("GET", run + "/output", headers={"Accept": "text/csv"}).status_code == 404
    assert len(ask(FACTS)) == 2


def test_a_query_may_not_take_too_long(console: Console, client: Client) -> None:
    console.statement_timeout = 0.2
    assert client("GET", client.generate("SELECT pg_sleep(5)")).json()["status"] == "failed"


def test_reports_are_listed_in_pages_until_they_are_deleted(console: Console, client: Client) -> None:
    numbers = [client.create("SELECT 1", name=f"report {number}") for number in range(3)]
    page = client("GET", params={"page": 1, "size": 2}).json()
    assert [row["name"] for row in page["resources"]] == ["report 2"]
    assert page["page"] == {"number": 1, "size": 2, "totalResources": 3, "totalPages": 2}
    assert client("DELETE", f"/{numbers[0]}").status_code == 200
    assert client("DELETE", f"/{numbers[0]}").status_code == 404
    assert console.reports == ["report 1", "report 2"]
    console.lose_report()
    answer = client("POST", f"/{numbers[1]}/generate")
    assert answer.status_code == 404
    assert answer.json() == {
        "status": "404",
        "message": "The resource does not exist or access is prohibited.",
        "links": [],
    }


@pytest.mark.parametrize(
    "change",
    [
        {"format": "pdf"},
        {"version": None},
        {"query": ""},
        {"name": ""},
        {"scope": {"sites": [1]}},
        {"filters": {"severity": "critical"}},
        {"filters": {"statuses": ["other"]}},
    ],
)
def test_a_report_that_the_stand_in_cannot_make_is_refused(client: Client, change: dict[str, Any]) -> None:
    body = {"name": "test", "format": "sql-query", "version": "2.3.0", "query": "SELECT 1"} | change
    assert client("POST", json=body).status_code == 400
    assert client("POST", data="no JSON").status_code == 400


def test_a_user_is_refused_in_three_ways(console: Console, client: Client) -> None:
    console.forbid_reports = True
    assert client("GET").status_code == 403
    console.wants_second_factor = True
    answer = client("GET")
    assert (answer.status_code, answer.json()["message"][:10]) == (401, "Two-factor")
    assert client("GET", headers={"Token": "123456"}).status_code == 403
    console.password = "another"
    assert client("GET").json()["message"] == "Unauthorized"
    assert requests.get(client.base, timeout=9).status_code == 401


def test_a_busy_console_says_so_for_as_long_as_it_is(console: Console, client: Client) -> None:
    console.busy = 2
    assert [client("GET").status_code for _ in range(3)] == [503, 503, 200]


def test_the_date_is_the_consoles(console: Console, client: Client) -> None:
    console.now = START + 100 * DAY
    assert client("GET").headers["Date"] == "Sun, 28 Feb 2027 01:00:00 GMT"


def test_requests_are_noted(console: Console, client: Client) -> None:
    client("GET")
    assert console.requests == [("GET", "/api/3/reports")]


# Without reports


@pytest.fixture
def get(console: Console) -> Callable[..., Any]:
    """Asks for a path, and expects a status."""

    def ask_for(path: str, status: int = 200) -> Any:
        answer = requests.get(f"{console.url}/api/3{path}", auth=(console.user, console.password), timeout=9)
        assert answer.status_code == status, answer.text
        return answer.json()

    return ask_for


def test_an_asset_as_the_api_tells_it(console: Console, get: Callable[..., Any]) -> None:
    assert get("/assets/1") == {
        "id": 1,
        "ip": "10.0.0.1",
        "hostName": "host1",
        "os": "Ubuntu Linux 22.04",
        "assessedForVulnerabilities": True,
        "assessedForPolicies": False,
        "history": [{"date": "2026-11-20T01:30:00.000Z", "scanId": 1, "type": "SCAN", "version": 1}],
        "riskScore": 550.0,
        "vulnerabilities": {"total": 2},
    }
    console.add_asset(None, "10.0.0.3")
    assert get("/assets/3")["history"] == [] and "hostName" not in get("/assets/3")
    assert get("/assets/9", 404) == {
        "status": "404",
        "message": "The resource does not exist or access is prohibited.",
        "links": [],
    }


def test_lists_have_pages(console: Console, get: Callable[..., Any]) -> None:
    for number in range(3, 8):
        console.add_asset(f"host{number}", f"10.0.0.{number}")
    first, last = get("/assets?page=0&size=3&sort=id,ASC"), get("/assets?page=2&size=3")
    assert [asset["id"] for asset in first["resources"]] == [1, 2, 3]
    assert first["page"] == {"number": 0, "size": 3, "totalResources": 7, "totalPages": 3}
    assert [asset["id"] for asset in last["resources"]] == [7]
    assert get("/assets?page=3&size=3")["resources"] == []
    assert get("/assets?size=9999")["page"]["size"] == 500


def test_the_findings_of_an_asset_and_their_solutions(console: Console, get: Callable[..., Any]) -> None:
    deep, opened = get("/assets/1/vulnerabilities")["resources"]
    assert (deep["id"], deep["instances"], deep["status"], deep["since"]) == (
        "deep",
        3,
        "vulnerable",
        "2026-11-20T01:30:00.000Z",
    )
    assert [result["port"] for result in deep["results"]] == [1, 2, 3] and opened["id"] == "open"
    (solution,) = get("/assets/1/vulnerabilities/deep/solution")["resources"]
    assert (solution["id"], solution["type"], solution["estimate"]) == ("fix", "rollup-patch", "PT120M")
    assert solution["steps"] == {"html": "<p>Fix</p>", "text": "Fix"}
    assert get("/vulnerabilities/deep/solutions")["resources"] == ["fix"]
    get("/assets/1/vulnerabilities/other/solution", 404)
    assert get("/vulnerabilities/deep")["cvss"] == {"v3": {"score": 9.8}}
    assert "cves" not in get("/vulnerabilities/open")
    console.patch(1, "deep")
    console.scan()
    assert [one["id"] for one in get("/assets/1/vulnerabilities")["resources"]] == ["open"]


def test_what_is_excepted_is_invulnerable_and_in_the_history(console: Console, get: Callable[..., Any]) -> None:
    exception = console.except_(1, "deep")
    console.approve(exception)
    console.scan()
    (deep,) = [one for one in get("/assets/1/vulnerabilities")["resources"] if one["id"] == "deep"]
    assert (deep["status"], deep["instances"]) == ("invulnerable", 0)
    assert {result["status"] for result in deep["results"]} == {"vulnerable-with-exception-applied"}
    assert deep["results"][0]["exceptions"] == [exception]
    scanned, applied = get("/assets/1")["history"]
    assert (scanned["type"], applied["type"]) == ("SCAN", "VULNERABILITY_EXCEPTION_APPLIED")
    assert applied["vulnerabilityExceptionId"] == exception and "scanId" not in applied


def test_sites_tags_and_scans(console: Console, get: Callable[..., Any]) -> None:
    console.add_asset("host3", "10.0.0.3", sites=["DMZ", "HQ"])
    console.tag(3, "CUSTOM", "pci")
    assert [(site["id"], site["name"]) for site in get("/sites")["resources"]] == [(1, "DMZ"), (2, "HQ")]
    assert [asset["id"] for asset in get("/sites/1/assets")["resources"]] == [3]
    get("/sites/3/assets", 404)
    assert [(tag["name"], tag["type"]) for tag in get("/assets/3/tags")["resources"]] == [("pci", "custom")]
    scan = get("/scans/1")
    assert (scan["status"], scan["startTime"]) == ("finished", "2026-11-20T01:00:00.000Z")
    console.scan_status = {1: "aborted"}
    assert get("/scans/1")["status"] == "aborted"
    get("/scans/2", 404)


def test_reports_are_forbidden_and_assets_are_not(console: Console, get: Callable[..., Any]) -> None:
    console.forbid_reports = True
    get("/reports", 403)
    get("/assets")
    console.forbid_reports, console.forbid_assets = False, True
    get("/reports")
    get("/assets", 403)


def test_faults_of_single_routes(console: Console, get: Callable[..., Any]) -> None:
    console.failing_routes = {"/assets/1/.*": 2}
    get("/assets/1/tags", 500)
    get("/assets/1")
    get("/assets/1/vulnerabilities", 500)
    get("/assets/1/tags")
    console.hidden = ["/scans/1"]
    get("/scans/1", 404)
    console.endless, console.stuck = "/assets", "/assets"
    assert get("/assets?page=7&size=1")["page"]["totalPages"] == 10**9
    assert get("/assets?page=7&size=1")["resources"][0]["id"] == 1
    seen: list[str] = []
    console.after_answer = seen.append
    get("/sites?page=0")
    assert seen == ["/sites?page=0"]


EXCEPTION = {
    "scope": {"type": "Asset", "id": 1, "vulnerability": "deep"},
    "submit": {"reason": "Acceptable Risk", "comment": "why"},
    "expires": "2026-12-31T00:00:00.000Z",
    "state": "Under Review",
}


def exceptions_of(console: Console, method: str, path: str = "", body: Any = None) -> requests.Response:
    address = f"{console.url}/api/3/vulnerability_exceptions{path}"
    return requests.request(method, address, json=body, auth=(console.user, console.password), timeout=30)


def test_an_exception_is_asked_for_judged_and_taken_back(console: Console, ask: Ask) -> None:
    number = exceptions_of(console, "POST", body=EXCEPTION).json()["id"]
    shown = exceptions_of(console, "GET", f"/{number}").json()
    assert shown["scope"] == {"type": "asset", "id": 1, "vulnerability": "deep"}
    assert (shown["state"], shown["submit"]["reason"], shown["submit"]["comment"]) == (
        *("under review", "acceptable risk", "why"),
    )
    assert shown["expires"] == "2026-12-31T00:00:00.000Z" and "review" not in shown
    page = exceptions_of(console, "GET").json()
    assert page["page"]["totalResources"] == 1 and page["resources"][0]["id"] == number
    assert exceptions_of(console, "POST", f"/{number}/approve", "fine").ok
    assert exceptions_of(console, "POST", f"/{number}/reject", "no").status_code == 400
    shown = exceptions_of(console, "GET", f"/{number}").json()
    assert (shown["state"], shown["review"]["comment"]) == ("approved", "fine")
    console.scan()
    assert (1, "deep", 3) not in ask(FINDINGS)
    assert exceptions_of(console, "PUT", f"/{number}/expires", "2027-01-31T00:00:00.000Z").ok
    assert exceptions_of(console, "GET", f"/{number}/expires").json() == "2027-01-31T00:00:00.000Z"
    assert exceptions_of(console, "POST", f"/{number}/recall").ok
    console.scan()
    assert (1, "deep", 3) in ask(FINDINGS)
    assert exceptions_of(console, "GET", f"/{number}").json()["state"] == "deleted"
    assert exceptions_of(console, "DELETE", f"/{number}").ok
    assert exceptions_of(console, "GET", f"/{number}").status_code == 404


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"scope": {"type": "Global", "vulnerability": "deep"}}, 400),
        ({"scope": {"type": "Asset", "id": 99, "vulnerability": "deep"}}, 404),
        ({"scope": {"type": "Asset", "id": 1, "vulnerability": "none"}}, 404),
        ({"submit": {"reason": "Because"}}, 400),
        ({"expires": "2020-01-01T00:00:00.000Z"}, 400),
        ({"scope": None}, 400),
    ],
)
def test_exceptions_that_are_refused(console: Console, change: dict[str, Any], status: int) -> None:
    assert exceptions_of(console, "POST", body={**EXCEPTION, **change}).status_code == status
    console.forbid_exceptions = True
    assert exceptions_of(console, "POST", body=EXCEPTION).status_code == 403
    assert exceptions_of(console, "GET").json()["resources"] == []


def test_an_answer_is_lost_after_the_work(console: Console) -> None:
    console.lost_answers["POST /vulnerability_exceptions"] = 1
    with pytest.raises(requests.RequestException):
        exceptions_of(console, "POST", body=EXCEPTION)
    assert len(exceptions_of(console, "GET").json()["resources"]) == 1
