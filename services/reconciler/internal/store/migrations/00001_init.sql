-- +goose Up
-- The reconciler's ledger: one outcome row per chunk, and a row for each record that did not land.
CREATE SCHEMA IF NOT EXISTS reconciler;
CREATE SCHEMA IF NOT EXISTS reconciler_pub;

CREATE TABLE reconciler.work (
    chunk         uuid        PRIMARY KEY,
    pipeline      text        NOT NULL,
    org           text        NOT NULL,
    job_id        text        NOT NULL,               -- '' = nothing was sent
    job_state     text        NOT NULL,               -- JobComplete, Failed, Aborted as Salesforce writes them; gone; nothing_sent
    processed     bigint      NOT NULL DEFAULT 0,     -- both -1: the job gave no usable counters
    failed        bigint      NOT NULL DEFAULT 0,
    error_message text        NOT NULL DEFAULT '',
    state         text        NOT NULL CHECK (state IN ('reading', 'quarantined', 'reconciled')),
    epoch         bigint      NOT NULL DEFAULT 0,
    owner         text        NOT NULL DEFAULT '',
    lease_until   timestamptz NOT NULL DEFAULT '-infinity',
    reads         integer     NOT NULL DEFAULT 0,     -- complete ones
    first_read_at timestamptz,
    last_read_at  timestamptz,
    next_read_at  timestamptz NOT NULL DEFAULT now(),
    last_digest   bytea,                              -- of what the files said at the last read, order left out
    reason        text        NOT NULL DEFAULT '',    -- why it is read again, or what its end rests on
    errors        integer     NOT NULL DEFAULT 0,     -- reads in a row that broke off
    malformed     integer     NOT NULL DEFAULT 0,     -- of these, the last ones in a row whose files were not well formed
    not_found          integer NOT NULL DEFAULT 0,    -- of these, the last ones in a row that Salesforce answered with 404
    first_not_found_at timestamptz,
    last_error    text        NOT NULL DEFAULT '',
    pause_id      uuid,                               -- the pause that a quarantine made: lifting it has the files read again
    noted_at      timestamptz NOT NULL DEFAULT now(),
    ended_at      timestamptz
);
CREATE INDEX work_due ON reconciler.work (next_read_at) WHERE state = 'reading';
CREATE INDEX work_quarantined ON reconciler.work (chunk) WHERE state = 'quarantined';

CREATE TABLE reconciler.outcomes (
    chunk         uuid        PRIMARY KEY,
    pipeline      text        NOT NULL,
    org           text        NOT NULL,
    job_id        text        NOT NULL,
    job_state     text        NOT NULL,
    rows          integer     NOT NULL,
    landed        integer     NOT NULL,               -- these five count rows and add up to rows
    failed        integer     NOT NULL,
    unprocessed   integer     NOT NULL,
    missing       integer     NOT NULL,
    superseded    integer     NOT NULL,
    row_states    bytea       NOT NULL,               -- a byte a row: 'l' landed, 'f' failed, 'u' unprocessed, 'm' missing, 's' superseded
    row_ids       bytea       NOT NULL,               -- 18 bytes a row: the Salesforce id, zero bytes where there is none
    created_rows  integer     NOT NULL,               -- landed rows that Salesforce says it created
    error_message text        NOT NULL DEFAULT '',
    reconciled_at timestamptz NOT NULL DEFAULT now(),
    -- What the submission says of its pipeline: five blocked ones in a row pause it.
    standing      text        NOT NULL CHECK (standing IN ('works', 'blocked', 'open')),
    CHECK (rows = landed + failed + unprocessed + missing + superseded),
    CHECK (octet_length(row_states) = rows AND octet_length(row_ids) = 18 * rows)
);
CREATE INDEX outcomes_pipeline ON reconciler.outcomes (pipeline, reconciled_at);

-- Transfers out of "in flight", in records, per run: they add up to the chunk's records of that run.
CREATE TABLE reconciler.outcome_runs (
    chunk              uuid    NOT NULL,
    pipeline           text    NOT NULL,
    run                text    NOT NULL,
    landed             integer NOT NULL,
    dead               integer NOT NULL,
    retrying           integer NOT NULL,
    waiting_for_parent integer NOT NULL,
    unresolved         integer NOT NULL,
    superseded         integer NOT NULL,
    PRIMARY KEY (chunk, run)
);
CREATE INDEX outcome_runs_pipeline ON reconciler.outcome_runs (pipeline, run);

