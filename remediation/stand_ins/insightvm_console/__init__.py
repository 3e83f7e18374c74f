"""A stand-in InsightVM console on loopback: no product of Rapid7, holds invented data, for demos and tests only.

It answers the part of the API that a sync needs: the SQL reports, whose queries it executes on PostgreSQL, and over the
same tables assets, findings and solutions one by one, vulnerability exceptions, and scans of a site's hosts. How sure
we are that the real console does the same is written next to each behaviour:

* *official*: in the vendor's API description or code;
* *documented only*: in the vendor's documentation of the data model;
* *seen live*: in recorded traffic of real systems;
* *a guess*: nothing is known, something had to be chosen;
* *a test device of ours*: no claim about the console (all faults and settings).

    with Console(conninfo) as console:
        console.seed_demo()
        console.patch("web01.corp.example", "msft-cve-2026-10001")
        console.scan()
"""

from .console import Console

__all__ = ["Console"]
