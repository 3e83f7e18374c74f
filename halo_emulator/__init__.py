"""A stand-in HaloITSM on loopback: no product of Halo, holds nothing but invented data, for demos and tests only.

It answers the part of the Halo API that the plugin uses, kept in memory, and misbehaves on demand. How sure we are that
the real HaloITSM does the same is written, in words, next to each behaviour:

* *official and seen live*: in the vendor's API description or guides, and seen in working systems;
* *seen live*: recorded or reported from working systems;
* *documented only*: in the vendor's API description, not seen;
* *one client*: one program relies on it;
* *a guess*: nothing is known, something had to be chosen;
* *a test device of ours*: no claim about Halo at all (all faults; also that a behaviour can be changed by a setting).

    with HaloEmulator() as halo:
        requests.get(halo.resource_server + "/Tickets", headers=...)
"""

from .emulator import HaloEmulator
from .faults import Fault
from .request_log import RecordedRequest
from .store import Snapshot
from .webhooks import WebhookDisorder

__all__ = ["Fault", "HaloEmulator", "RecordedRequest", "Snapshot", "WebhookDisorder"]
