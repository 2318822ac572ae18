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
DECLARE
    v_given  record;
    v_again  bigint[] := '{}';
BEGIN
    PERFORM ${schema}.require_read_committed();
    -- One by one: as a join each may be compared with all that the worker holds, whatever the planner believes.
    FOR v_given IN
        SELECT g.place, h.place AS held, g.charge, g.error_class, g.error_message, g.delay
        FROM unnest(p_leases, p_ids, p_delays_millis, p_charges, p_error_classes, p_error_messages)
            WITH ORDINALITY AS g (n, id, delay, charge, error_class, error_message, place)
        CROSS JOIN LATERAL (
            SELECT o.ctid AS place FROM ${schema}.retry o
            WHERE o.worker_id = p_worker AND o.n = g.n AND o.id = g.id LIMIT 1) h
    LOOP
        UPDATE ${schema}.retry r
        SET worker_id = NULL, n = NULL, attempts = r.attempts + v_given.charge,
            due_at = clock_timestamp() + greatest(v_given.delay, 0) * interval '1 ms',
            error_class = coalesce(v_given.error_class, r.error_class),
            error_message = CASE WHEN v_given.error_class IS NULL THEN r.error_message ELSE v_given.error_message END
        WHERE r.ctid = v_given.held AND r.worker_id = p_worker;
        IF FOUND THEN
            v_again := v_again || v_given.place;
        END IF;
    END LOOP;

    RETURN QUERY
    WITH given AS MATERIALIZED (
        SELECT g.n, g.id, clock_timestamp() + greatest(g.delay, 0) * interval '1 ms' AS due_at, g.charge, g.error_class,
            g.error_message, g.place
        FROM unnest(p_leases, p_ids, p_delays_millis, p_charges, p_error_classes, p_error_messages)
            WITH ORDINALITY AS g (n, id, delay, charge, error_class, error_message, place)
        WHERE g.place <> ALL (v_again)
    ), taken AS MATERIALIZED (
        SELECT * FROM ${schema}.take_from_log(p_worker,
            ARRAY(SELECT g.n FROM given g ORDER BY g.place), ARRAY(SELECT g.id FROM given g ORDER BY g.place))
    ), moved AS (
        INSERT INTO ${schema}.retry (subscription_id, id, queue_id, lane, size, attempts, due_at, enqueued_at, expires_at,
            error_class, error_message, headers, payload)
        SELECT t.subscription_id, t.id, t.queue_id, t.lane, t.size, g.charge, g.due_at, t.enqueued_at, t.expires_at,
            g.error_class, g.error_message, t.headers, t.payload
        FROM taken t JOIN given g ON g.n = t.n AND g.id = t.id
    )
    SELECT g.n, g.id FROM given g
    EXCEPT SELECT t.n, t.id FROM taken t;
    PERFORM ${schema}.drop_cancelled(p_worker);
END
$$;