CREATE TABLE reconciler.failures (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chunk       uuid        NOT NULL,
    row         integer     NOT NULL,
    record      integer     NOT NULL,                 -- place among the records merged in the row
    pipeline    text        NOT NULL,
    revision    integer     NOT NULL,
    lane        integer     NOT NULL,
    run         text        NOT NULL,
    key         text        NOT NULL,
    key_hash    uuid        NOT NULL,
    generation  smallint    NOT NULL,
    entity      text        NOT NULL,
    entity_hash uuid        NOT NULL,
    seq         bigint      NOT NULL,
    idx         integer     NOT NULL,
    columns     bytea       NOT NULL,                 -- bitmap: the columns that this record names
    accepted_at timestamptz NOT NULL,
    attempt     smallint    NOT NULL,                 -- counted tries of this generation, this one included
    outcome     text        NOT NULL CHECK (outcome IN ('failed', 'unprocessed', 'missing')),
    class       text        NOT NULL,                 -- '' for unprocessed
    code        text        NOT NULL,
    message     text        NOT NULL,
    fields      text[]      NOT NULL,
    sf_id       text        NOT NULL,
    disposition text        NOT NULL CHECK (disposition IN ('retry', 'dead', 'unresolved')),
    letter_id   uuid,                                 -- when dead or unresolved
    header      text[]      NOT NULL,
    cells       text[]      NOT NULL,                 -- the mapped row as it was sent; '' = left alone
    payload     bytea       NOT NULL,                 -- the record's original bytes
    attempts    jsonb       NOT NULL,                 -- every attempt so far: [{n, chunk, job_id, at, class, code, message}]
    decided_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (chunk, row, record)
);
CREATE INDEX failures_key ON reconciler.failures (pipeline, key_hash);
CREATE INDEX failures_letter ON reconciler.failures (letter_id) WHERE letter_id IS NOT NULL;
CREATE INDEX failures_class ON reconciler.failures (pipeline, class);
CREATE INDEX failures_dead ON reconciler.failures (id) WHERE disposition = 'dead';

CREATE TABLE reconciler.pauses (
    id       uuid        PRIMARY KEY,
    pipeline text        NOT NULL,
    class    text        NOT NULL,
    code     text        NOT NULL,
    message  text        NOT NULL,
    since    timestamptz NOT NULL DEFAULT now()
);

-- Up to which failure the open letters have been published into the present incarnation of the stream DLQ; one row.
CREATE TABLE reconciler.dlq (
    single      boolean     PRIMARY KEY DEFAULT true CHECK (single),
    incarnation timestamptz NOT NULL,                 -- when the stream was made
    failure_id  bigint      NOT NULL,                 -- letters above it, up to up_to, are still to be published again
    up_to       bigint      NOT NULL,
    moved_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE reconciler.outbox (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject    text        NOT NULL,
    msg_id     text        NOT NULL,
    headers    jsonb       NOT NULL DEFAULT '{}',
    body       bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE VIEW reconciler_pub.work AS
    SELECT chunk, pipeline, org, job_id, job_state, processed, failed, error_message, state, reads, first_read_at, next_read_at, last_error, noted_at,
           reason, errors, pause_id, ended_at
    FROM reconciler.work;
CREATE VIEW reconciler_pub.outcomes AS
    SELECT chunk, pipeline, org, job_id, job_state, rows, landed, failed, unprocessed, missing, superseded, row_states, row_ids, created_rows,
           error_message, reconciled_at, standing
    FROM reconciler.outcomes;
CREATE VIEW reconciler_pub.outcome_runs AS
    SELECT chunk, pipeline, run, landed, dead, retrying, waiting_for_parent, unresolved, superseded FROM reconciler.outcome_runs;
CREATE VIEW reconciler_pub.failures AS
    SELECT id, chunk, row, record, pipeline, revision, lane, run, key, key_hash, generation, entity, entity_hash, seq, idx, columns, accepted_at,
           attempt, outcome, class, code, message, fields, sf_id, disposition, letter_id, header, cells, payload, attempts, decided_at
    FROM reconciler.failures;
CREATE VIEW reconciler_pub.pauses AS SELECT id, pipeline, class, code, message, since FROM reconciler.pauses;

GRANT USAGE ON SCHEMA reconciler TO bulkhead_reconciler;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA reconciler TO bulkhead_reconciler;
GRANT USAGE ON SCHEMA reconciler_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
GRANT SELECT ON ALL TABLES IN SCHEMA reconciler_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
