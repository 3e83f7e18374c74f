-- Each vulnerability that an asset has, with its best solution. One row for each asset and vulnerability.
-- Each row tells the number of rows, a row of its own where there is none: so a reader knows that nothing is cut.
WITH cves AS (
    SELECT vulnerability_id, string_agg(DISTINCT reference, ',') AS cves
    FROM dim_vulnerability_reference
    WHERE upper(source) = 'CVE'
    GROUP BY vulnerability_id
), tags AS (
    SELECT dta.asset_id,
           string_agg(DISTINCT CASE WHEN dt.tag_type = 'OWNER'       THEN dt.tag_name END, '|') AS owner_tags,
           string_agg(DISTINCT CASE WHEN dt.tag_type = 'CRITICALITY' THEN dt.tag_name END, '|') AS criticality_tags,
           string_agg(DISTINCT CASE WHEN dt.tag_type = 'LOCATION'    THEN dt.tag_name END, '|') AS location_tags,
           string_agg(DISTINCT CASE WHEN dt.tag_type = 'CUSTOM'      THEN dt.tag_name END, '|') AS custom_tags
    FROM dim_tag_asset dta
    JOIN dim_tag dt ON dt.tag_id = dta.tag_id
    GROUP BY dta.asset_id
), report AS (
    SELECT ds.nexpose_id                        AS solution_key,
           ds.solution_type                     AS solution_type,
           htmlToText(ds.summary)               AS solution_summary,
           htmlToText(ds.fix)                   AS solution_fix,
           ds.url                               AS solution_url,
           ds.estimate                          AS solution_estimate,
           da.asset_id                          AS asset_id,
           da.host_name                         AS host_name,
           da.ip_address                        AS ip_address,
           da.mac_address                       AS mac_address,
           dos.description                      AS os,
           da.sites                             AS sites,
           t.owner_tags, t.criticality_tags, t.location_tags, t.custom_tags,
           da.last_assessed_for_vulnerabilities AS last_assessed,
           fa.last_scan_id                      AS last_scan_id,
           fa.scan_started                      AS scan_started,
           fa.scan_finished                     AS scan_finished,
           fa.aggregated_credential_status_id   AS credential_status,
           dv.nexpose_id                        AS vulnerability_key,
           dv.title                             AS vulnerability_title,
           dv.severity_score                    AS severity_score,
           dv.cvss_v3_score                     AS cvss_v3_score,
           dv.cvss_score                        AS cvss_v2_score,
           dv.riskscore                         AS riskscore,
           dv.exploits                          AS exploits,
           c.cves                               AS cves,
           favf.vulnerability_instances         AS instances,
           fava.first_discovered                AS first_discovered,
           fava.most_recently_discovered        AS most_recently_discovered,
           fava.reintroduced_date               AS reintroduced_date
    FROM fact_asset_vulnerability_finding favf
    JOIN dim_asset da         ON da.asset_id = favf.asset_id
    JOIN dim_vulnerability dv ON dv.vulnerability_id = favf.vulnerability_id
    LEFT JOIN fact_asset fa   ON fa.asset_id = favf.asset_id
    LEFT JOIN dim_asset_vulnerability_best_solution davbs
           ON davbs.asset_id = favf.asset_id AND davbs.vulnerability_id = favf.vulnerability_id
    LEFT JOIN dim_solution ds ON ds.solution_id = davbs.solution_id
    LEFT JOIN fact_asset_vulnerability_age fava
           ON fava.asset_id = favf.asset_id AND fava.vulnerability_id = favf.vulnerability_id
    LEFT JOIN dim_operating_system dos ON dos.operating_system_id = da.operating_system_id
    LEFT JOIN cves c ON c.vulnerability_id = favf.vulnerability_id
    LEFT JOIN tags t ON t.asset_id = favf.asset_id
)
SELECT report.*, total.report_rows
FROM (SELECT count(*) AS report_rows FROM report) total
LEFT JOIN report ON true
ORDER BY asset_id, vulnerability_key
