-- One change of an org's circuit at a time, over all services; held until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('bulkhead.circuit.' || $1::text, 0));
