"""Validates inputs and outputs against their schema, without validating the schema itself each time.

The runtime calls ``jsonschema.validate`` for every step and every event. That function first validates the schema,
which for a ticket takes a hundred times as long as validating the ticket (measured: make bench). The schemas are
generated and never change.
"""

from __future__ import annotations

from typing import Any, TypeVar

from jsonschema.exceptions import best_match
from jsonschema.validators import validator_for

Variables = TypeVar("Variables")


def checked_once(variables: Variables) -> Variables:
    """An Input or Output of the runtime whose ``validate`` builds its validator at the first call and then keeps it.

    This ``validate`` raises the same jsonschema.ValidationError as the runtime's own.
    """
    kept: list[Any] = []

    def validate(parameters: Any) -> None:
        if not kept:
            schema = variables.schema  # type: ignore[attr-defined]  # the runtime's Variables have one
            kept.append(validator_for(schema)(schema))
        error = best_match(kept[0].iter_errors(parameters))
        if error is not None:
            raise error

    variables.validate = validate  # type: ignore[attr-defined]  # replaces the runtime's method on this instance
    return variables
