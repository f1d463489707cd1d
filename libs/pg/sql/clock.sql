-- The ledger's clock.
SELECT now();
