-- +goose Up
-- The retrier's ledger: who waits until when, the resend chunks made of them, and who is exhausted.
CREATE SCHEMA IF NOT EXISTS retrier;
CREATE SCHEMA IF NOT EXISTS retrier_pub;

-- Chunks whose failures to retry have all been copied into waiting (or dead): the guard against taking twice.
CREATE TABLE retrier.taken (
    chunk    uuid        PRIMARY KEY,
    taken_at timestamptz NOT NULL DEFAULT now()
);
-- The same for letters that a replay gave back.
CREATE TABLE retrier.letters_taken (
    letter_id uuid        PRIMARY KEY,
    taken_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE retrier.waiting (
    failure_id  bigint      PRIMARY KEY,              -- reconciler_pub.failures.id: payload, cells, attempts so far
    unit_chunk  uuid        NOT NULL,                 -- records of one failed row wait and go together: (unit_chunk, unit_row);
    unit_row    integer     NOT NULL,                 -- a replayed letter is a unit of its own: (letter_id, 0)
    letter_id   uuid,                                 -- the letter that a replay sends again; NULL = a retry
    pipeline    text        NOT NULL,
    revision    integer     NOT NULL,
    lane        integer     NOT NULL,
    run         text        NOT NULL,
    key_hash    uuid        NOT NULL,
    entity_hash uuid        NOT NULL,
    generation  smallint    NOT NULL,
    seq         bigint      NOT NULL,
    idx         integer     NOT NULL,
    class       text        NOT NULL,                 -- '' for unprocessed and for replays
    code        text        NOT NULL,
    attempt     smallint    NOT NULL,                 -- counted tries so far in this generation
    reason      text        NOT NULL,                 -- why it waits, in words
    due_at      timestamptz NOT NULL,
    since       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX waiting_due ON retrier.waiting (due_at);
CREATE INDEX waiting_lane ON retrier.waiting (pipeline, lane, due_at);
CREATE INDEX waiting_unit ON retrier.waiting (unit_chunk, unit_row);
CREATE INDEX waiting_pipeline ON retrier.waiting (pipeline, run);
CREATE INDEX waiting_key ON retrier.waiting (pipeline, key_hash);

CREATE TABLE retrier.chunks (
    chunk             uuid        PRIMARY KEY,
    seal_no           bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,
    pipeline          text        NOT NULL,
    revision          integer     NOT NULL,
    kind              text        NOT NULL DEFAULT 'resend' CHECK (kind = 'resend'),
    org               text        NOT NULL,
    object            text        NOT NULL,
    operation         text        NOT NULL,
    external_id_field text        NOT NULL,
    space             text        NOT NULL,
    lane              integer     NOT NULL,
    header            text[]      NOT NULL,
    rows              integer     NOT NULL,
    records           integer     NOT NULL,
    bytes             bigint      NOT NULL,
    manifest          bytea       NOT NULL,
    first_seq         bigint      NOT NULL,
    traceparent       text        NOT NULL DEFAULT '',
    sealed_at         timestamptz NOT NULL DEFAULT now(),
    reconciled_at     timestamptz
);
-- At most one resend is on its way in a pipeline's lane: what is due meanwhile gathers, and two instances cannot seal it twice.
CREATE UNIQUE INDEX chunks_one_open ON retrier.chunks (pipeline, lane) WHERE reconciled_at IS NULL;

CREATE TABLE retrier.chunk_runs (
    chunk    uuid    NOT NULL,
    pipeline text    NOT NULL,
    run      text    NOT NULL,
    kind     text    NOT NULL,
    records  integer NOT NULL,
    PRIMARY KEY (chunk, run)
);
CREATE INDEX chunk_runs_pipeline ON retrier.chunk_runs (pipeline, run);

CREATE TABLE retrier.pieces (
    chunk uuid    NOT NULL,
    n     integer NOT NULL,
    rows  integer NOT NULL,
    data  bytea   NOT NULL,
    PRIMARY KEY (chunk, n)
);

-- Where each record that was sent again went: what a record's history and the closing of a letter follow.
CREATE TABLE retrier.resent (
    chunk      uuid     NOT NULL,
    row        integer  NOT NULL,
    record     integer  NOT NULL,
    failure_id bigint   NOT NULL,
    pipeline   text     NOT NULL,
    key_hash   uuid     NOT NULL,
    generation smallint NOT NULL,
    PRIMARY KEY (chunk, row, record)
);
CREATE INDEX resent_key ON retrier.resent (pipeline, key_hash);

-- Exhausted: every try that the policy allows has failed.
CREATE TABLE retrier.dead (
    letter_id  uuid        PRIMARY KEY,
    failure_id bigint      NOT NULL UNIQUE,           -- the last failure: payload, cells and every attempt
    pipeline   text        NOT NULL,
    run        text        NOT NULL,
    key        text        NOT NULL,
    key_hash   uuid        NOT NULL,
    generation smallint    NOT NULL,
    class      text        NOT NULL,
    code       text        NOT NULL,
    message    text        NOT NULL,
    dead_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_run ON retrier.dead (pipeline, run);
CREATE INDEX dead_key ON retrier.dead (pipeline, key_hash);

CREATE TABLE retrier.pauses (
    id       uuid        PRIMARY KEY,
    pipeline text        NOT NULL,
    class    text        NOT NULL,
    code     text        NOT NULL,
    message  text        NOT NULL,
    since    timestamptz NOT NULL DEFAULT now()
);

-- The DLQ stream that holds the letters of retrier.dead: one row. Another stream of that name gets every open letter again.
CREATE TABLE retrier.dlq (
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one),
    incarnation timestamptz NOT NULL,
    noted_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE retrier.outbox (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject    text        NOT NULL,
    msg_id     text        NOT NULL,
    headers    jsonb       NOT NULL DEFAULT '{}',
    body       bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE VIEW retrier_pub.taken AS SELECT chunk, taken_at FROM retrier.taken;
CREATE VIEW retrier_pub.letters_taken AS SELECT letter_id, taken_at FROM retrier.letters_taken;
CREATE VIEW retrier_pub.waiting AS
    SELECT failure_id, unit_chunk, unit_row, pipeline, revision, lane, run, key_hash, generation, class, code, attempt, reason, due_at, since,
           letter_id
    FROM retrier.waiting;
CREATE VIEW retrier_pub.chunks AS
    SELECT chunk, seal_no, pipeline, revision, kind, org, object, operation, external_id_field, space, lane, header,
           rows, records, bytes, manifest, first_seq, traceparent, sealed_at, reconciled_at
    FROM retrier.chunks;
CREATE VIEW retrier_pub.chunk_runs AS SELECT chunk, pipeline, run, kind, records FROM retrier.chunk_runs;
CREATE VIEW retrier_pub.pieces AS SELECT chunk, n, rows, data FROM retrier.pieces;
CREATE VIEW retrier_pub.resent AS SELECT chunk, row, record, failure_id, pipeline, key_hash, generation FROM retrier.resent;
CREATE VIEW retrier_pub.dead AS
    SELECT letter_id, failure_id, pipeline, run, key, key_hash, generation, class, code, message, dead_at FROM retrier.dead;
CREATE VIEW retrier_pub.pauses AS SELECT id, pipeline, class, code, message, since FROM retrier.pauses;

GRANT USAGE ON SCHEMA retrier TO bulkhead_retrier;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA retrier TO bulkhead_retrier;
GRANT USAGE ON SCHEMA retrier_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
GRANT SELECT ON ALL TABLES IN SCHEMA retrier_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_reconciler, bulkhead_ops;
