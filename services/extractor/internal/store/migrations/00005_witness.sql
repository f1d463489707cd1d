-- +goose Up
-- Whether the stream is the one that was read: a stream that was put back to an earlier state and written to since is the same in all but its messages.

-- The last message that was read, and when the broker stored it: another one in its place was never read. 0 = none is known.
ALTER TABLE extractor.readers ADD COLUMN witness_seq bigint NOT NULL DEFAULT 0;
ALTER TABLE extractor.readers ADD COLUMN witness_stored_at timestamptz;

-- Sequences under which the stream holds other messages than the ledger means: those that it means were lost, by a person's word, and those that stand there
-- were stored again behind. Nobody reads any of them.
CREATE TABLE extractor.skipped (
    pipeline    text        NOT NULL,
    from_seq    bigint      NOT NULL,
    through_seq bigint      NOT NULL,
    resumed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, through_seq)
);

CREATE OR REPLACE VIEW extractor_pub.readers AS
    SELECT pipeline, owner, epoch, lease_until, incarnation, stopped_code, stopped_message, revision,
           CASE WHEN follower_epoch = epoch THEN follower_seq END AS follower_seq, witness_seq, witness_stored_at
    FROM extractor.readers;
CREATE VIEW extractor_pub.skipped AS SELECT pipeline, from_seq, through_seq, resumed_at FROM extractor.skipped;

GRANT SELECT, INSERT, UPDATE, DELETE ON extractor.skipped TO bulkhead_extractor;
GRANT SELECT ON ALL TABLES IN SCHEMA extractor_pub TO bulkhead_submitter, bulkhead_reconciler, bulkhead_retrier, bulkhead_ops;
