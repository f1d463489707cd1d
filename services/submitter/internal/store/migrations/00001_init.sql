-- +goose Up
-- The submitter's ledger: one submission per chunk, the jobs it made, and who holds each lane.
CREATE SCHEMA IF NOT EXISTS submitter;
CREATE SCHEMA IF NOT EXISTS submitter_pub;

CREATE TABLE submitter.submissions (
    chunk          uuid        PRIMARY KEY,
    pipeline       text        NOT NULL,
    revision       integer     NOT NULL,
    kind           text        NOT NULL CHECK (kind IN ('fresh', 'replay', 'resend')),
    org            text        NOT NULL,
    space          text        NOT NULL,
    lane           integer     NOT NULL,
    seal_no        bigint      NOT NULL,
    -- claimed includes "noted and not yet claimed by anybody": epoch 0, lease in the past.
    state          text        NOT NULL CHECK (state IN ('claimed', 'created', 'bound', 'sent', 'submitted', 'reconciled', 'nothing_sent')),
    epoch          bigint      NOT NULL DEFAULT 0,
    owner          text        NOT NULL DEFAULT '',
    lease_until    timestamptz NOT NULL DEFAULT '-infinity',
    next_try_at    timestamptz NOT NULL DEFAULT '-infinity',  -- a request that failed for a reason not the chunk's is tried again then
    tries          integer     NOT NULL DEFAULT 0,
    last_error     text        NOT NULL DEFAULT '',
    waiting_for    text        NOT NULL DEFAULT '',           -- the gate that it stands at, in words; '' = none
    checked_at     timestamptz,                               -- resends and replays: rule 10 is answered, the lane is held; the answer never changes
    job_id         text        NOT NULL DEFAULT '',
    job_created_at timestamptz,
    upload_rows    integer,                                   -- what is really uploaded: decided with the check, or counted while uploading
    upload_bytes   bigint,
    upload_sha256  bytea,
    uploaded_at    timestamptz,                               -- the job of job_id holds the whole upload
    close_refused  text        NOT NULL DEFAULT '',           -- Salesforce's words when it refused the close for good
    noted_at       timestamptz NOT NULL DEFAULT now(),
    bound_at       timestamptz,
    submitted_at   timestamptz,
    ended_at       timestamptz
);
CREATE UNIQUE INDEX submissions_job ON submitter.submissions (job_id) WHERE job_id <> '';
CREATE INDEX submissions_open ON submitter.submissions (next_try_at) WHERE state IN ('claimed', 'created', 'bound');
CREATE INDEX submissions_submitted ON submitter.submissions (submitted_at) WHERE state = 'submitted';
CREATE INDEX submissions_lane ON submitter.submissions (space, lane) WHERE ended_at IS NULL;
CREATE INDEX submissions_sent ON submitter.submissions (pipeline, submitted_at) WHERE submitted_at IS NOT NULL;
CREATE INDEX submissions_not_ended ON submitter.submissions (chunk) WHERE ended_at IS NULL;

CREATE TABLE submitter.lanes (
    space   text        NOT NULL,
    lane    integer     NOT NULL,
    holder  uuid,                       -- the chunk whose sending may still land; NULL = free
    held_at timestamptz,
    PRIMARY KEY (space, lane)
);

CREATE TABLE submitter.jobs (
    job_id     text        PRIMARY KEY,
    chunk      uuid        NOT NULL,
    org        text        NOT NULL,
    epoch      bigint      NOT NULL,
    state      text        NOT NULL CHECK (state IN ('created', 'bound', 'abandoned')),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX jobs_chunk ON submitter.jobs (chunk);
CREATE INDEX jobs_org ON submitter.jobs (org, created_at);

-- What a resend left out because newer versions cover it: whole rows (records superseded, each naming its successor) ...
CREATE TABLE submitter.superseded (
    chunk              uuid     NOT NULL,
    row                integer  NOT NULL,
    record             integer  NOT NULL,
    pipeline           text     NOT NULL,
    run                text     NOT NULL,
    key_hash           uuid     NOT NULL,
    generation         smallint NOT NULL,
    successor_key_hash uuid     NOT NULL,
    successor_seq      bigint   NOT NULL,
    successor_idx      integer  NOT NULL,
    decided_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chunk, row, record)
);
CREATE INDEX superseded_key ON submitter.superseded (pipeline, key_hash);
-- ... or single columns of a row.
CREATE TABLE submitter.reduced (
    chunk   uuid    NOT NULL,
    row     integer NOT NULL,
    columns bytea   NOT NULL,   -- bitmap over extractor_pub.columns: what was left out
    PRIMARY KEY (chunk, row)
);

CREATE TABLE submitter.pauses (
    id       uuid        PRIMARY KEY,
    pipeline text        NOT NULL,
    class    text        NOT NULL,
    code     text        NOT NULL,
    message  text        NOT NULL,
    since    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE submitter.outbox (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject    text        NOT NULL,
    msg_id     text        NOT NULL,
    headers    jsonb       NOT NULL DEFAULT '{}',
    body       bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE VIEW submitter_pub.submissions AS
    SELECT chunk, pipeline, revision, kind, org, space, lane, seal_no, state, epoch, owner, lease_until, next_try_at, tries, last_error,
           job_id, job_created_at, upload_rows, upload_bytes, upload_sha256, close_refused, noted_at, bound_at, submitted_at, ended_at,
           waiting_for, checked_at, uploaded_at
    FROM submitter.submissions;
CREATE VIEW submitter_pub.lanes AS SELECT space, lane, holder, held_at FROM submitter.lanes;
CREATE VIEW submitter_pub.jobs AS SELECT job_id, chunk, org, epoch, state, created_at FROM submitter.jobs;
CREATE VIEW submitter_pub.superseded AS
    SELECT chunk, row, record, pipeline, run, key_hash, generation, successor_key_hash, successor_seq, successor_idx, decided_at
    FROM submitter.superseded;
CREATE VIEW submitter_pub.reduced AS SELECT chunk, row, columns FROM submitter.reduced;
CREATE VIEW submitter_pub.pauses AS SELECT id, pipeline, class, code, message, since FROM submitter.pauses;

GRANT USAGE ON SCHEMA submitter TO bulkhead_submitter;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA submitter TO bulkhead_submitter;
GRANT USAGE ON SCHEMA submitter_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
GRANT SELECT ON ALL TABLES IN SCHEMA submitter_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
