-- Hands back what a living worker holds by the books but not in its hands: the answer to a claim was lost, or a crash of
-- the server undid an acknowledgement. Looks at the leases from p_from to p_to that are not among p_known. The delivery
-- does not count as an attempt, because no handler need have seen the message. Returns how many were handed back.
CREATE OR REPLACE FUNCTION ${schema}.reconcile(p_worker bigint, p_from bigint, p_to bigint, p_known bigint[])
RETURNS integer
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_leases  bigint[];
    v_ids     bigint[];
    v_total   integer;
    v_count   integer;
BEGIN
    PERFORM ${schema}.require_read_committed();
    UPDATE ${schema}.retry r SET worker_id = NULL, n = NULL, due_at = clock_timestamp()
    WHERE r.worker_id = p_worker AND r.n >= p_from AND r.n <= p_to AND r.n <> ALL (p_known);
    GET DIAGNOSTICS v_total = ROW_COUNT;

    SELECT array_agg(l.n), array_agg(x.id) INTO v_leases, v_ids
    FROM ${schema}.lease l CROSS JOIN LATERAL unnest(l.ids) AS x (id)
    WHERE l.worker_id = p_worker AND l.n >= p_from AND l.n <= p_to AND l.n <> ALL (p_known);

    INSERT INTO ${schema}.retry (subscription_id, id, queue_id, lane, size, attempts, due_at, enqueued_at, expires_at,
        headers, payload)
    SELECT t.subscription_id, t.id, t.queue_id, t.lane, t.size, 0, clock_timestamp(), t.enqueued_at, t.expires_at,
        t.headers, t.payload
    FROM ${schema}.take_from_log(p_worker, v_leases, v_ids) t;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    PERFORM ${schema}.drop_cancelled(p_worker);
    RETURN v_total + v_count;
END
$$;
