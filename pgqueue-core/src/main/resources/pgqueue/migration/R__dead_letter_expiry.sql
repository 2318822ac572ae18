-- Deletes up to p_limit dead letters that are older than the retention, subscription by subscription, and passes over those
-- that somebody else is working on. Begins at (p_subscription, p_from), which keeps it away from what the call before has
-- deleted. Returns how many were deleted, and where to go on if that is p_limit.
CREATE OR REPLACE FUNCTION ${schema}.expire_dead_letters(p_subscription integer, p_from timestamptz,
    p_retention_millis bigint, p_limit integer)
RETURNS TABLE (deleted integer, subscription integer, dead_from timestamptz)
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
    v_from    timestamptz := p_from;
    v_gone    integer;
BEGIN
    PERFORM ${schema}.require_read_committed();
    deleted := 0;
    FOR subscription IN SELECT s.id FROM ${schema}.subscription s WHERE s.id >= p_subscription ORDER BY s.id LOOP
        WITH old AS MATERIALIZED (
            SELECT d.id FROM ${schema}.dead_letter d
            WHERE d.subscription_id = subscription AND d.dead_at >= v_from AND d.dead_at < v_before
            ORDER BY d.dead_at, d.id LIMIT p_limit - deleted FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM ${schema}.dead_letter d USING old o WHERE d.subscription_id = subscription AND d.id = o.id
            RETURNING d.dead_at
        )
        SELECT count(*), max(g.dead_at) INTO v_gone, dead_from FROM gone g;
        deleted := deleted + v_gone;
        EXIT WHEN deleted >= p_limit;
        v_from := '-infinity';
    END LOOP;
    RETURN NEXT;
END
$$;
