-- +goose Up
-- Calls of sObject Collections, by which small chunks of keyed operations go. Each is written down before it is made: such a call touches the org's data
-- at once.
CREATE TABLE submitter.calls (
    chunk       uuid        NOT NULL,
    call        integer     NOT NULL,   -- from 0, in the order of sending
    epoch       bigint      NOT NULL,   -- of the claim that made it
    first_row   integer     NOT NULL,   -- the chunk's rows from here
    end_row     integer     NOT NULL,   -- to before here, without those that are left out
    -- sent: its answer is not known (yet). answered: it is, row by row. void: it surely had no effect.
    state       text        NOT NULL CHECK (state IN ('sent', 'answered', 'void')),
    sent_at     timestamptz NOT NULL DEFAULT now(),
    deadline    timestamptz NOT NULL,   -- from then on nothing of it is sent any more
    answered_at timestamptz,
    row_states  bytea,                  -- answered: a byte for each row from first_row: 'c' created, 'l' saved, 'f' refused, 0 left out
    row_ids     bytea,                  -- answered: 18 bytes for each, zero bytes where the reply names no id
    PRIMARY KEY (chunk, call),
    CHECK (first_row < end_row),
    CHECK ((state = 'answered') = (row_states IS NOT NULL) AND (row_states IS NULL OR octet_length(row_states) = end_row - first_row
           AND octet_length(row_ids) = 18 * (end_row - first_row)))
);
-- What an answer says of the rows that it refuses.
CREATE TABLE submitter.refused (
    chunk   uuid    NOT NULL,
    row     integer NOT NULL,
    code    text    NOT NULL,
    message text    NOT NULL,
    fields  text[]  NOT NULL,
    PRIMARY KEY (chunk, row)
);

-- The call in hand may land until then: nobody takes the submission up before.
ALTER TABLE submitter.submissions ADD COLUMN landing_until timestamptz NOT NULL DEFAULT '-infinity';
-- Every row that will be sent by calls has its answer. Where close_refused says why a call was refused for good, the rest is not sent.
ALTER TABLE submitter.submissions ADD COLUMN answered_at timestamptz;
-- Why the chunk goes by a job although it is small: the words with which its first call was refused; '' = nothing was refused.
ALTER TABLE submitter.submissions ADD COLUMN by_job text NOT NULL DEFAULT '';
CREATE INDEX submissions_calls ON submitter.submissions (next_try_at) WHERE state = 'sent' AND answered_at IS NULL;

CREATE OR REPLACE VIEW submitter_pub.submissions AS
    SELECT chunk, pipeline, revision, kind, org, space, lane, seal_no, state, epoch, owner, lease_until, next_try_at, tries, last_error,
           job_id, job_created_at, upload_rows, upload_bytes, upload_sha256, close_refused, noted_at, bound_at, submitted_at, ended_at,
           waiting_for, checked_at, uploaded_at, landing_until, answered_at, by_job
    FROM submitter.submissions;
CREATE VIEW submitter_pub.calls AS
    SELECT chunk, call, epoch, first_row, end_row, state, sent_at, deadline, answered_at, row_states, row_ids FROM submitter.calls;
CREATE VIEW submitter_pub.refused AS SELECT chunk, row, code, message, fields FROM submitter.refused;

GRANT SELECT, INSERT, UPDATE, DELETE ON submitter.calls, submitter.refused TO bulkhead_submitter;
GRANT SELECT ON ALL TABLES IN SCHEMA submitter_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
