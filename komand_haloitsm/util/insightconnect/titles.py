"""The names of inputs as InsightConnect's forms show them. A test holds them to plugin.spec.yaml."""

from __future__ import annotations

from typing import Mapping

TITLES: Mapping[str, str] = {
    "additional_fields": "Additional Fields",
    "agent_id": "Agent ID",
    "attachments": "Attachments",
    "category_id": "Category ID",
    "client_id": "Client ID",
    "closed_status_id": "Closed Status ID",
    "comment": "Comment",
    "created_after": "Created After",
    "created_before": "Created Before",
    "customfields": "Custom Fields",
    "details": "Details",
    "external_reference": "External Reference",
    "include_comments": "Include Comments",
    "include_details": "Include Details",
    "interval": "Interval",
    "is_private": "Is Private",
    "max_results": "Max Results",
    "new_status_id": "New Status ID",
    "notify": "Notify",
    "open_only": "Open Only",
    "parent_id": "Parent ID",
    "priority_id": "Priority ID",
    "requests_per_five_minutes": "Requests Per Five Minutes",
    "resolution": "Resolution",
    "site_id": "Site ID",
    "skip_own_changes": "Skip Own Changes",
    "status_changed": "Status Changed",
    "status_id": "Status ID",
    "summary": "Summary",
    "summary_contains": "Summary Contains",
    "team_id": "Team ID",
    "ticket_id": "Ticket ID",
    "tickettype_id": "Ticket Type ID",
    "user_id": "User ID",
    "webhook_port": "Webhook Port",
    # Of the connection.
    "external_id_field": "External ID Field",
    "private_note_outcome": "Private Note Outcome",
    "public_note_outcome": "Public Note Outcome",
    "scope": "Scope",
    "ssl_verify": "SSL Verify",
    "tenant": "Tenant",
    "webhook_secret": "Webhook Secret",  # nosec B105: a title
    # What an update takes that has none of them.
    "fields": "fields to change",
}
