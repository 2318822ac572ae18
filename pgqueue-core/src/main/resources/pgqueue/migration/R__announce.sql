-- Tells the other processes that use this schema that queues hold something new. The channel bears the schema's name, the
-- payload is the sender's token, a slash, and the numbers of the queues and further signs, separated by commas. To be called
-- in a transaction of its own: the commit of a notification takes a lock for the whole server.
CREATE OR REPLACE FUNCTION ${schema}.announce(p_process text, p_queues text[], p_signs text[])
RETURNS void
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    -- A lost notification is only a later look.
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_notify(${schema}.channel(), p_process || '/' || array_to_string(
        ARRAY(SELECT q.id::text FROM ${schema}.queue q WHERE q.name = ANY (p_queues)) || p_signs, ','));
END
$$;

-- The name of the channel: that of the schema, unquoted.
CREATE OR REPLACE FUNCTION ${schema}.channel()
RETURNS text
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    RETURN (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = $name$ ${schema}.queue$name$::regclass);
END
$$;
