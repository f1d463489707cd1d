-- +goose Up
-- Every operation: versions that records carry, generations that upstream opens, what is superseded before it is sent, and parts of a stream
-- that are read again. Columns are nullable where the service of the revision before does not fill them; views give them their old meaning.
ALTER TABLE extractor.records ADD COLUMN version bytea;          -- order-preserving encoding of the definition's member `version`; NULL = it names none

-- Which version of an entity is newest? Rows without a version are not in it: pipelines that name none pay nothing.
CREATE INDEX records_version ON extractor.records (pipeline_id, entity_hash, version, seq, idx) WHERE version IS NOT NULL;
-- What stands at these places? Asked when a part of a stream is read again, and never on the way of a record, so it may be coarse: rows of neighbours in
-- a stream lie near to each other.
CREATE INDEX records_place ON extractor.records USING brin (pipeline_id int2_minmax_multi_ops, seq int8_minmax_multi_ops) WITH (autosummarize = on);
CREATE INDEX dead_place ON extractor.dead (seq, pipeline);

-- Whether records of the chunk carry versions: what is newest may then be in the org before it.
ALTER TABLE extractor.chunks ADD COLUMN versioned boolean NOT NULL DEFAULT false;
-- How many of the records are accepted by this chunk: all of a fresh one, none of a replay, some of a part that was read again.
ALTER TABLE extractor.chunk_runs ADD COLUMN accepted integer;
-- Whether the record was accepted when it was refused: not so for a replay that is refused again.
ALTER TABLE extractor.dead ADD COLUMN accepted boolean;

-- Records that came later than newer versions which say all that they say: never sent, each names its successor.
CREATE TABLE extractor.superseded (
    pipeline           text        NOT NULL,
    revision           integer     NOT NULL,
    run                text        NOT NULL,
    key                text        NOT NULL,
    key_hash           uuid        NOT NULL,
    generation         smallint    NOT NULL,
    entity             text        NOT NULL,
    seq                bigint      NOT NULL,
    idx                integer     NOT NULL,
    version            bytea,
    successor_key_hash uuid        NOT NULL,
    successor_seq      bigint      NOT NULL,
    successor_idx      integer     NOT NULL,
    accepted_at        timestamptz NOT NULL,
    decided_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, key_hash, generation)
);
CREATE INDEX superseded_run ON extractor.superseded (pipeline, run);
CREATE INDEX superseded_place ON extractor.superseded (seq, pipeline);

-- Orders of ops to read a part of a stream again: how far, and what was found. Reads go on where they stopped.
CREATE TABLE extractor.rereads (
    id         uuid        PRIMARY KEY,
    pipeline   text        NOT NULL,
    read_seq   bigint      NOT NULL,               -- the last message that is decided again
    known      bigint      NOT NULL DEFAULT 0,     -- records that the ledger held already
    accepted   bigint      NOT NULL DEFAULT 0,     -- records that it did not
    gone       bigint      NOT NULL DEFAULT 0,     -- messages that are not in the stream any more
    error      text        NOT NULL DEFAULT '',    -- why it does not go on
    done_at    timestamptz,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE OR REPLACE VIEW extractor_pub.chunks AS
    SELECT chunk, seal_no, pipeline, revision, kind, org, object, operation, external_id_field, space, lane, header,
           rows, records, bytes, manifest, first_seq, traceparent, sealed_at, reconciled_at, versioned
    FROM extractor.chunks;
CREATE OR REPLACE VIEW extractor_pub.chunk_runs AS
    SELECT chunk, pipeline, run, kind, records, coalesce(accepted, CASE kind WHEN 'fresh' THEN records ELSE 0 END) AS accepted
    FROM extractor.chunk_runs;
CREATE OR REPLACE VIEW extractor_pub.records AS
    SELECT p.name AS pipeline, r.key_hash, r.entity_hash, r.content_hash, r.generation, r.chunk, r.row, r.seq, r.idx, r.columns, r.accepted_at, r.version
    FROM extractor.records r JOIN extractor.pipelines p ON p.id = r.pipeline_id;
CREATE OR REPLACE VIEW extractor_pub.dead AS
    SELECT letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, payload, seq, idx, accepted_at, dead_at,
           coalesce(accepted, generation = 0) AS accepted
    FROM extractor.dead;
CREATE VIEW extractor_pub.superseded AS
    SELECT pipeline, revision, run, key, key_hash, generation, entity, seq, idx, version, successor_key_hash, successor_seq, successor_idx,
           accepted_at, decided_at
    FROM extractor.superseded;
CREATE VIEW extractor_pub.rereads AS
    SELECT id, pipeline, read_seq, known, accepted, error, done_at, changed_at, gone FROM extractor.rereads;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA extractor TO bulkhead_extractor;
GRANT SELECT ON ALL TABLES IN SCHEMA extractor_pub TO bulkhead_submitter, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
