"""The list of open tickets whose devices have other names by now, or are in no scan any more."""

from __future__ import annotations

from ...domain.status import ENDED, Status
from ...store import models
from ...store.listing import Column, Filter, Listing
from ..listing.choices import named

_ENDED = ", ".join(f"'{status.value}'" for status in Status if status in ENDED)
_LIVE = f"""live AS MATERIALIZED (
    SELECT ticket.id, ticket.key, ticket.generation, ticket.assets, ticket.project_id, project.source_id
    FROM store_ticket AS ticket JOIN store_project AS project ON project.id = ticket.project_id
    WHERE ticket.halo_id IS NOT NULL AND ticket.status NOT IN ({_ENDED}) AND project.source_id IS NOT NULL
      AND NOT ticket.note ?| ARRAY['missing', 'detached']
)"""  # nosec B608: constants
# By which names a machine of a source is known now: as it tells, by its rules, and in the register.
_KNOWN = """known AS MATERIALIZED (
    SELECT source_id, rtrim(lower(host_name), '.') COLLATE "C" AS name FROM store_asset WHERE host_name IS NOT NULL
    UNION SELECT source_id, lower(ip) COLLATE "C" FROM store_asset WHERE ip IS NOT NULL
    UNION SELECT source_id, lower(asset) FROM store_asset
    UNION SELECT source.id, rtrim(lower(old), '.') COLLATE "C"
        FROM store_source AS source, jsonb_object_keys(source.settings->'naming'->'aliases') AS old
    UNION SELECT asset.source_id, told.key COLLATE "C" FROM store_registereddevice AS entry
        JOIN store_registereddevice_devices AS linked ON linked.registereddevice_id = entry.id
        JOIN store_asset AS asset ON asset.device_id = linked.device_id, unnest(entry.keys) AS told (key)
)"""
# Names with which a ticket was made, and of these the ones that nothing has any more. The steps that made a ticket are
# found by how their keys begin: '0' follows the stroke.
_RENAMED = """told AS MATERIALIZED (
    SELECT live.id, live.source_id, told.name, rtrim(lower(told.name), '.') COLLATE "C" AS key FROM live
    JOIN store_step AS step ON step.key > live.key || '/' || live.generation || '/create/'
        AND step.key < live.key || '/' || live.generation || '/create0' AND step.state = 'done'
    JOIN store_plan AS plan ON plan.id = step.plan_id AND plan.project_id = live.project_id,
        jsonb_array_elements_text(step.evidence->'assets') AS told (name)
), absent AS (
    SELECT source_id, key FROM told EXCEPT SELECT source_id, name FROM known
), renamed AS (
    SELECT told.id, told.name FROM told JOIN absent USING (source_id, key)
)"""
# Assets that no scan covers, where their source tells what it covers; and those whose device has another name.
_ODD = """odd AS MATERIALIZED (
    SELECT asset.source_id, asset.asset, coalesce(asset.host_name, asset.ip, asset.asset) AS name, NULL AS device
    FROM store_asset AS asset
    WHERE NOT asset.covered AND asset.source_id IN (SELECT source_id FROM store_asset WHERE covered)
      AND NOT EXISTS (
        SELECT FROM store_asset AS other WHERE other.device_id = asset.device_id
          AND (other.covered OR other.source_id NOT IN (SELECT source_id FROM store_asset WHERE covered))
      )
    UNION ALL
    SELECT asset.source_id, asset.asset, asset.host_name, device.name
    FROM store_asset AS asset JOIN store_device AS device ON device.id = asset.device_id
    WHERE split_part(lower(asset.host_name), '.', 1) <> split_part(lower(device.name), '.', 1)
)"""
_FOUND = f"""(
    WITH {_LIVE}, {_KNOWN}, {_RENAMED}, {_ODD}, its AS (
        SELECT id, name AS renamed, NULL AS gone, NULL AS joined FROM renamed
        UNION ALL
        SELECT live.id, NULL, CASE WHEN odd.device IS NULL THEN odd.name END,
               odd.name || ' is part of ' || odd.device
        FROM live JOIN store_ticket AS its ON its.id = live.id
            AND its.assets && ARRAY(SELECT asset COLLATE "default" FROM odd)
        CROSS JOIN unnest(live.assets) AS told (asset)
        JOIN odd ON odd.source_id = live.source_id AND odd.asset = told.asset COLLATE "C"
    )
    SELECT id, coalesce(array_agg(DISTINCT renamed) FILTER (WHERE renamed IS NOT NULL), '{{}}') AS renamed,
           coalesce(array_agg(DISTINCT gone) FILTER (WHERE gone IS NOT NULL), '{{}}') AS gone,
           coalesce(array_agg(DISTINCT joined) FILTER (WHERE joined IS NOT NULL), '{{}}') AS joined
    FROM its GROUP BY id
) AS found"""  # nosec B608: constants

MISMATCHES = Listing(
    name="tickets whose devices have other names",
    rows=f"{_FOUND} JOIN store_ticket AS ticket ON ticket.id = found.id "
    "JOIN store_project AS project ON project.id = ticket.project_id WHERE true",
    key="ticket.id",
    columns=(
        Column("title", "Ticket", "ticket.title"),
        Column("number", "Number", "ticket.halo_id", "text", "ticket.halo_id", "bigint"),
        Column("project", "Project", "project.name"),
        Column("renamed", "Names that nothing has any more", "found.renamed", "texts"),
        Column("gone", "In no scan any more", "found.gone", "texts"),
        Column("joined", "Part of another device", "found.joined", "texts"),
    ),
    filters=(
        Filter("project", "Project", "project.id = %(project)s::bigint", "choice", named(models.Project)),
        Filter(
            "kind",
            "What is other",
            "(%(kind)s = 'renamed' AND cardinality(found.renamed) > 0) OR (%(kind)s = 'gone' AND "
            "cardinality(found.gone) > 0) OR (%(kind)s = 'joined' AND cardinality(found.joined) > 0)",
            "choice",
            (("renamed", "a name that nothing has"), ("gone", "in no scan"), ("joined", "part of another device")),
        ),
    ),
    order="-number",
)
