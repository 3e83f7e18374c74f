"""The command ``source compare``."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from .ending import Refused
from .opened import AsJson, Data, answer, one, opened


def compare(
    name: str,
    before: Annotated[Optional[int], typer.Argument(help="The number of the earlier snapshot.")] = None,
    after: Annotated[Optional[int], typer.Argument(help="The number of the later one.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """What two snapshots of a source say differently: by default, the last two."""
    with opened(data):
        from ..domain.compare import compare as compared
        from ..store import models
        from ..store.bulk import load_snapshot

        earlier, later = _two(one(models.Source.objects, name, "source"), before, after)
        found = compared(load_snapshot(earlier.pk), load_snapshot(later.pk))
        counts = found.counts()
        value = {
            "before": {"id": earlier.pk, "taken": earlier.taken},
            "after": {"id": later.pk, "taken": later.taken},
            "counts": counts,
            **{kind: getattr(found, kind).to_dicts() if as_json else [] for kind in counts},
        }
        lines = [
            f"Snapshot {later.pk} ({later.taken:%Y-%m-%d %H:%M}) against {earlier.pk} ({earlier.taken:%Y-%m-%d %H:%M}):"
        ]
        for kind, by_severity in counts.items():
            severities = ", ".join(f"{count} {severity}" for severity, count in by_severity.items() if count)
            lines.append(f"  {sum(by_severity.values())} {kind}{f': {severities}' if severities else ''}")
        unseen = found.went.filter(~found.went["covered"]).height
        lines += [f"  Of those that went, {unseen} are on assets that the later one does not cover."] if unseen else []
        answer(as_json, value, "\n".join(lines))


def _two(source: Any, before: int | None, after: int | None) -> tuple[Any, Any]:
    """The two snapshots, the earlier one first. Raises Refused, which says which there are."""
    kept = list(source.snapshots.filter(frames__isnull=False).defer("frames").order_by("pk"))
    listed = ", ".join(str(record.pk) for record in kept[-20:]) or "none"
    if before is None:
        if len(kept) < 2:
            raise Refused(f"The source {source.name!r} has {len(kept)} kept snapshots, and a comparison needs two.")
        return kept[-2], kept[-1]
    if after is None:
        raise Refused("Give the numbers of two snapshots, or none for the last two.")
    found = {record.pk: record for record in kept}
    missing = [number for number in (before, after) if number not in found]
    if missing:
        raise Refused(f"The source {source.name!r} keeps no snapshot {missing[0]}. The newest that it keeps: {listed}.")
    return found[before], found[after]
