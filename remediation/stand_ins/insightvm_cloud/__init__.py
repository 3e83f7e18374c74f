"""A stand-in for InsightVM in the cloud on loopback: no product of Rapid7, holds invented data, for demos and tests.

It answers the part of the Integrations API v4 that a reading needs. How sure we are that the real service does the same
is written next to each behaviour:

* *official*: in the vendor's API description or code;
* *seen live*: in recorded traffic of real systems;
* *a guess*: nothing is known, something had to be chosen;
* *a test device of ours*: no claim about the service (all faults and settings).

    with Cloud() as cloud:
        cloud.seed_demo()
        cloud.patch("web01.corp.example", "msft-cve-2026-10001")
        cloud.scan()
"""

from .cloud import Cloud

__all__ = ["Cloud"]
