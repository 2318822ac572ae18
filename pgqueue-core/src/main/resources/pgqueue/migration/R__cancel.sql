-- Cancelling is done in up to three steps, because it is to be undone when the caller rolls back, and because a lane must
-- not be locked until the caller commits: (1) delete what waits in scheduled, or was sent by this very transaction;
-- (2) in a transaction of its own, take out of the log what was not claimed yet, and let it wait in retry for a moment;
-- (3) delete what waits in retry, and ask whoever has the message in hand to give it up.

-- Step 1, in the caller's transaction. Returns 'c' (cancelled), 'n' (not found here: go on with the next step), 'q' (the queue
-- does not exist) or 'i' (the transaction's snapshot may be older than what the other steps did).
CREATE OR REPLACE FUNCTION ${schema}.cancel_unsent(p_queue text, p_id bigint)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_queue  integer;
BEGIN
    SELECT q.id INTO v_queue FROM ${schema}.queue q WHERE q.name = p_queue;
    IF NOT FOUND THEN
        RETURN 'q';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RETURN 'i';
    END IF;
    DELETE FROM ${schema}.scheduled s WHERE s.id = p_id AND s.queue_id = v_queue;
    IF FOUND THEN
        RETURN 'c';
    END IF;
    -- Nobody else has seen these rows, so the log may forget them.
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        DELETE FROM ${schema}.message m
        WHERE m.queue_id = v_queue AND m.lane = 0 AND m.xid = pg_current_xact_id() AND m.id = p_id;
        IF FOUND THEN
            RETURN 'c';
        END IF;
    END IF;
    RETURN 'n';
END
$$;

-- Step 2. For each subscription that has not read the message, moves it from the log to retry, due in p_hold_millis: until
-- then nobody claims it, and afterwards it is delivered, unless step 3 was committed. Claims keep off meanwhile, because
-- the lanes are locked. Searches through all that was not read yet. Returns for how many subscriptions it was moved.
CREATE OR REPLACE FUNCTION ${schema}.take_out(p_queue text, p_id bigint, p_hold_millis bigint)
RETURNS integer
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET lock_timeout = '10s'
AS $$
DECLARE
    v_subscription  record;
    v_cursor        record;
    v_from          xid8;
    v_xid           xid8;
    v_count         integer := 0;
BEGIN
    PERFORM ${schema}.require_read_committed();
    -- min() of xid8 is missing in PostgreSQL 14.
    SELECT x.xid INTO v_from
    FROM ${schema}.queue q
    JOIN ${schema}.subscription s ON s.queue_id = q.id
    CROSS JOIN LATERAL (
        SELECT pg_snapshot_xmin(c.base) AS xid FROM ${schema}.cursor c
        WHERE c.subscription_id = s.id AND c.lane = 0
        ORDER BY c.seq DESC LIMIT 1) x
    WHERE q.name = p_queue
    ORDER BY x.xid LIMIT 1;
    SELECT m.xid INTO v_xid
    FROM ${schema}.queue q
    JOIN ${schema}.message m ON m.queue_id = q.id AND m.lane = 0 AND m.xid >= v_from AND m.id = p_id
    WHERE q.name = p_queue
    LIMIT 1;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;

    FOR v_subscription IN
        SELECT s.id, s.queue_id FROM ${schema}.queue q JOIN ${schema}.subscription s ON s.queue_id = q.id
        WHERE q.name = p_queue
        ORDER BY s.id
    LOOP
        PERFORM 1 FROM ${schema}.lane l WHERE l.subscription_id = v_subscription.id AND l.lane = 0 FOR NO KEY UPDATE;
        -- A statement of its own after the lock, as in a claim.
        SELECT c.* INTO STRICT v_cursor FROM ${schema}.cursor c
        WHERE c.subscription_id = v_subscription.id AND c.lane = 0
        ORDER BY c.seq DESC LIMIT 1;
        CONTINUE WHEN pg_visible_in_snapshot(v_xid, v_cursor.base)
            OR (pg_visible_in_snapshot(v_xid, v_cursor.horizon)
                AND (v_xid, p_id) <= (v_cursor.position_xid, v_cursor.position_id))
            OR p_id = ANY (v_cursor.skipped);
        IF cardinality(v_cursor.skipped) >= 1000 THEN
            RAISE EXCEPTION 'pgqueue: 1000 cancelled messages of queue % still stand in the log: cancel more when some were passed',
                p_queue USING ERRCODE = 'PGQ05';
        END IF;
        INSERT INTO ${schema}.retry (subscription_id, id, queue_id, lane, size, attempts, due_at, enqueued_at, expires_at,
            headers, payload)
        SELECT v_subscription.id, m.id, m.queue_id, m.lane, m.size, 0,
            clock_timestamp() + p_hold_millis * interval '1 ms', m.enqueued_at, m.expires_at, m.headers, m.payload
        FROM ${schema}.message m
        WHERE m.queue_id = v_subscription.queue_id AND m.lane = 0 AND m.xid = v_xid AND m.id = p_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'pgqueue: message % is no longer in the log', p_id USING ERRCODE = 'PGQ04';
        END IF;
        INSERT INTO ${schema}.cursor (subscription_id, lane, seq, base, horizon, position_xid, position_id, skipped)
        VALUES (v_subscription.id, 0, v_cursor.seq + 1, v_cursor.base, v_cursor.horizon, v_cursor.position_xid,
            v_cursor.position_id, v_cursor.skipped || p_id);
        v_count := v_count + 1;
    END LOOP;
    RETURN v_count;
END
$$;

-- Step 3, in the caller's transaction. Returns 'h' (at least one worker has the message in hand), 'c' (cancelled: nobody
-- has) or 'n' (there is nothing to cancel).
CREATE OR REPLACE FUNCTION ${schema}.cancel_waiting(p_queue text, p_id bigint)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_cancelled  boolean;
    v_held       record;
