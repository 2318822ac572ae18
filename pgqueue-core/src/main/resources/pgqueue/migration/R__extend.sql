-- Locks a received message, so that nobody gives it back before this transaction ends. Returns its subscription, or null
-- when it is no longer held or somebody is just settling it: whoever waited for that could be waiting for itself.
CREATE OR REPLACE FUNCTION ${schema}.lock_received(p_worker bigint, p_n bigint, p_id bigint, p_redelivered boolean)
RETURNS integer
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_subscription  integer;
BEGIN
    PERFORM ${schema}.require_read_committed();
    IF p_redelivered THEN
        SELECT r.subscription_id INTO v_subscription FROM ${schema}.retry r
        WHERE r.worker_id = p_worker AND r.n = p_n AND r.id = p_id
        FOR NO KEY UPDATE SKIP LOCKED;
    ELSE
        SELECT l.subscription_id INTO v_subscription FROM ${schema}.lease l
        WHERE l.worker_id = p_worker AND l.n = p_n AND p_id = ANY (l.ids)
        FOR NO KEY UPDATE SKIP LOCKED;
    END IF;
    RETURN v_subscription;
END
$$;

-- Lets a received message be held for another p_millis from now. The lease itself stays as it is: a transaction that began
-- before must still be able to delete it. False when the message is no longer held.
CREATE OR REPLACE FUNCTION ${schema}.extend(p_worker bigint, p_n bigint, p_id bigint, p_redelivered boolean, p_millis bigint)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_subscription  integer := ${schema}.lock_received(p_worker, p_n, p_id, p_redelivered);
    v_now           timestamptz := clock_timestamp();
BEGIN
    IF v_subscription IS NULL THEN
        RETURN false;
    END IF;
    -- An extension that a crash of the server undoes is a redelivery.
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO ${schema}.pulled (subscription_id, look_at, worker_id, n, last_n, id, pulled_at, held_until)
    VALUES (v_subscription, v_now + least(p_millis, 60000) * interval '1 ms', p_worker, p_n, p_n, p_id, v_now,
        v_now + p_millis * interval '1 ms')
    ON CONFLICT DO NOTHING;
    RETURN true;
END
$$;
