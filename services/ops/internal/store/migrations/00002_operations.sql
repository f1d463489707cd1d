-- +goose Up
-- What an org said when a definition was applied, decisions on unresolved records, and orders to read a part of a stream again.
ALTER TABLE ops.definitions ADD COLUMN case_sensitive boolean NOT NULL DEFAULT false;  -- the key field compares exactly, as describe said at the apply

ALTER TABLE ops.actions DROP CONSTRAINT actions_kind_check;
ALTER TABLE ops.actions ADD CONSTRAINT actions_kind_check CHECK (kind IN ('replay', 'discard', 'resolve', 'reread'));

-- What a person said of an unresolved letter, after the org was asked. The reconciler takes it.
CREATE TABLE ops.decisions (
    letter_id  uuid        PRIMARY KEY,
    action_id  uuid        NOT NULL,
    decision   text        NOT NULL CHECK (decision IN ('landed', 'not_landed')),
    sf_id      text        NOT NULL,
    reason     text        NOT NULL,
    by         text        NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ops.rereads (
    id         uuid        PRIMARY KEY,            -- of its action
    pipeline   text        NOT NULL,
    from_seq   bigint      NOT NULL,
    to_seq     bigint      NOT NULL,
    ordered_at timestamptz NOT NULL DEFAULT now()
);

CREATE OR REPLACE VIEW ops_pub.definitions AS SELECT name, revision, yaml, applied_at, case_sensitive FROM ops.definitions;
CREATE VIEW ops_pub.decisions AS SELECT letter_id, decision, sf_id, reason, by, decided_at FROM ops.decisions;
CREATE VIEW ops_pub.rereads AS SELECT id, pipeline, from_seq, to_seq, ordered_at FROM ops.rereads;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ops TO bulkhead_ops;
REVOKE UPDATE, DELETE ON ops.audit, ops.definitions, ops.decisions FROM bulkhead_ops;
GRANT SELECT ON ALL TABLES IN SCHEMA ops_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
