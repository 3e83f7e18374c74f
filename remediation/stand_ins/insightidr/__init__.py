"""A stand-in InsightIDR on loopback: no product of Rapid7, holds invented data, for demos and tests only.

It answers the part of the API that a sync needs: investigations of version 2 with their alerts, and comments of
version 1. How sure we are that the real one does the same is written next to each behaviour:

* *official*: in Rapid7's API description, documentation or own client (its plugin for InsightConnect);
* *seen live*: in an answer that was recorded of a real one by others;
* *a guess*: nothing is known, something had to be chosen;
* *a test device of ours*: no claim about Rapid7 (all faults and settings).

    with Idr() as idr:
        rrns = idr.seed_demo()
        idr.set_status(rrns["phishing"], "CLOSED", "MALICIOUS")
        idr.comment(rrns["phishing"], "The mail was removed from all mailboxes.")
"""

from .idr import Idr
from .settings import Fault

__all__ = ["Fault", "Idr"]
