-- +goose Up
-- Unresolved records that were decided not to have landed: the guard against taking one twice.
CREATE TABLE retrier.resolutions_taken (
    failure_id bigint      PRIMARY KEY,            -- reconciler_pub.resolutions
    taken_at   timestamptz NOT NULL DEFAULT now()
);

-- What the record's version says, in bytes that sort like the versions: of one entity the older goes first. NULL = its definition names none.
ALTER TABLE retrier.waiting ADD COLUMN version bytea;

CREATE VIEW retrier_pub.resolutions_taken AS SELECT failure_id, taken_at FROM retrier.resolutions_taken;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA retrier TO bulkhead_retrier;
GRANT SELECT ON ALL TABLES IN SCHEMA retrier_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_reconciler, bulkhead_ops;
