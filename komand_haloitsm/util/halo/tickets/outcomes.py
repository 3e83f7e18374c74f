"""The outcomes of an instance: Halo wants one for every action, and their names differ from instance to instance."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from ..errors import HaloError, field_word, first_of
from ..http.messages import Request
from ..http.rows import rows_of
from ..http.session import Session
from ..values.ids import as_id

Row = Mapping[str, Any]


def read_outcomes(session: Session) -> list[Row]:
    """The rows of /Outcome (official). Raises HaloError."""
    request = Request("GET", "/Outcome")
    return list(rows_of(request, session.call(request).data, "outcomes", "results"))


def listed_outcomes(rows: Iterable[Row]) -> str:
    """Their ids and names, by id, for an error to tell what there is; "" for none."""
    found = sorted({(as_id(row.get("id")) or 0, _name(row)) for row in rows if _name(row)})
    return first_of([f"{number} {name}" if number else name for number, name in found])


def missing_outcomes(rows: Iterable[Row], wanted: Mapping[str, str]) -> HaloError | None:
    """The error for outcomes that an instance does not have; None where it has all, or lists none at all.

    ``wanted`` are their names by the field of the connection that holds them.
    """
    rows = list(rows)
    known = {_name(row).casefold() for row in rows if _name(row)}
    missing = {field: name for field, name in wanted.items() if name.strip().casefold() not in known}
    if not known or not missing:
        return None
    told = " and no ".join(f'"{name}", which is the {field_word(field)}' for field, name in missing.items())
    return HaloError(
        kind="outcome",
        cause=f"HaloITSM has no outcome {told} of the connection. Notes need it.",
        assistance=f"Enter the name of one of these there: {listed_outcomes(rows)}. Or make an outcome of that name in "
        "HaloITSM.",
        data="GET /Outcome lists no such outcome. Login and reading tickets work.",
    )


def _name(row: Row) -> str:
    return str(row.get("outcome") or row.get("name") or "").strip()
