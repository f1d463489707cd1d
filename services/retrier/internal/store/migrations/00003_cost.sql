-- +goose Up
-- What a record that is sent again costs: each index costs as much as the row itself, and those over random hashes more. What waits is asked for by lane,
-- and by its failure; a key leads to its failures, and they to what waits.
DROP INDEX retrier.waiting_due;
DROP INDEX retrier.waiting_unit;
DROP INDEX retrier.waiting_pipeline;
DROP INDEX retrier.waiting_key;

-- A key's hash holds its pipeline's name. Nobody asks for the records of a resend by its chunk: the manifest has them.
DROP INDEX retrier.resent_key;
ALTER TABLE retrier.resent DROP CONSTRAINT resent_pkey;
ALTER TABLE retrier.resent ADD PRIMARY KEY (key_hash, chunk, row, record);

-- Both are compressed when they come.
ALTER TABLE retrier.pieces ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE retrier.chunks ALTER COLUMN manifest SET STORAGE EXTERNAL;
