-- +goose Up
-- The highest place in RECORDS of any record in a chunk: what a job of it may have carried stands between first_seq and this. 0 = it is not known, of a chunk
-- of an earlier release.
ALTER TABLE extractor.chunks ADD COLUMN last_seq bigint NOT NULL DEFAULT 0;

CREATE OR REPLACE VIEW extractor_pub.chunks AS
    SELECT chunk, seal_no, pipeline, revision, kind, org, object, operation, external_id_field, space, lane, header,
           rows, records, bytes, manifest, first_seq, traceparent, sealed_at, reconciled_at, versioned, last_seq
    FROM extractor.chunks;
