"""The commands ``cisco set`` and ``cisco remove``: the access to Cisco's openVuln."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .ending import Refused
from .opened import AsJson, Data, answer, opened, text_of

WHO = "command line"


def set_access(
    client_id: Annotated[str, typer.Option(help="As Cisco's API console shows it.")],
    secret_file: Annotated[Path, typer.Option(help="A file with the client secret.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Let the service ask Cisco's openVuln for advisories. A worker begins within ten minutes, and so does enrich."""
    secret = text_of(secret_file).strip()
    if not secret:
        raise Refused(f"{secret_file} is empty.")
    with opened(data):
        from ..enrichment.cisco.stored import Unfit, store_access
        from ..store import models
        from ..store.versions import ChangedMeanwhile

        known = models.Cisco.objects.order_by("pk").first()
        try:
            store_access(client_id.strip(), secret, known.version if known else None, WHO)
        except (Unfit, ChangedMeanwhile) as error:
            raise Refused(str(error)) from None
        answer(as_json, {"client_id": client_id}, "The access to openVuln is stored.")


def remove(data: Data = None, as_json: AsJson = False) -> None:
    """Take the access away. What Cisco has told stays, with its dates."""
    with opened(data):
        from ..enrichment.cisco.stored import forget_access

        gone = forget_access(WHO)
        text = "The access to openVuln is taken away." if gone else "There was no access to openVuln."
        answer(as_json, {"removed": gone}, text)
