-- +goose Up
-- What a record costs: each index on random hashes costs several times what the row itself does, so a record stands in as few as it must.

-- true = the record's key was made from its body and says its place in the stream: it is found there, and the index of keys leaves it out. Only such
-- a record's first generation is; NULL = the key is in the index.
ALTER TABLE extractor.records ADD COLUMN placed boolean;

DROP INDEX extractor.records_key;
CREATE INDEX records_key ON extractor.records (key_hash) WHERE placed IS NULL;
-- The hash first: it tells nearly all rows apart by itself, whatever pipeline they are of. Records of one message are few: the sequence orders enough.
DROP INDEX extractor.records_entity;
CREATE INDEX records_entity ON extractor.records (entity_hash, pipeline_id, seq);

-- How often records of a pipeline were stored apart from its reader (replays). A reader that remembers what the ledger holds looks here whether that is all.
CREATE TABLE extractor.asides (
    pipeline text   PRIMARY KEY,
    n        bigint NOT NULL
);

-- Both are compressed when they come.
ALTER TABLE extractor.pieces ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE extractor.chunks ALTER COLUMN manifest SET STORAGE EXTERNAL;

-- The highest sequence of a record in a chunk that may follow another record of its entity: of each one behind it, it was certain that it was the first of its
-- entity when it was stored. Whoever sends a record again need not look for newer ones where it stands behind. NULL = nobody knows. It is kept by those
-- who hold the lease, from the first to the last: one that does not know of it leaves another epoch in readers than stands here.
ALTER TABLE extractor.readers ADD COLUMN follower_seq bigint;
ALTER TABLE extractor.readers ADD COLUMN follower_epoch bigint;

CREATE OR REPLACE VIEW extractor_pub.readers AS
    SELECT pipeline, owner, epoch, lease_until, incarnation, stopped_code, stopped_message, revision,
           CASE WHEN follower_epoch = epoch THEN follower_seq END AS follower_seq
    FROM extractor.readers;

CREATE OR REPLACE VIEW extractor_pub.records AS
    SELECT p.name AS pipeline, r.key_hash, r.entity_hash, r.content_hash, r.generation, r.chunk, r.row, r.seq, r.idx, r.columns, r.accepted_at, r.version,
           r.placed
    FROM extractor.records r JOIN extractor.pipelines p ON p.id = r.pipeline_id;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA extractor TO bulkhead_extractor;
GRANT SELECT ON ALL TABLES IN SCHEMA extractor_pub TO bulkhead_submitter, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
