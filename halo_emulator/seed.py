"""The records of a fresh emulator: invented, but plausible. The shapes of the rows are official and seen live, except
/Category, which is documented only."""

from typing import Any

Row = dict[str, Any]

# "Resolved" counts as open, as it does in many instances: exactly one status closes a ticket.
_STATUSES = (
    (1, "New", "New", "#3ca2ff"),
    (2, "In Progress", "In Prog", "#f7a82a"),
    (3, "Action Required", "Action", "#e8465e"),
    (8, "Resolved", "Resolved", "#8fd14f"),
    (9, "Closed", "Closed", "#68bc00"),
    (18, "Approved", "Approved", "#68bc00"),
    (28, "On Hold", "Hold", "#a7a7a7"),
)
CLOSED_STATUS = 9

_PRIORITIES = (
    (1, "Critical", 4.0, "H", 0.5, "#e8465e"),
    (2, "High", 8.0, "H", 1.0, "#f7a82a"),
    (3, "Medium", 2.0, "D", 2.0, "#3ca2ff"),
    (4, "Low", 5.0, "D", 4.0, "#68bc00"),
)
_SLAS = ((1, "Standard SLA"), (2, "Security SLA"))

_TEAMS = ((1, "Service Desk"), (2, "Security Operations"), (3, "Infrastructure"))
_AGENTS = (
    (1, "Unassigned", "", "U", "Service Desk"),
    (2, "Ingrid Solheim", "ingrid.solheim@halo.example", "IS", "Service Desk"),
    (3, "Marcus Okafor", "marcus.okafor@halo.example", "MO", "Security Operations"),
    (4, "Priya Raman", "priya.raman@halo.example", "PR", "Infrastructure"),
    (5, "Tomas Weber", "tomas.weber@halo.example", "TW", "Security Operations"),
    (6, "InsightConnect API", "insightconnect@halo.example", "IA", "Security Operations"),
)
_TYPES = ((1, "Incident", 3), (2, "Service Request", 4), (21, "Vulnerability", 2))
_CATEGORIES = (
    (31, "Security>Malware", 1),
    (32, "Security>Phishing", 1),
    (33, "Hardware>Laptop", 1),
    (34, "Software>Patching", 1),
    (41, "Detected by>Scanner", 2),
    (42, "Detected by>User", 2),
)
_CLIENTS = ((1, "Unknown"), (12, "Northwind Clinics"), (13, "Harbour Logistics"))
_SITES = ((11, "Unknown", 1), (18, "Northwind Main", 12), (19, "Northwind Lab", 12), (20, "Harbour Dock 4", 13))
_USERS = (
    (51, "General User", "", 11),
    (52, "Alice Brandt", "alice.brandt@northwind.example", 18),
    (53, "Samir Haddad", "samir.haddad@northwind.example", 19),
    (54, "Jo Lindqvist", "jo.lindqvist@harbour.example", 20),
)
OUTCOMES = (
    (3, "Public Note"),
    (7, "Private Note"),
    (8, "Changed Status"),
    (9, "Re-Assign"),
    (10, "Rule Applied"),
    (11, "First User Email"),
    (12, "Closure Note"),
)
CUSTOM_FIELDS: tuple[Row, ...] = (
    {"id": 201, "name": "CFInsightReference", "label": "Insight reference", "type": 0, "usage": 1},
    {"id": 202, "name": "CFAffectedAssets", "label": "Affected assets", "type": 1, "usage": 1},
    {"id": 203, "name": "CFRiskScore", "label": "Risk score", "type": 2, "usage": 1},
)
FIRST_TICKET_ID = 2101

