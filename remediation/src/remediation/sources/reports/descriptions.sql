-- What is told of each vulnerability that is found anywhere.
-- Each row tells the number of rows, a row of its own where there is none: so a reader knows that nothing is cut.
WITH report AS (
    SELECT dv.nexpose_id              AS vulnerability_key,
           htmlToText(dv.description) AS vulnerability_description
    FROM dim_vulnerability dv
    WHERE dv.vulnerability_id IN (SELECT vulnerability_id FROM fact_asset_vulnerability_finding)
)
SELECT report.*, total.report_rows
FROM (SELECT count(*) AS report_rows FROM report) total
LEFT JOIN report ON true
ORDER BY vulnerability_key
