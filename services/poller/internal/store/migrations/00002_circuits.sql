-- +goose Up
-- What this service knows of each org's circuit. The rows of all services about an org are one circuit; package circuit says how they are read.
CREATE TABLE poller.circuits (
    org          text        PRIMARY KEY,
    class        text        NOT NULL CHECK (class IN ('transient', 'quota')),
    failures     integer     NOT NULL,   -- in a row since it opened, over all services as far as this one saw them
    cause        text        NOT NULL,   -- the last failure in words
    opened_at    timestamptz NOT NULL,
    failed_at    timestamptz NOT NULL,   -- when the last failed call was told
    next_call_at timestamptz NOT NULL,   -- nobody calls before it
    closed_at    timestamptz             -- when a call succeeded that was made while it was open
);

CREATE VIEW poller_pub.circuits AS
    SELECT org, class, failures, cause, opened_at, failed_at, next_call_at, closed_at FROM poller.circuits;

GRANT SELECT, INSERT, UPDATE, DELETE ON poller.circuits TO bulkhead_poller;
GRANT USAGE ON SCHEMA poller_pub TO bulkhead_poller;
GRANT SELECT ON ALL TABLES IN SCHEMA poller_pub TO bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_ops;
