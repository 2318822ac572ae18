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
    -- One by one: with ANY and an order, servers before 17 would read all letters of the subscription.
    PERFORM 1 FROM (SELECT x.id FROM unnest(p_ids) AS x (id) ORDER BY x.id) o
    CROSS JOIN LATERAL (
        SELECT 1 FROM ${schema}.dead_letter d WHERE d.subscription_id = p_subscription AND d.id = o.id FOR UPDATE) l;
    DELETE FROM ${schema}.dead_letter d
    USING unnest(p_ids, p_deaths) AS g (id, dead_at)
    CROSS JOIN LATERAL (
        SELECT l.ctid AS place FROM ${schema}.dead_letter l
        WHERE l.subscription_id = p_subscription AND l.id = g.id AND l.dead_at = g.dead_at OFFSET 0) p
    WHERE d.ctid = p.place;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;
