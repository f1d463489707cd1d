-- +goose Up
-- A ledger that was restored to an earlier moment has forgotten jobs that were bound since. Of each binding a second copy, job_bound, lies on FLOW.

-- How far job_bound has been compared with submitter.jobs: up to seq, in that incarnation of FLOW, each binding is known here. One row, restored with the rest.
CREATE TABLE submitter.bindings_read (
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one),
    incarnation timestamptz NOT NULL,
    seq         bigint      NOT NULL,
    read_at     timestamptz NOT NULL DEFAULT now()
);

-- A time in which a pipeline's forgotten jobs are seen to their end; while it is not done nothing of the pipeline, or of its org, is bound or called.
CREATE TABLE submitter.recoveries (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline text        NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(),
    done_at  timestamptz
);
CREATE UNIQUE INDEX recoveries_open ON submitter.recoveries (pipeline) WHERE done_at IS NULL;
CREATE INDEX recoveries_pipeline ON submitter.recoveries (pipeline);

-- Jobs that were bound and that this ledger does not know as bound. What they carried stands at these places in RECORDS.
CREATE TABLE submitter.forgotten (
    job_id       text        PRIMARY KEY,
    recovery     bigint      NOT NULL,
    chunk        uuid        NOT NULL,
    pipeline     text        NOT NULL,
    revision     integer     NOT NULL,
    org          text        NOT NULL,                       -- '' = it is not known
    bound_at     timestamptz NOT NULL,                       -- when it was told
    from_seq     bigint      NOT NULL,
    through_seq  bigint      NOT NULL,
    adopted      boolean     NOT NULL,                       -- the chunk is known and not bound: it is bound to this job
    state        text        NOT NULL CHECK (state IN ('open', 'ended')),
    job_state    text        NOT NULL DEFAULT '',            -- at the last look, as Salesforce writes it; gone = 404; '' = nobody has looked
    since        timestamptz,                                -- when it was seen like that first
    next_look_at timestamptz NOT NULL DEFAULT '-infinity',
    last_error   text        NOT NULL DEFAULT '',            -- why it could not be looked at
    ended_at     timestamptz
);
CREATE INDEX forgotten_open ON submitter.forgotten (next_look_at) WHERE state = 'open';
CREATE INDEX forgotten_pipeline ON submitter.forgotten (pipeline);
CREATE INDEX forgotten_chunk ON submitter.forgotten (chunk);

-- When the sending was ended because rows of the chunk may have been sent by a forgotten job.
ALTER TABLE submitter.submissions ADD COLUMN doubted_at timestamptz;

CREATE OR REPLACE VIEW submitter_pub.submissions AS
    SELECT chunk, pipeline, revision, kind, org, space, lane, seal_no, state, epoch, owner, lease_until, next_try_at, tries, last_error,
           job_id, job_created_at, upload_rows, upload_bytes, upload_sha256, close_refused, noted_at, bound_at, submitted_at, ended_at,
           waiting_for, checked_at, uploaded_at, landing_until, answered_at, by_job, doubted_at
    FROM submitter.submissions;
CREATE VIEW submitter_pub.recoveries AS
    SELECT id, pipeline, found_at, done_at FROM submitter.recoveries;
CREATE VIEW submitter_pub.forgotten AS
    SELECT job_id, recovery, chunk, pipeline, revision, org, bound_at, from_seq, through_seq, adopted, state, job_state, since, last_error, ended_at
    FROM submitter.forgotten;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA submitter TO bulkhead_submitter;
GRANT SELECT ON ALL TABLES IN SCHEMA submitter_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
