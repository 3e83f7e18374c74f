"""A stand-in for Cisco's openVuln on loopback: no product of Cisco's, holds invented data, for demos and tests only.

How sure we are that the real one does the same is written next to each behaviour:

* *official*: in Cisco's description of the API or its examples;
* *a guess*: nothing is known, something had to be chosen;
* *a test device of ours*: no claim about Cisco (all faults and settings).

    with CiscoOpenVuln() as cisco:
        cisco.publish("cisco-sa-web-x1", "A flaw", ["CVE-2026-30001"], fixed={("iosxe", "17.9.1"): ["17.9.4a"]})
"""

from .openvuln import CiscoOpenVuln, Faults, Published

__all__ = ["CiscoOpenVuln", "Faults", "Published"]
