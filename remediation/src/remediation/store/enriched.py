"""Vulnerabilities with what the feeds tell of them (models.Enrichment), in SQL."""

from __future__ import annotations

# What stands after FROM. Each vulnerability has an enrichment, so that none is left out.
ENRICHED = """store_vulnerability AS vulnerability
    JOIN store_enrichment AS enrichment ON enrichment.vulnerability_id = vulnerability.id"""
# Of these: 0 to 1, or null. The source's own counts before FIRST's.
EPSS = "known_epss"
