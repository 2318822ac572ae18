-- Takes up to p_limit leases, with up to 50 messages for each, and p_limit redelivered messages from a dead worker and makes
-- retries of them, due now; a lease of which something is left is looked at again. The delivery counts as an attempt, so
-- that a message that kills its process ends as a dead letter. Rows that somebody is just settling are passed over, to be
-- looked at again. Returns how many messages were taken.
CREATE OR REPLACE FUNCTION ${schema}.recover(p_worker bigint, p_limit integer)
RETURNS integer
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_class    text := 'io.pgqueue.WorkerDied';
    v_message  text;
    v_leases   bigint[];
    v_ids      bigint[];
    v_count    integer;
    v_total    integer;
BEGIN
    PERFORM ${schema}.require_read_committed();
    SELECT format('Worker %s (%s) died while it held this message', w.id, w.instance) INTO v_message
    FROM ${schema}.worker w WHERE w.id = p_worker AND w.dead_at IS NOT NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'pgqueue: worker % is alive or unknown, its messages are not taken', p_worker USING ERRCODE = 'PGQ02';
    END IF;

    WITH held AS MATERIALIZED (
        SELECT r.subscription_id, r.id FROM ${schema}.retry r WHERE r.worker_id = p_worker
        ORDER BY r.n LIMIT p_limit FOR UPDATE SKIP LOCKED
    )
    UPDATE ${schema}.retry r
    SET worker_id = NULL, n = NULL, attempts = r.attempts + 1, due_at = clock_timestamp(), error_class = v_class,
        error_message = v_message
    FROM held h WHERE r.subscription_id = h.subscription_id AND r.id = h.id;
    GET DIAGNOSTICS v_total = ROW_COUNT;

    WITH held AS MATERIALIZED (
        SELECT l.n, l.ids FROM ${schema}.lease l WHERE l.worker_id = p_worker
        ORDER BY l.n LIMIT p_limit FOR UPDATE SKIP LOCKED
    )
    SELECT array_agg(m.n), array_agg(m.id) INTO v_leases, v_ids
    FROM (SELECT h.n, x.id FROM held h CROSS JOIN LATERAL unnest(h.ids) AS x (id) LIMIT p_limit * 50) m;

    INSERT INTO ${schema}.retry (subscription_id, id, queue_id, lane, size, attempts, due_at, enqueued_at, expires_at,
        error_class, error_message, headers, payload)
    SELECT t.subscription_id, t.id, t.queue_id, t.lane, t.size, 1, clock_timestamp(), t.enqueued_at, t.expires_at, v_class, v_message,
        t.headers, t.payload
    FROM ${schema}.take_from_log(p_worker, v_leases, v_ids) t;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    PERFORM ${schema}.drop_cancelled(p_worker);
    RETURN v_total + v_count;
END
$$;
