-- The ledger's clock, after the lock was waited for.
SELECT clock_timestamp();