TICKETS: tuple[Row, ...] = (
    {
        "summary": "Laptop does not leave sleep",
        "details": "Happens since the last firmware update.\nSerial NW-4471.",
        "tickettype_id": 1,
        "priority_id": 4,
        "user_id": 52,
        "category_1": "Hardware>Laptop",
    },
    {
        "summary": "Suspicious mail reported by reception",
        "details": "Invoice attachment, sender unknown.",
        "tickettype_id": 1,
        "priority_id": 2,
        "user_id": 52,
        "agent_id": 3,
        "team": "Security Operations",
        "status_id": 2,
        "category_1": "Security>Phishing",
        "category_2": "Detected by>User",
    },
    {
        "summary": "CVE-2021-44228 on nwc-app-02",
        "details": "Log4j 2.14.1 found on nwc-app-02 (10.20.4.12).",
        "tickettype_id": 21,
        "priority_id": 1,
        "user_id": 53,
        "agent_id": 5,
        "team": "Security Operations",
        "status_id": 3,
        "category_1": "Software>Patching",
        "category_2": "Detected by>Scanner",
        "customfields": [{"name": "CFInsightReference", "value": "IVM-20931"}],
    },
    {
        "summary": "New starter: access to the dock planning system",
        "details": "Starts on Monday.",
        "tickettype_id": 2,
        "priority_id": 4,
        "user_id": 54,
        "agent_id": 2,
        "status_id": 18,
    },
    {
        "summary": "Backup job failed on hl-file-01",
        "details": "Three nights in a row.",
        "tickettype_id": 1,
        "priority_id": 3,
        "client_id": 13,
        "agent_id": 4,
        "team": "Infrastructure",
        "status_id": 28,
    },
    {
        "summary": "Malware quarantined on nwc-desk-17",
        "details": "Agent removed the file, nothing else found.",
        "tickettype_id": 1,
        "priority_id": 2,
        "user_id": 53,
        "agent_id": 3,
        "team": "Security Operations",
        "status_id": 9,
        "category_1": "Security>Malware",
    },
)


def statuses() -> list[Row]:
    """Rows of /Status; `type` 0 marks a ticket status."""
    return [
        {"id": number, "name": name, "shortname": short, "type": 0, "sequence": place, "colour": colour}
        for place, (number, name, short, colour) in enumerate(_STATUSES, start=1)
    ]


def priorities() -> list[Row]:
    """Rows of /Priority: one per priority and SLA, so `priorityid` repeats and `id` is a GUID."""
    return [
        {
            "id": f"aeb80{sla}{number:02d}-724c-e811-892e-b01041c8667a",
            "slaid": sla,
            "priorityid": number,
            "name": name,
            "fixtime": fix,
            "fixunits": unit,
            "enterslaexcuse": False,
            "responsetime": response,
            "responseunits": "H",
            "ishidden": False,
            "colour": colour,
        }
        for sla, _ in _SLAS
        for number, name, fix, unit, response, colour in _PRIORITIES
    ]


def teams() -> list[Row]:
    """Rows of /Team."""
    return [
        {"id": number, "name": name, "department_id": 1, "forrequests": True, "inactive": False, "sequence": number}
        for number, name in _TEAMS
    ]


def agents() -> list[Row]:
    """Rows of /Agent; 1 is the built-in "Unassigned"."""
    return [
        {"id": number, "name": name, "email": email or None, "initials": initials, "isdisabled": False, "team": team}
        for number, name, email, initials, team in _AGENTS
    ]


def ticket_types() -> list[Row]:
    """Rows of /TicketType."""
    return [
        {"id": number, "name": name, "use": "ticket", "visible": True, "default_priority": priority, "sequence": number}
        for number, name, priority in _TYPES
    ]


def categories() -> list[Row]:
    """Rows of /Category; `type_id` n says that the value belongs into category_n."""
    return [
        {"id": number, "value": value, "category_name": value.rpartition(">")[2], "type_id": kind}
        for number, value, kind in _CATEGORIES
    ]


def clients() -> list[Row]:
    """Rows of /Client; 1 is the built-in "Unknown"."""
    return [{"id": number, "name": name, "inactive": False, "toplevel_id": 1} for number, name in _CLIENTS]


def sites() -> list[Row]:
    """Rows of /Site."""
    names = dict(_CLIENTS)
    return [
        {"id": number, "name": name, "client_id": client, "client_name": names[client], "inactive": False}
        for number, name, client in _SITES
    ]


def users() -> list[Row]:
    """Rows of /Users; `site_id` arrives as 18.0 (recorded from a live system)."""
    places = {row["id"]: row for row in sites()}
    return [
        {
            "id": number,
            "name": name,
            "emailaddress": email or None,
            "site_id": float(site),
            "site_id_int": site,
            "site_name": places[site]["name"],
            "client_id": places[site]["client_id"],
            "client_name": places[site]["client_name"],
            "inactive": False,
        }
        for number, name, email, site in _USERS
    ]


def sla_name(number: int) -> str:
    """The name of an SLA."""
    return dict(_SLAS).get(number, "")
