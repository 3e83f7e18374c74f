-- The exceptions that hide a finding at present, and those of single assets that were asked for and are not approved.
-- An approved one that hides nothing is left out: its finding is gone, or not hidden yet. The findings tell which.
-- Each row tells the number of rows, a row of its own where there is none: so a reader knows that nothing is cut.
WITH report AS (
    SELECT DISTINCT
           coalesce(fx.asset_id, dve.asset_id) AS asset_id,
           dv.nexpose_id                       AS vulnerability_key,
           dve.vulnerability_exception_id      AS exception_id,
           des.description                     AS exception_status,
           der.description                     AS exception_reason,
           dve.expiration_date                 AS expiration_date,
           dve.submitted_by                    AS submitted_by,
           dve.reviewed_by                     AS reviewed_by
    FROM dim_vulnerability_exception dve
    LEFT JOIN fact_asset_vulnerability_instance_excluded fx
           ON fx.vulnerability_exception_id = dve.vulnerability_exception_id
    JOIN dim_vulnerability dv ON dv.vulnerability_id = coalesce(fx.vulnerability_id, dve.vulnerability_id)
    LEFT JOIN dim_exception_status des ON des.status_id = dve.status_id
    LEFT JOIN dim_exception_reason der ON der.reason_id = dve.reason_id
    WHERE fx.asset_id IS NOT NULL OR (dve.asset_id IS NOT NULL AND lower(des.description) <> 'approved')
)
SELECT report.*, total.report_rows
FROM (SELECT count(*) AS report_rows FROM report) total
LEFT JOIN report ON true
ORDER BY asset_id, vulnerability_key, exception_id
