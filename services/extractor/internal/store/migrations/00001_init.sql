-- +goose Up
-- The extractor's ledger: what was accepted, where it went, and up to where the stream is decided.
-- One narrow row is inserted per record and none is ever updated (architecture, "Cost per record").
CREATE SCHEMA IF NOT EXISTS extractor;
CREATE SCHEMA IF NOT EXISTS extractor_pub;

-- Small numbers for pipelines and columns keep the row per record narrow; both only grow.
CREATE TABLE extractor.pipelines (
    id   smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE extractor.columns (
    pipeline_id smallint NOT NULL,
    ordinal     integer  NOT NULL,
    name        text     NOT NULL,
    PRIMARY KEY (pipeline_id, ordinal),
    UNIQUE (pipeline_id, name)
);

-- One reader per pipeline at a time: the lease says who, the epoch fences who was.
CREATE TABLE extractor.readers (
    pipeline        text        PRIMARY KEY,
    owner           text        NOT NULL DEFAULT '',
    epoch           bigint      NOT NULL DEFAULT 0,
    lease_until     timestamptz NOT NULL DEFAULT '-infinity',
    incarnation     timestamptz,                        -- when the stream was made; NULL = never read
    revision        integer     NOT NULL DEFAULT 0,     -- the definition by which records were routed to lanes so far; 0 = none yet
    stopped_code    text        NOT NULL DEFAULT '',    -- why reading stopped with an alarm; '' = it has not
    stopped_message text        NOT NULL DEFAULT ''
);

-- The checkpoint vector. Lane -1 is the lane `none`, of what has no entity.
CREATE TABLE extractor.checkpoints (
    pipeline text    NOT NULL,
    lane     integer NOT NULL,
    seq      bigint  NOT NULL,
    idx      integer NOT NULL,   -- place inside the frame, 2147483647 = behind its last record; everything of the lane at or below (seq, idx) is decided
    moved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, lane)
);

CREATE TABLE extractor.records (
    pipeline_id  smallint    NOT NULL,
    generation   smallint    NOT NULL,
    idx          integer     NOT NULL,
    row          integer,               -- NULL with chunk: refused, see extractor.dead
    seq          bigint      NOT NULL,
    accepted_at  timestamptz NOT NULL,
    key_hash     uuid        NOT NULL,
    entity_hash  uuid,
    content_hash uuid        NOT NULL,
    chunk        uuid,
    columns      bytea       NOT NULL   -- bitmap over extractor.columns: the columns that the record names
) PARTITION BY RANGE (accepted_at);
CREATE INDEX records_key ON extractor.records (pipeline_id, key_hash);
-- With the place: it serves "which version is newest?" and "is there a newer one?" without reading every version.
CREATE INDEX records_entity ON extractor.records (pipeline_id, entity_hash, seq, idx);
CREATE TABLE extractor.records_default PARTITION OF extractor.records DEFAULT;

CREATE TABLE extractor.chunks (
    chunk             uuid        PRIMARY KEY,
    seal_no           bigint      GENERATED ALWAYS AS IDENTITY UNIQUE,  -- order of sealing; fresh chunks of a lane go in this order
    pipeline          text        NOT NULL,
    revision          integer     NOT NULL,
    kind              text        NOT NULL CHECK (kind IN ('fresh', 'replay')),
    org               text        NOT NULL,
    object            text        NOT NULL,
    operation         text        NOT NULL,
    external_id_field text        NOT NULL,
    space             text        NOT NULL,   -- org/object/key field: the entity space that lanes belong to
    lane              integer     NOT NULL,
    header            text[]      NOT NULL,
    rows              integer     NOT NULL,
    records           integer     NOT NULL,
    bytes             bigint      NOT NULL,   -- of the raw CSV with its header
    manifest          bytea       NOT NULL,   -- zstd of bulkhead.flow.v1.Manifest
    first_seq         bigint      NOT NULL,   -- lowest place in RECORDS of any record in it
    traceparent       text        NOT NULL DEFAULT '',
    sealed_at         timestamptz NOT NULL DEFAULT now(),
    reconciled_at     timestamptz             -- when its rows went
);
CREATE INDEX chunks_open ON extractor.chunks (pipeline, lane, seal_no) WHERE reconciled_at IS NULL;

CREATE TABLE extractor.chunk_runs (
    chunk    uuid    NOT NULL,
    pipeline text    NOT NULL,
    run      text    NOT NULL,
    kind     text    NOT NULL,
    records  integer NOT NULL,
    PRIMARY KEY (chunk, run)
);
CREATE INDEX chunk_runs_pipeline ON extractor.chunk_runs (pipeline, run);

