"""Validates inputs, outputs and connections against their schema, quickly and without telling what they hold.

The runtime calls ``jsonschema.validate`` for every step and every event. That function first validates the schema,
which for a ticket takes a hundred times as long as validating the ticket (measured: make bench). The schemas are
generated and never change.

The runtime also prints, logs and answers what that function raises, and its error quotes what it refuses (verified by
running it): a connection with its client secret, an input or an output with the text of a ticket.
"""

from __future__ import annotations

from typing import Any, Mapping, TypeVar

from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import validator_for

Variables = TypeVar("Variables")


def checked_once(variables: Variables) -> Variables:
    """An Input or Output of the runtime whose ``validate`` builds its validator at the first call and then keeps it.

    This ``validate`` refuses what the runtime's own does. It raises jsonschema.ValidationError too, with the path and
    with what is expected there, but without any value.
    """
    kept: list[Any] = []

    def validate(parameters: Any) -> None:
        if not kept:
            schema = variables.schema  # type: ignore[attr-defined]  # the runtime's Variables have one
            kept.append(validator_for(schema)(schema))
        error = best_match(kept[0].iter_errors(parameters))
        if error is not None:
            raise _without_values(error, variables.schema)  # type: ignore[attr-defined]  # as above

    variables.validate = validate  # type: ignore[attr-defined]  # replaces the runtime's method on this instance
    return variables


def _without_values(error: ValidationError, schema: Mapping[str, Any]) -> ValidationError:
    """The same error without what was validated. The names in a path are the schema's: at the top, as the form shows
    them.

    The plugin's schemas have no other rules than ``type`` and ``required``. Of another one only the name is told.
    """
    path = list(error.absolute_path)
    where = "/".join([_title(schema, path[0]), *map(str, path[1:])]) if path else "it"
    expected: Any = error.validator_value
    given: Any = error.instance
    if error.validator == "required":
        names = [name for name in expected if name not in given]
        what = f"lacks {', '.join(names if path else (_title(schema, name) for name in names))}"
    elif error.validator == "type":
        what = f"must be of type {expected}"
    else:
        what = f"breaks the rule {error.validator}"
    return ValidationError(f"{where} {what}", path=error.absolute_path)


def _title(schema: Mapping[str, Any], name: Any) -> str:
    """The title of a property, its name where it has none."""
    return str(schema.get("properties", {}).get(name, {}).get("title") or name)
