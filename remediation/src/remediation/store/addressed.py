"""Which findings a person has called done, by their ticket, and no scan has judged since.

Nothing is stored of it. A ticket that Awaits Verification, or that a person and no scan has set to Remediated, says so
of the findings that it tells of; a scan that began later confirms it (the finding is there no more) or refutes it, by
the rule by which the ticket goes back to work (domain.decide).
"""

from __future__ import annotations

from ..domain.decide import SKEW
from ..domain.status import Status

# A finding as domain.ticket.pair_text writes it.
_PAIR = r"replace(replace(finding.asset, '\', '\\'), '|', '\|') || '|' || finding.vulnerability"
_CLOCKS = f"""make_interval(secs => {SKEW.total_seconds()} + abs(
    coalesce((connection.settings ->> 'skew')::float8, 0) - coalesce((source.settings ->> 'skew')::float8, 0)
))"""
_TICKETS = """store_ticket AS ticket JOIN store_project AS project ON project.id = ticket.project_id
    JOIN store_connection AS connection ON connection.id = project.connection_id
    JOIN store_source AS source ON source.id = project.source_id"""
_CALLED_DONE = f"""ticket.halo_id IS NOT NULL AND NOT ticket.note ?| ARRAY['detached', 'missing']
    AND (ticket.status = '{Status.AWAITING_VERIFICATION.value}'
         OR (ticket.status = '{Status.REMEDIATED.value}' AND ticket.agreed_status <> ticket.status))"""
_WAITS = f"""finding.state IN ('open', 'unconfirmed')
    AND coalesce(ticket.note -> 'told' ->> ({_PAIR}), 'out') NOT IN ('out', 'superseded')
    AND NOT coalesce(finding.state = 'open' AND finding.scan_started > ticket.halo_changed + {_CLOCKS}, false)"""

# Whether a row of ``finding`` is addressed. The index of tickets compares as the database does by itself.
ADDRESSED = f"""EXISTS (
    SELECT FROM {_TICKETS}
    WHERE project.source_id = finding.source_id
      AND ticket.vulnerabilities @> ARRAY[finding.vulnerability COLLATE "default"] AND {_CALLED_DONE} AND {_WAITS}
)"""  # nosec B608: constants
# The vulnerabilities of sources with a finding that is.
ADDRESSED_VULNERABILITIES = f"""
SELECT finding.source_id, finding.vulnerability
FROM {_TICKETS} CROSS JOIN unnest(ticket.vulnerabilities) AS told
JOIN store_finding AS finding ON finding.source_id = project.source_id AND finding.vulnerability = told COLLATE "C"
WHERE {_CALLED_DONE} AND {_WAITS}
"""  # nosec B608: constants
WORDS = "addressed, waiting for the next scan"