CREATE TABLE extractor.pieces (
    chunk uuid    NOT NULL,
    n     integer NOT NULL,
    rows  integer NOT NULL,
    data  bytea   NOT NULL,      -- zstd of CSV rows, no header
    PRIMARY KEY (chunk, n)
);

-- Records refused before Salesforce. generation 0 rows are accepted records; higher ones are replays that were refused again.
CREATE TABLE extractor.dead (
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
    payload     bytea       NOT NULL,
    seq         bigint      NOT NULL,
    idx         integer     NOT NULL,
    accepted_at timestamptz NOT NULL,
    dead_at     timestamptz NOT NULL
);
CREATE INDEX dead_run ON extractor.dead (pipeline, run);
CREATE INDEX dead_key ON extractor.dead (pipeline, key_hash);

CREATE TABLE extractor.repeats (
    pipeline text   NOT NULL,
    run      text   NOT NULL,
    n        bigint NOT NULL,
    PRIMARY KEY (pipeline, run)
);

-- Replays of letters that must be mapped again (stage extract, or a newer revision).
CREATE TABLE extractor.letters_taken (
    letter_id uuid        PRIMARY KEY,
    taken_at  timestamptz NOT NULL DEFAULT now()
);

-- The streams that letters were published to: a stream that was made again gets every open letter again.
CREATE TABLE extractor.couriers (
    stream      text        PRIMARY KEY,
    incarnation timestamptz NOT NULL
);

CREATE TABLE extractor.outbox (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject    text        NOT NULL,
    msg_id     text        NOT NULL,
    headers    jsonb       NOT NULL DEFAULT '{}',
    body       bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Partitions by month; the owner of the schema makes and drops them, the service only asks.
-- +goose StatementBegin
CREATE FUNCTION extractor.ensure_partition(month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    first_day date := date_trunc('month', month)::date;
    name text := 'records_' || to_char(first_day, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('extractor.ensure_partition'));
    -- A month that has rows in the default partition already stays there: it is dropped row by row instead of at once.
    IF to_regclass('extractor.' || name) IS NULL AND NOT EXISTS (
        SELECT FROM extractor.records_default WHERE accepted_at >= first_day AND accepted_at < first_day + interval '1 month') THEN
        EXECUTE format('CREATE TABLE extractor.%I PARTITION OF extractor.records FOR VALUES FROM (%L) TO (%L)',
            name, first_day, (first_day + interval '1 month')::date);
    END IF;
END $$;
-- +goose StatementEnd

CREATE VIEW extractor_pub.chunks AS
    SELECT chunk, seal_no, pipeline, revision, kind, org, object, operation, external_id_field, space, lane, header,
           rows, records, bytes, manifest, first_seq, traceparent, sealed_at, reconciled_at
    FROM extractor.chunks;
CREATE VIEW extractor_pub.chunk_runs AS SELECT chunk, pipeline, run, kind, records FROM extractor.chunk_runs;
CREATE VIEW extractor_pub.pieces AS SELECT chunk, n, rows, data FROM extractor.pieces;
CREATE VIEW extractor_pub.records AS
    SELECT p.name AS pipeline, r.key_hash, r.entity_hash, r.content_hash, r.generation, r.chunk, r.row, r.seq, r.idx, r.columns, r.accepted_at
    FROM extractor.records r JOIN extractor.pipelines p ON p.id = r.pipeline_id;
CREATE VIEW extractor_pub.columns AS
    SELECT p.name AS pipeline, c.ordinal, c.name FROM extractor.columns c JOIN extractor.pipelines p ON p.id = c.pipeline_id;
CREATE VIEW extractor_pub.dead AS
    SELECT letter_id, pipeline, revision, run, key, key_hash, generation, entity, class, code, message, fields, payload, seq, idx, accepted_at, dead_at
    FROM extractor.dead;
CREATE VIEW extractor_pub.repeats AS SELECT pipeline, run, n FROM extractor.repeats;
CREATE VIEW extractor_pub.letters_taken AS SELECT letter_id, taken_at FROM extractor.letters_taken;
CREATE VIEW extractor_pub.readers AS
    SELECT pipeline, owner, epoch, lease_until, incarnation, stopped_code, stopped_message, revision FROM extractor.readers;
CREATE VIEW extractor_pub.checkpoints AS SELECT pipeline, lane, seq, idx, moved_at FROM extractor.checkpoints;

GRANT USAGE ON SCHEMA extractor TO bulkhead_extractor;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA extractor TO bulkhead_extractor;
REVOKE ALL ON FUNCTION extractor.ensure_partition(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION extractor.ensure_partition(date) TO bulkhead_extractor;
GRANT USAGE ON SCHEMA extractor_pub TO bulkhead_extractor, bulkhead_submitter, bulkhead_poller, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
GRANT SELECT ON ALL TABLES IN SCHEMA extractor_pub TO bulkhead_submitter, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
