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

CREATE VIEW submitter_pub.resolutions AS SELECT chunk, row_ids, resolved_at FROM submitter.resolutions;
CREATE VIEW submitter_pub.unsent AS SELECT chunk, row, class, code, message FROM submitter.unsent;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA submitter TO bulkhead_submitter;
GRANT SELECT ON ALL TABLES IN SCHEMA submitter_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
