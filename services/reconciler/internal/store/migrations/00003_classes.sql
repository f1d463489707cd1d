-- +goose Up
-- How often a row with this error is tried at most, where its rule says less than its class; it is dead as unclassified then. 0 = as its class says.
ALTER TABLE reconciler.failures ADD COLUMN tries smallint NOT NULL DEFAULT 0;

-- The one error that had such a bound before, for rows that are sent again. A row that the release before still writes meanwhile gets its bound with its
-- next refusal.
UPDATE reconciler.failures SET tries = 3 WHERE disposition = 'retry' AND class = 'transient' AND code = 'UNKNOWN_EXCEPTION';

CREATE OR REPLACE VIEW reconciler_pub.failures AS
    SELECT id, chunk, row, record, pipeline, revision, lane, run, key, key_hash, generation, entity, entity_hash, seq, idx, columns, accepted_at,
           attempt, outcome, class, code, message, fields, sf_id, disposition, letter_id, header, cells, payload, attempts, decided_at, ambiguous, version, tries
    FROM reconciler.failures;
