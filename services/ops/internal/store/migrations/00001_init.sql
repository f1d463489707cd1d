-- +goose Up
-- What ops owns: definitions, the index of letters and their later life, actions, pauses and lifts, the audit trail.
CREATE SCHEMA IF NOT EXISTS ops;
CREATE SCHEMA IF NOT EXISTS ops_pub;

CREATE TABLE ops.orgs (
    name       text        PRIMARY KEY,
    yaml       text        NOT NULL,
    applied_by text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- Revisions are immutable; the current one is the highest.
CREATE TABLE ops.definitions (
    name       text        NOT NULL,
    revision   integer     NOT NULL,
    yaml       text        NOT NULL,
    sha256     bytea       NOT NULL,
    applied_by text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, revision)
);

CREATE TABLE ops.actions (
    id              uuid        PRIMARY KEY,
    idempotency_key text        NOT NULL UNIQUE,
    kind            text        NOT NULL CHECK (kind IN ('replay', 'discard')),
    request_digest  bytea       NOT NULL,             -- the same key with another request is refused
    reason          text        NOT NULL,
    by              text        NOT NULL,
    letters         integer     NOT NULL,
    skipped         integer     NOT NULL,
    at              timestamptz NOT NULL DEFAULT now()
);

-- One row per letter: its place in the DLQ stream, and what became of it.
CREATE TABLE ops.letters (
    letter_id   uuid        PRIMARY KEY,
    pipeline    text        NOT NULL,
    revision    integer     NOT NULL,
    run         text        NOT NULL,
    key         text        NOT NULL,
    key_hash    uuid        NOT NULL,
    generation  smallint    NOT NULL,
    entity      text        NOT NULL,
    class       text        NOT NULL,
    code        text        NOT NULL,
    message     text        NOT NULL,
    fields      text[]      NOT NULL,
    stage       text        NOT NULL,                 -- extract, reconcile, retry: who decided
    fingerprint text        NOT NULL,                 -- groups letters of one cause
    dead_at     timestamptz NOT NULL,
    state       text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replaying', 'landed', 'superseded', 'discarded', 'rolled_back', 'died_again')),
    action_id   uuid,
    -- Who sends it again, decided when the replay was ordered and never changed: so that a new revision applied meanwhile cannot make two
    -- services take the same letter.
    taker       text        NOT NULL DEFAULT '' CHECK (taker IN ('', 'extractor', 'retrier')),
    changed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX letters_open ON ops.letters (pipeline, class, code, letter_id) WHERE state = 'open';
CREATE INDEX letters_replaying ON ops.letters (changed_at) WHERE state = 'replaying';
CREATE INDEX letters_run ON ops.letters (pipeline, run, state);
CREATE INDEX letters_key ON ops.letters (pipeline, key_hash);
CREATE INDEX letters_order ON ops.letters (dead_at, letter_id);
CREATE INDEX letters_action ON ops.letters (action_id) WHERE action_id IS NOT NULL;

-- A letter may stand in the stream more than once (a relay that died between publish and delete).
CREATE TABLE ops.letter_messages (
    seq       bigint PRIMARY KEY,
    letter_id uuid   NOT NULL
);
CREATE INDEX letter_messages_letter ON ops.letter_messages (letter_id);

-- One reader at a time: the lease says who; seq and incarnation move by compare-and-set in the transaction of the effect.
CREATE TABLE ops.checkpoints (
    reader      text        PRIMARY KEY,
    incarnation timestamptz NOT NULL,
    seq         bigint      NOT NULL,
    owner       text        NOT NULL DEFAULT '',
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    moved_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ops.pauses (
    id       uuid        PRIMARY KEY,
    pipeline text        NOT NULL,
    class    text        NOT NULL,
    code     text        NOT NULL,
    message  text        NOT NULL,
    since    timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE ops.lifts (
    pause_id uuid        PRIMARY KEY,
    by       text        NOT NULL,
    reason   text        NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
);

-- Append-only: the service's role may insert and read, nothing else.
CREATE TABLE ops.audit (
    id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    by     text        NOT NULL,
    action text        NOT NULL,
    target text        NOT NULL,
    reason text        NOT NULL,
    detail jsonb       NOT NULL DEFAULT '{}'
);

CREATE TABLE ops.outbox (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject    text        NOT NULL,
    msg_id     text        NOT NULL,
    headers    jsonb       NOT NULL DEFAULT '{}',
    body       bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE VIEW ops_pub.orgs AS SELECT name, yaml, applied_at FROM ops.orgs;
CREATE VIEW ops_pub.definitions AS SELECT name, revision, yaml, applied_at FROM ops.definitions;
CREATE VIEW ops_pub.pauses AS SELECT id, pipeline, class, code, message, since FROM ops.pauses;
CREATE VIEW ops_pub.lifts AS SELECT pause_id, at FROM ops.lifts;
-- Letters that a person ordered to be sent again; the retrier or the extractor takes them (letters_taken).
CREATE VIEW ops_pub.replays AS
    SELECT letter_id, pipeline, revision, stage, generation, action_id, changed_at, taker FROM ops.letters WHERE state = 'replaying';
-- What became of each letter that ops knows. One that is missing here is open: it has not arrived yet.
CREATE VIEW ops_pub.letters AS SELECT letter_id, pipeline, key_hash, generation, state, changed_at FROM ops.letters;

GRANT USAGE ON SCHEMA ops TO bulkhead_ops;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ops TO bulkhead_ops;
REVOKE UPDATE, DELETE ON ops.audit, ops.definitions FROM bulkhead_ops;
GRANT USAGE ON SCHEMA ops_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
GRANT SELECT ON ALL TABLES IN SCHEMA ops_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
