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
