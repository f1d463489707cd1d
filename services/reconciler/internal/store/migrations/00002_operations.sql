-- +goose Up
-- Rows whose effect the result files do not tell: look-ups before the outcome is written, and decisions after it.
ALTER TABLE reconciler.work ADD COLUMN lookups integer NOT NULL DEFAULT 0;   -- whole look-ups that did not find every row
ALTER TABLE reconciler.work ADD COLUMN looked_up_at timestamptz;             -- when the last of them was

ALTER TABLE reconciler.failures ADD COLUMN ambiguous boolean NOT NULL DEFAULT false;  -- this or an earlier try may have had an effect that nobody saw
ALTER TABLE reconciler.failures ADD COLUMN version bytea;                             -- of the record; NULL = its definition names none

-- What became of an unresolved record (a failure of disposition unresolved): decided once, by a person or by a look-up, checked against the org.
CREATE TABLE reconciler.resolutions (
    failure_id bigint      PRIMARY KEY,
    letter_id  uuid        NOT NULL UNIQUE,
    chunk      uuid        NOT NULL,
    pipeline   text        NOT NULL,
    run        text        NOT NULL,
    key_hash   uuid        NOT NULL,
    generation smallint    NOT NULL,
    decision   text        NOT NULL CHECK (decision IN ('landed', 'not_landed')),
    sf_id      text        NOT NULL,               -- of landed ones
    reason     text        NOT NULL,
    by         text        NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX resolutions_chunk ON reconciler.resolutions (chunk);
CREATE INDEX resolutions_run ON reconciler.resolutions (pipeline, run);
CREATE INDEX resolutions_key ON reconciler.resolutions (pipeline, key_hash);
-- Letters of unresolved records are published again into a stream made anew, as those of the dead are.
CREATE INDEX failures_unresolved ON reconciler.failures (id) WHERE disposition = 'unresolved';
-- Which rows of an org somebody else made lately, asked by look-ups.
CREATE INDEX outcomes_org ON reconciler.outcomes (org, reconciled_at);

CREATE OR REPLACE VIEW reconciler_pub.work AS
    SELECT chunk, pipeline, org, job_id, job_state, processed, failed, error_message, state, reads, first_read_at, next_read_at, last_error, noted_at,
           reason, errors, pause_id, ended_at, lookups, looked_up_at
    FROM reconciler.work;
CREATE OR REPLACE VIEW reconciler_pub.failures AS
    SELECT id, chunk, row, record, pipeline, revision, lane, run, key, key_hash, generation, entity, entity_hash, seq, idx, columns, accepted_at,
           attempt, outcome, class, code, message, fields, sf_id, disposition, letter_id, header, cells, payload, attempts, decided_at, ambiguous, version
    FROM reconciler.failures;
CREATE VIEW reconciler_pub.resolutions AS
    SELECT failure_id, letter_id, chunk, pipeline, run, key_hash, generation, decision, sf_id, reason, by, decided_at FROM reconciler.resolutions;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA reconciler TO bulkhead_reconciler;
GRANT SELECT ON ALL TABLES IN SCHEMA reconciler_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
