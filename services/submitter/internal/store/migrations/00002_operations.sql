-- +goose Up
-- Updates and deletes that name their rows by a field other than Id: what the org said of them before the upload, under the lane.
CREATE TABLE submitter.resolutions (
    chunk       uuid        PRIMARY KEY,
    row_ids     bytea       NOT NULL,              -- 18 bytes a row: the Salesforce id to send, zero bytes where the row is not sent
    resolved_at timestamptz NOT NULL DEFAULT now()
);
-- Rows that are left out of the upload because no row of the org, or more than one, has the value.
CREATE TABLE submitter.unsent (
    chunk   uuid    NOT NULL,
    row     integer NOT NULL,
    class   text    NOT NULL,
    code    text    NOT NULL,
    message text    NOT NULL,
    PRIMARY KEY (chunk, row)
);

-- Whether the rows are named by a field other than Id: such a chunk takes its lane before the upload, even when it is fresh.
ALTER TABLE submitter.submissions ADD COLUMN resolves boolean NOT NULL DEFAULT false;
-- Whether the records of a fresh chunk carry versions: it takes its lane before the upload too, since a newer version may have been sent before it.
ALTER TABLE submitter.submissions ADD COLUMN versioned boolean NOT NULL DEFAULT false;
-- The id of the Salesforce org behind a name, as first seen, or as the org's document has named it since: jobs are made, and a 404 is believed, only there.
CREATE TABLE submitter.orgs (
    name    text        PRIMARY KEY,
    org_id  text        NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);

CREATE VIEW submitter_pub.orgs AS SELECT name, org_id, seen_at FROM submitter.orgs;
CREATE VIEW submitter_pub.resolutions AS SELECT chunk, row_ids, resolved_at FROM submitter.resolutions;
CREATE VIEW submitter_pub.unsent AS SELECT chunk, row, class, code, message FROM submitter.unsent;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA submitter TO bulkhead_submitter;
GRANT SELECT ON ALL TABLES IN SCHEMA submitter_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
