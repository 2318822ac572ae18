-- Makes dead letters of messages of a worker. The last delivery counts as an attempt where the charge is 1. Returns what
-- the worker no longer held.
CREATE OR REPLACE FUNCTION ${schema}.bury(p_worker bigint, p_leases bigint[], p_ids bigint[], p_charges integer[],
    p_reasons text[], p_error_classes text[], p_error_messages text[], p_error_stacks text[])
RETURNS TABLE (lost_lease bigint, lost_id bigint)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    PERFORM ${schema}.require_read_committed();
    RETURN QUERY
    WITH given AS MATERIALIZED (
        SELECT g.n, g.id, g.charge, g.reason, g.error_class, g.error_message, g.error_stack
        FROM unnest(p_leases, p_ids, p_charges, p_reasons, p_error_classes, p_error_messages, p_error_stacks)
            AS g (n, id, charge, reason, error_class, error_message, error_stack)
    ), again AS (
        -- One probe for each, whatever the planner believes: as a join it may compare each with all that are held.
        DELETE FROM ${schema}.retry r
        WHERE r.worker_id = p_worker AND r.ctid = ANY (ARRAY(
            SELECT h.ctid FROM given g
            CROSS JOIN LATERAL (
                SELECT o.ctid FROM ${schema}.retry o
                WHERE o.worker_id = p_worker AND o.n = g.n AND o.id = g.id LIMIT 1) h))
        RETURNING r.subscription_id, r.id, r.queue_id, r.lane, r.size, r.attempts, r.redrives, r.enqueued_at, r.headers,
            r.payload, r.n, r.error_class, r.error_message
    ), taken AS MATERIALIZED (
        SELECT * FROM ${schema}.take_from_log(p_worker, p_leases, p_ids)
    ), buried AS (
        INSERT INTO ${schema}.dead_letter (subscription_id, id, queue_id, lane, size, attempts, redrives, enqueued_at, reason,
            error_class, error_message, error_stack, worker, headers, payload)
        SELECT o.subscription_id, o.id, o.queue_id, o.lane, o.size, o.attempts + g.charge, o.redrives, o.enqueued_at, g.reason,
            -- Class and message belong together: those of the last failure, unless there is a newer one.
            coalesce(g.error_class, o.error_class),
            CASE WHEN g.error_class IS NULL THEN o.error_message ELSE g.error_message END,
            g.error_stack, (SELECT w.instance FROM ${schema}.worker w WHERE w.id = p_worker), o.headers, o.payload
        FROM (
            SELECT a.n, a.id, a.subscription_id, a.queue_id, a.lane, a.size, a.attempts, a.redrives, a.enqueued_at,
                a.error_class, a.error_message, a.headers, a.payload
            FROM again a
            UNION ALL
            SELECT t.n, t.id, t.subscription_id, t.queue_id, t.lane, t.size, 0, 0, t.enqueued_at, NULL, NULL, t.headers,
                t.payload
            FROM taken t) o
        JOIN given g ON g.n = o.n AND g.id = o.id
    )
    SELECT g.n, g.id FROM given g
    EXCEPT SELECT a.n, a.id FROM again a
    EXCEPT SELECT t.n, t.id FROM taken t;
END
$$;
