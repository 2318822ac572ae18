-- Deletes dead letters for good. Each is named by its identity and when it died. Returns how many were deleted; the others
-- are no longer there.
CREATE OR REPLACE FUNCTION ${schema}.discard(p_subscription integer, p_ids bigint[], p_deaths timestamptz[])
RETURNS integer
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET lock_timeout = '10s'
AS $$
DECLARE
    v_count  integer;
BEGIN
    PERFORM ${schema}.require_read_committed();
    PERFORM 1 FROM ${schema}.dead_letter d WHERE d.subscription_id = p_subscription AND d.id = ANY (p_ids)
    ORDER BY d.id FOR UPDATE;
    DELETE FROM ${schema}.dead_letter d USING unnest(p_ids, p_deaths) AS g (id, dead_at)
    WHERE d.subscription_id = p_subscription AND d.id = ANY (p_ids) AND d.id = g.id AND d.dead_at = g.dead_at;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

-- Deletes up to p_limit dead letters that are older than the retention, the oldest first, and passes over those that
-- somebody else is working on. Returns how many were deleted, and from where to look for the next ones.
CREATE OR REPLACE FUNCTION ${schema}.expire_dead_letters(p_from timestamptz, p_retention_millis bigint, p_limit integer)
RETURNS TABLE (deleted integer, dead_from timestamptz)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET lock_timeout = '1s'
AS $$
DECLARE
    -- Not in the statement: an index is of no use for what may change while it is read.
    v_before  timestamptz := clock_timestamp() - p_retention_millis * interval '1 ms';
BEGIN
    PERFORM ${schema}.require_read_committed();
    RETURN QUERY
    WITH old AS MATERIALIZED (
        SELECT d.subscription_id, d.id FROM ${schema}.dead_letter d
        WHERE d.dead_at >= p_from AND d.dead_at < v_before
        ORDER BY d.dead_at LIMIT p_limit FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM ${schema}.dead_letter d USING old o WHERE d.subscription_id = o.subscription_id AND d.id = o.id
        RETURNING d.dead_at
    )
    SELECT count(*)::integer, coalesce(max(g.dead_at), p_from) FROM gone g;
END
$$;
