-- +goose Up
-- Nobody looks for failures by what they hold, and to sample it costs: arrays are taken apart, large values unpacked, each time the table has grown by a tenth.
ALTER TABLE reconciler.failures
    ALTER COLUMN columns SET STATISTICS 0,
    ALTER COLUMN message SET STATISTICS 0,
    ALTER COLUMN fields SET STATISTICS 0,
    ALTER COLUMN header SET STATISTICS 0,
    ALTER COLUMN cells SET STATISTICS 0,
    ALTER COLUMN payload SET STATISTICS 0,
    ALTER COLUMN attempts SET STATISTICS 0;
