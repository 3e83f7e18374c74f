-- Every asset that the console knows, with and without findings: by which scan it was assessed, when, how well.
-- Each row tells the number of rows, a row of its own where there is none: so a reader knows that nothing is cut.
WITH tags AS (
    SELECT dta.asset_id,
           string_agg(DISTINCT CASE WHEN dt.tag_type = 'OWNER'       THEN dt.tag_name END, '|') AS owner_tags,
           string_agg(DISTINCT CASE WHEN dt.tag_type = 'CRITICALITY' THEN dt.tag_name END, '|') AS criticality_tags,
           string_agg(DISTINCT CASE WHEN dt.tag_type = 'LOCATION'    THEN dt.tag_name END, '|') AS location_tags,
           string_agg(DISTINCT CASE WHEN dt.tag_type = 'CUSTOM'      THEN dt.tag_name END, '|') AS custom_tags
    FROM dim_tag_asset dta
    JOIN dim_tag dt ON dt.tag_id = dta.tag_id
    GROUP BY dta.asset_id
), report AS (
    SELECT da.asset_id                          AS asset_id,
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
           fa.aggregated_credential_status_id   AS credential_status
    FROM dim_asset da
    LEFT JOIN fact_asset fa            ON fa.asset_id = da.asset_id
    LEFT JOIN dim_operating_system dos ON dos.operating_system_id = da.operating_system_id
    LEFT JOIN tags t                   ON t.asset_id = da.asset_id
)
SELECT report.*, total.report_rows
FROM (SELECT count(*) AS report_rows FROM report) total
LEFT JOIN report ON true
ORDER BY asset_id
