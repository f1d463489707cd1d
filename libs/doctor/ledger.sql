-- What PostgreSQL says of itself; any role may ask.
SELECT current_setting('server_version_num')::int,
       pg_is_in_recovery(),
       current_setting('fsync'),
       current_setting('full_page_writes'),
       -- What a session has that says nothing: ours say something, see package pg.
       (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'),
       COALESCE(current_setting('bulkhead.durability', true), ''),
       COALESCE((SELECT string_agg(n.nspname || '.' || t.relname, ', ' ORDER BY n.nspname, t.relname)
                 FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
                 WHERE t.relpersistence = 'u' AND t.relkind = 'r'
                   AND n.nspname IN ('extractor', 'submitter', 'poller', 'reconciler', 'retrier', 'ops')), ''),
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
       (SELECT COALESCE(sum(numbackends), 0)::int FROM pg_stat_database),
       clock_timestamp()
