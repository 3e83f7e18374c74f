"""A stand-in Tenable Vulnerability Management on loopback: no product of Tenable, holds invented data, for demos and
tests only.

It answers the part of the API that a sync needs: exports of vulnerabilities, their list, their chunks, and the end of
one. How sure we are that the real one does the same is written next to each behaviour:

* *official*: in Tenable's API description or documentation;
* *a guess*: nothing is known, something had to be chosen;
* *a test device of ours*: no claim about Tenable (all faults and settings).

    with Tenable() as tenable:
        ids = tenable.seed_demo()
        tenable.fix(ids["web01"], 10001)
        tenable.scan()
"""

from .tenable import Tenable

__all__ = ["Tenable"]
