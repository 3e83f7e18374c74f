"""Guards the closure note: it is written once, whatever the instance does to texts that it stores."""

from __future__ import annotations

import pytest
from fast_client import fast_client

from tools.odd_halos import NOTE_CHANGES, set_up

RESOLUTION = "Patched <web-01> & rebooted \U0001f680 today"


@pytest.mark.parametrize("keeps", [True, False], ids=["as closure note", "as private note"])
@pytest.mark.parametrize("oddity", NOTE_CHANGES)
def test_a_resolution_is_written_once(halo, oddity, keeps):
    set_up(halo, NOTE_CHANGES[oddity])
    halo.keeps_closure_note = keeps
    before = len(halo.actions[2102])
    fast_client(halo).close_ticket(2102, resolution=RESOLUTION)
    assert sum("rebooted" in (action["note"] or "") for action in halo.actions[2102][before:]) == 1
