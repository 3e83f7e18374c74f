"""Invented investigations: twelve of them, of the last month, in several states, some with alerts and comments."""

from __future__ import annotations

from datetime import timedelta

from .world import World

# The first two are agents of the stand-in Halo too.
USERS = {
    "priya.raman@halo.example": "Priya Raman",
    "tomas.weber@halo.example": "Tomas Weber",
    "ellen@corp.example": "Ellen Example",
}
PRIYA, TOMAS, ELLEN = USERS
BEHAVIOR, ANALYTICS = "Attacker Behavior Analytics", "User Behavior Analytics"

# A short name, hours ago, the title, source, status, priority, disposition, assignee, tags, the responsible.
FOUND = (
    ("ransomware", 3, "Ransomware - Shadow copies deleted on FILE01", "ALERT", "OPEN", "CRITICAL", "UNDECIDED", "",
     ("Incident",), "CUSTOMER"),
    ("phishing", 9, "Phishing mail opened by three users", "ALERT", "INVESTIGATING", "HIGH", "UNDECIDED", PRIYA,
     ("Phishing",), "CUSTOMER"),
    ("beacon", 20, "Cobalt Strike - Beacon over named pipe on WEB01", "ALERT", "INVESTIGATING", "CRITICAL", "MALICIOUS",
     TOMAS, ("Incident",), "MDR"),
    ("travel", 30, "Authentication from two countries: j.doe", "ALERT", "OPEN", "MEDIUM", "UNDECIDED", "", (),
     "CUSTOMER"),
    ("brute", 44, "Brute force against a local account on DB01", "ALERT", "WAITING", "MEDIUM", "UNDECIDED", ELLEN, (),
     "CUSTOMER"),
    ("admin", 70, "First use of an administrator account on APP02", "ALERT", "OPEN", "LOW", "UNDECIDED", "", (),
     None),
    ("hunt", 96, "Hunt: scheduled tasks that start PowerShell", "HUNT", "INVESTIGATING", "HIGH", "UNDECIDED", PRIYA,
     ("Hunt",), "MDR"),
    ("usb", 120, "USB device with an executable on a kiosk", "USER", "OPEN", "UNSPECIFIED", "UNDECIDED", "", (), None),
    ("scan", 200, "Network scan from the scanner's own address", "ALERT", "CLOSED", "LOW", "FALSE_POSITIVE", ELLEN, (),
     "CUSTOMER"),
    ("test", 300, "Red team exercise: credentials dumped", "ALERT", "CLOSED", "HIGH", "SECURITY_TEST", TOMAS,
     ("Security Test",), "CUSTOMER"),
    ("rule", 400, "Mail forwarding rule to an outside address", "AUTOMATION", "WAITING", "HIGH", "UNDECIDED", TOMAS,
     ("Phishing",), "CUSTOMER"),
    ("kiosk", 600, "Somebody reports a strange window", "USER", "CLOSED", "UNMAPPED", "BENIGN", "", (), None),
)  # fmt: skip

# The investigation, minutes after its beginning, the title, the type, the source.
ALERTS = (
    ("ransomware", 0, "vssadmin deletes all shadow copies", "Attacker Behavior Detected", BEHAVIOR),
    ("ransomware", 4, "Many files renamed on a share", "Attacker Behavior Detected", BEHAVIOR),
    ("phishing", 0, "Link to a domain registered yesterday", "Attacker Behavior Detected", BEHAVIOR),
    ("phishing", 12, "Password entered on an unknown site", "Harvested Credentials", ANALYTICS),
    ("phishing", 40, "Password entered on an unknown site", "Harvested Credentials", ANALYTICS),
    ("beacon", 0, "Named pipe with a known default name", "Attacker Behavior Detected", BEHAVIOR),
    ("travel", 0, "Ingress from Bern and from Lima within an hour", "Multiple Country Authentications", ANALYTICS),
    ("brute", 0, "412 failed logons in ten minutes", "Brute Force - Local Account", ANALYTICS),
    ("admin", 0, "First administration of an asset by a user", "First Time Admin Action", ANALYTICS),
    ("scan", 0, "Connections to 900 ports of 40 machines", "Protocol Poisoning Detected", ANALYTICS),
    ("test", 0, "LSASS memory was read", "Attacker Behavior Detected", BEHAVIOR),
    ("rule", 0, "Rule that forwards all mail", "Attacker Behavior Detected", BEHAVIOR),
)
COMMENTS = (
    ("phishing", "The three users were called. One entered a password."),
    ("beacon", "WEB01 is isolated."),
    ("brute", "Waiting for the owner of the machine."),
)


def seed_demo(world: World) -> dict[str, str]:
    """Fill an empty world. The RRNs of the investigations by their short names."""
    for email, name in USERS.items():
        world.add_user(email, name)
    rrns = {}
    for key, hours, title, source, status, priority, disposition, assignee, tags, responsibility in FOUND:
        rrns[key] = world.investigate(
            title, source, status=status, priority=priority, disposition=disposition, assignee=assignee, tags=tags,
            responsibility=responsibility, created=world.now - timedelta(hours=hours),
        )  # fmt: skip
    for key, minutes, title, kind, source in ALERTS:
        created = world.investigations[rrns[key]].created + timedelta(minutes=minutes)
        world.alert(rrns[key], title, kind, created=created, source=source, rule=title)
    for key, body in COMMENTS:
        world.comment(rrns[key], body)
    return rrns
