-- Puts messages of a worker back for another delivery after a delay; a charge of 1 makes the last delivery count as an
-- attempt. Returns what the worker no longer held.
CREATE OR REPLACE FUNCTION ${schema}.retry(p_worker bigint, p_leases bigint[], p_ids bigint[], p_delays_millis bigint[],
    p_charges integer[], p_error_classes text[], p_error_messages text[])
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
        SELECT g.n, g.id, clock_timestamp() + greatest(g.delay, 0) * interval '1 ms' AS due_at, g.charge, g.error_class,
            g.error_message
        FROM unnest(p_leases, p_ids, p_delays_millis, p_charges, p_error_classes, p_error_messages)
            AS g (n, id, delay, charge, error_class, error_message)
    ), again AS (
        UPDATE ${schema}.retry r
        SET worker_id = NULL, n = NULL, attempts = r.attempts + g.charge, due_at = g.due_at,
            error_class = coalesce(g.error_class, r.error_class),
            error_message = CASE WHEN g.error_class IS NULL THEN r.error_message ELSE g.error_message END
        FROM given g
        WHERE r.worker_id = p_worker AND r.n = g.n AND r.id = g.id
        RETURNING g.n, g.id
    ), taken AS MATERIALIZED (
        SELECT * FROM ${schema}.take_from_log(p_worker, p_leases, p_ids)
    ), moved AS (
        INSERT INTO ${schema}.retry (subscription_id, id, queue_id, lane, size, attempts, due_at, enqueued_at, expires_at,
            error_class, error_message, headers, payload)
        SELECT t.subscription_id, t.id, t.queue_id, t.lane, t.size, g.charge, g.due_at, t.enqueued_at, t.expires_at,
            g.error_class, g.error_message, t.headers, t.payload
        FROM taken t JOIN given g ON g.n = t.n AND g.id = t.id
    )
    SELECT g.n, g.id FROM given g
    EXCEPT SELECT a.n, a.id FROM again a
    EXCEPT SELECT t.n, t.id FROM taken t;
END
$$;
