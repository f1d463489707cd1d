-- +goose Up
-- Pauses that state that an org gets no further jobs for now, since results that it keeps for a few days only are not read: one for each pipeline, until
-- they are. '' = a pause of one pipeline for a cause of its own.
ALTER TABLE reconciler.pauses ADD COLUMN org text NOT NULL DEFAULT '';

CREATE OR REPLACE VIEW reconciler_pub.pauses AS SELECT id, pipeline, class, code, message, since, org FROM reconciler.pauses;
