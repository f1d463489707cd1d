-- +goose Up
-- The highest place in RECORDS of any of a chunk's records, as extractor.chunks has it. 0 = it is not known, of a chunk of an earlier release.
ALTER TABLE retrier.chunks ADD COLUMN last_seq bigint NOT NULL DEFAULT 0;

CREATE OR REPLACE VIEW retrier_pub.chunks AS
    SELECT chunk, seal_no, pipeline, revision, kind, org, object, operation, external_id_field, space, lane, header,
           rows, records, bytes, manifest, first_seq, traceparent, sealed_at, reconciled_at, last_seq
    FROM retrier.chunks;