BEGIN
    DELETE FROM ${schema}.retry r
    USING ${schema}.queue q, ${schema}.subscription s
    WHERE q.name = p_queue AND s.queue_id = q.id AND r.subscription_id = s.id AND r.id = p_id AND r.worker_id IS NULL;
    v_cancelled := FOUND;
    SELECT array_agg(h.worker_id) AS workers, array_agg(h.subscription_id) AS subscriptions INTO v_held
    FROM (
        SELECT r.worker_id, r.subscription_id
        FROM ${schema}.queue q
        JOIN ${schema}.subscription s ON s.queue_id = q.id
        JOIN ${schema}.retry r ON r.subscription_id = s.id AND r.id = p_id
        WHERE q.name = p_queue
        UNION ALL
        SELECT l.worker_id, l.subscription_id
        FROM ${schema}.queue q
        CROSS JOIN ${schema}.worker w
        JOIN ${schema}.lease l ON l.worker_id = w.id AND l.queue_id = q.id AND p_id = ANY (l.ids)
        WHERE q.name = p_queue) h;
    IF v_held.workers IS NOT NULL THEN
        -- Whoever receives outside a container does not ask.
        INSERT INTO ${schema}.cancel_request (worker_id, subscription_id, id)
        SELECT h.worker_id, h.subscription_id, p_id
        FROM unnest(v_held.workers, v_held.subscriptions) AS h (worker_id, subscription_id)
        JOIN ${schema}.heartbeat b ON b.worker_id = h.worker_id
        ON CONFLICT DO NOTHING;
        RETURN 'h';
    END IF;
    RETURN CASE WHEN v_cancelled THEN 'c' ELSE 'n' END;
END
$$;

-- Takes the requests to cancel what a worker has in hand.
CREATE OR REPLACE FUNCTION ${schema}.take_cancel_requests(p_worker bigint)
RETURNS SETOF bigint
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN QUERY DELETE FROM ${schema}.cancel_request c WHERE c.worker_id = p_worker RETURNING c.id;
END
$$;

-- Drops what a worker was asked to give up and has put back for another delivery.
CREATE OR REPLACE FUNCTION ${schema}.drop_cancelled(p_worker bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_asked  record;
BEGIN
    FOR v_asked IN SELECT c.subscription_id, c.id FROM ${schema}.cancel_request c WHERE c.worker_id = p_worker LOOP
        DELETE FROM ${schema}.retry r
        WHERE r.subscription_id = v_asked.subscription_id AND r.id = v_asked.id AND r.worker_id IS NULL;
        IF FOUND THEN
            DELETE FROM ${schema}.cancel_request c
            WHERE c.worker_id = p_worker AND c.subscription_id = v_asked.subscription_id AND c.id = v_asked.id;
        END IF;
    END LOOP;
END
$$;
