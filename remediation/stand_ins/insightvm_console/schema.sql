-- The state of the stand-in: the documented tables of the reporting data model 2.3.0, and what they do not tell.
-- Tables, columns and helper functions are documented only. Keys and references are ours. All times are in UTC.
CREATE SCHEMA insightvm;
SET LOCAL search_path = insightvm;

-- What the helpers do exactly is a guess.
CREATE FUNCTION htmlToText(t text) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT trim(regexp_replace(regexp_replace($1, '<[^>]+>', ' ', 'g'), '\s+', ' ', 'g')) $$;
CREATE FUNCTION proofAsText(t text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT insightvm.htmlToText($1) $$;

CREATE TABLE dim_operating_system (
    operating_system_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, asset_type text, description text UNIQUE,
    vendor text, family text, name text, version text, architecture text, system text, cpe text
);
CREATE TABLE dim_asset (
    asset_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mac_address macaddr, ip_address inet, host_name text,
    operating_system_id int REFERENCES dim_operating_system, host_type_id int, match_value text, sites text,
    last_assessed_for_vulnerabilities timestamp
);
CREATE TABLE dim_aggregated_credential_status (
    aggregated_credential_status_id smallint PRIMARY KEY, aggregated_credential_status_description text
);
CREATE TABLE fact_asset (
    asset_id bigint PRIMARY KEY REFERENCES dim_asset ON DELETE CASCADE, last_scan_id bigint, scan_started timestamp,
    scan_finished timestamp, vulnerabilities bigint, riskscore float8,
    aggregated_credential_status_id smallint REFERENCES dim_aggregated_credential_status
);
CREATE TABLE dim_vulnerability (
    vulnerability_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, nexpose_id text NOT NULL UNIQUE, title text,
    description text, date_published date, date_added date, date_modified date, severity_score smallint,
    severity text, riskscore float8, cvss_score real, cvss_v3_score real, exploits bigint, malware_kits bigint
);
CREATE TABLE dim_vulnerability_reference (
    vulnerability_id int REFERENCES dim_vulnerability, source text, reference text
);
CREATE TABLE dim_tag (
    tag_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tag_name text, tag_type text, source text,
    creation_date timestamp, risk_modifier float8, color text, UNIQUE (tag_type, tag_name)
);
CREATE TABLE dim_tag_asset (
    tag_id int REFERENCES dim_tag, asset_id bigint REFERENCES dim_asset ON DELETE CASCADE, association text,
    site_id int, group_id int
);
CREATE TABLE dim_solution (
    solution_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, nexpose_id text NOT NULL UNIQUE, estimate interval,
    url text, solution_type text, fix text, summary text, additional_data text, applies_to text
);
CREATE TABLE dim_asset_vulnerability_best_solution (
    asset_id bigint REFERENCES dim_asset ON DELETE CASCADE, vulnerability_id int REFERENCES dim_vulnerability,
    solution_id int REFERENCES dim_solution, PRIMARY KEY (asset_id, vulnerability_id)
);
CREATE TABLE dim_asset_vulnerability_solution (
    asset_id bigint REFERENCES dim_asset ON DELETE CASCADE, vulnerability_id int REFERENCES dim_vulnerability,
    solution_id int REFERENCES dim_solution, PRIMARY KEY (asset_id, vulnerability_id, solution_id)
);
CREATE TABLE fact_asset_vulnerability_finding (
    asset_id bigint REFERENCES dim_asset ON DELETE CASCADE, scan_id bigint,
    vulnerability_id int REFERENCES dim_vulnerability, date timestamp, vulnerability_instances bigint,
    PRIMARY KEY (asset_id, vulnerability_id)
);
CREATE TABLE fact_asset_vulnerability_age (
    asset_id bigint REFERENCES dim_asset ON DELETE CASCADE, vulnerability_id int REFERENCES dim_vulnerability,
    age interval, age_in_days int, first_discovered timestamp, most_recently_discovered timestamp,
    reintroduced_date timestamp, PRIMARY KEY (asset_id, vulnerability_id)
);
CREATE TABLE dim_exception_status (status_id text PRIMARY KEY, description text);
CREATE TABLE dim_exception_reason (
    reason_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, description text UNIQUE
);
CREATE TABLE dim_vulnerability_exception (
    vulnerability_exception_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vulnerability_id int REFERENCES dim_vulnerability, scope_id text,
    reason_id int REFERENCES dim_exception_reason, status_id text REFERENCES dim_exception_status, site_id int,
    asset_id bigint REFERENCES dim_asset ON DELETE CASCADE, submitted_by text, reviewed_by text,
    submitted_date timestamp, expiration_date date
);
CREATE TABLE fact_asset_vulnerability_instance_excluded (
    asset_id bigint REFERENCES dim_asset ON DELETE CASCADE, scan_id bigint,
    vulnerability_id int REFERENCES dim_vulnerability,
    vulnerability_exception_id bigint REFERENCES dim_vulnerability_exception ON DELETE CASCADE,
    vulnerability_exception_ids text, date timestamp, status_id text, proof text, key text, service_id int,
    port int, protocol_id int
);

INSERT INTO dim_aggregated_credential_status VALUES
    (-1, 'N/A'), (1, 'No credentials supplied'), (2, 'All credentials failed'),
    (3, 'Credentials partially successful'), (4, 'All credentials successful');
-- The words are documented only; the letters but for U and A are a guess.
INSERT INTO dim_exception_status VALUES
    ('U', 'Under Review'), ('A', 'Approved'), ('R', 'Rejected'), ('E', 'Expired'), ('D', 'Deleted');
INSERT INTO dim_exception_reason (description) VALUES
    ('False Positive'), ('Compensating Control'), ('Acceptable Use'), ('Acceptable Risk'), ('Other');

-- What is really so, whether or not a scan has seen it. A test device of ours; no report can name it without a schema.
CREATE SCHEMA insightvm_truth;
SET LOCAL search_path = insightvm_truth, insightvm;

CREATE TABLE clock (now timestamp NOT NULL);
CREATE TABLE scan (
    scan_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, started timestamp NOT NULL, finished timestamp NOT NULL
);
CREATE TABLE nature (
    vulnerability_id int PRIMARY KEY REFERENCES dim_vulnerability, solution_id int REFERENCES dim_solution,
    needs_credentials boolean NOT NULL
);
CREATE TABLE present (
    asset_id bigint REFERENCES dim_asset ON DELETE CASCADE, vulnerability_id int REFERENCES nature,
    instances int NOT NULL CHECK (instances > 0), PRIMARY KEY (asset_id, vulnerability_id)
);
CREATE TABLE superseded (
    solution_id int PRIMARY KEY REFERENCES dim_solution, by_solution_id int NOT NULL REFERENCES dim_solution
);
CREATE TABLE exception_comment (
    vulnerability_exception_id int PRIMARY KEY REFERENCES dim_vulnerability_exception ON DELETE CASCADE,
    submitted text NOT NULL, reviewed text
);
-- Scans of a site that a client has asked for. One that is at work has no row in scan yet.
CREATE TABLE asked_scan (
    scan_id bigint PRIMARY KEY, site text NOT NULL, name text NOT NULL, hosts text[] NOT NULL,
    started timestamp NOT NULL, status text NOT NULL
);
-- The highest solution that supersedes one; NULL where they supersede each other in a ring.
CREATE FUNCTION best(solution int) RETURNS int STABLE LANGUAGE sql AS $$
    WITH RECURSIVE way(id) AS (
        SELECT solution
        UNION
        SELECT by_solution_id FROM insightvm_truth.superseded JOIN way ON solution_id = way.id
    )
    SELECT id FROM way WHERE id NOT IN (SELECT solution_id FROM insightvm_truth.superseded)
$$;
