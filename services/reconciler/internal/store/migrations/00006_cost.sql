-- +goose Up
-- What a record that did not land costs: each index costs as much as the row itself, and those over random hashes more.
-- A key's hash holds its pipeline's name. Attempts are counted by class over all rows anyway.
DROP INDEX reconciler.failures_key;
CREATE INDEX failures_key ON reconciler.failures (key_hash);
DROP INDEX reconciler.failures_class;

-- How many records were merged in the row, each a failure of its own: whoever sends some of them again must know. NULL = they are to be counted.
ALTER TABLE reconciler.failures ADD COLUMN row_records integer;

-- Failures never change: to go through them only because they are new is of use to nobody.
ALTER TABLE reconciler.failures SET (autovacuum_vacuum_insert_threshold = -1);

CREATE OR REPLACE VIEW reconciler_pub.failures AS
    SELECT f.id, f.chunk, f.row, f.record, f.pipeline, f.revision, f.lane, f.run, f.key, f.key_hash, f.generation, f.entity, f.entity_hash, f.seq, f.idx, f.columns, f.accepted_at,
           f.attempt, f.outcome, f.class, f.code, f.message, f.fields, f.sf_id, f.disposition, f.letter_id, f.header, f.cells, f.payload, f.attempts, f.decided_at, f.ambiguous, f.version, f.tries,
           coalesce(f.row_records, (SELECT count(*) FROM reconciler.failures s WHERE s.chunk = f.chunk AND s.row = f.row))::integer AS row_records
    FROM reconciler.failures f;
