-- +goose Up
-- The poller's ledger: one watch per submitted job.
CREATE SCHEMA IF NOT EXISTS poller;
CREATE SCHEMA IF NOT EXISTS poller_pub;

CREATE TABLE poller.watches (
    chunk              uuid        PRIMARY KEY,
    pipeline           text        NOT NULL,
    org                text        NOT NULL,
    job_id             text        NOT NULL,
    rows               integer     NOT NULL,
    state              text        NOT NULL CHECK (state IN ('watching', 'finished', 'gone')),
    epoch              bigint      NOT NULL DEFAULT 0,
    owner              text        NOT NULL DEFAULT '',
    lease_until        timestamptz NOT NULL DEFAULT '-infinity',
    submitted_at       timestamptz NOT NULL,
    next_look_at       timestamptz NOT NULL,
    looked_at          timestamptz,
    looks              integer     NOT NULL DEFAULT 0,    -- answered ones
    errors             integer     NOT NULL DEFAULT 0,    -- unanswered looks since the last answered one
    job_state          text        NOT NULL DEFAULT '',   -- as Salesforce writes it, at the last look
    processed          bigint      NOT NULL DEFAULT 0,    -- both -1: the job ended without usable counters
    failed             bigint      NOT NULL DEFAULT 0,
    error_message      text        NOT NULL DEFAULT '',
    progressed_at      timestamptz,                       -- when processed last moved: what a stall is measured from
    not_found          integer     NOT NULL DEFAULT 0,    -- consecutive 404s
    first_not_found_at timestamptz,
    last_error         text        NOT NULL DEFAULT '',
    finished_at        timestamptz,
    reconciled_at      timestamptz                        -- when its chunk's outcome was seen: nobody needs to ask after it any more
);
CREATE INDEX watches_due ON poller.watches (next_look_at) WHERE state = 'watching';
CREATE INDEX watches_unreconciled ON poller.watches (finished_at) WHERE state <> 'watching' AND reconciled_at IS NULL;
-- How fast the last jobs of a pipeline were.
CREATE INDEX watches_speed ON poller.watches (pipeline, finished_at) WHERE state = 'finished';

CREATE TABLE poller.outbox (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject    text        NOT NULL,
    msg_id     text        NOT NULL,
    headers    jsonb       NOT NULL DEFAULT '{}',
    body       bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE VIEW poller_pub.watches AS
    SELECT chunk, pipeline, org, job_id, rows, state, submitted_at, next_look_at, looks, job_state, processed, failed, error_message,
           progressed_at, not_found, last_error, finished_at, looked_at, errors, reconciled_at
    FROM poller.watches;

GRANT USAGE ON SCHEMA poller TO bulkhead_poller;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA poller TO bulkhead_poller;
GRANT USAGE ON SCHEMA poller_pub TO bulkhead_reconciler, bulkhead_submitter, bulkhead_ops;
GRANT SELECT ON ALL TABLES IN SCHEMA poller_pub TO bulkhead_reconciler, bulkhead_submitter, bulkhead_ops;
