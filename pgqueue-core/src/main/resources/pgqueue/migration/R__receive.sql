-- Registers somebody who receives messages outside a container. It gives no signs of life: what it holds is given back
-- when its time is over, whatever became of it.
CREATE OR REPLACE FUNCTION ${schema}.register_receiver(p_instance text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    v_id  bigint;
BEGIN
    INSERT INTO ${schema}.worker (instance) VALUES (p_instance) RETURNING id INTO v_id;
    RETURN v_id;
END
$$;

-- Claims messages of a queue as claim does, each for p_millis at most. Messages of the log get the lease numbers from p_n + 1
-- to p_n + p_limit, those that come back from retry have p_n.
--
-- Returns the rows of claim, with look_from for the next call and overdue, whether somebody else's messages are to be given
-- back (return_overdue); no row when the queue does not exist. Writes nothing when there is nothing to be claimed.
CREATE OR REPLACE FUNCTION ${schema}.receive(p_worker bigint, p_n bigint, p_queue text, p_limit integer, p_bytes bigint,
    p_millis bigint, p_due_from timestamptz, p_look_from timestamptz)
RETURNS TABLE (state text, lease bigint, id bigint, attempt integer, enqueued_at timestamptz, headers json, payload json,
    due_from timestamptz, look_from timestamptz, overdue boolean)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_now    timestamptz := clock_timestamp();
    v_from   record;
    v_look   timestamptz;
    v_rows   integer;
BEGIN
    SELECT s.queue_id, s.id INTO v_from
    FROM ${schema}.queue q JOIN ${schema}.subscription s ON s.queue_id = q.id AND s.name = 'default'
    WHERE q.name = p_queue;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT p.look_at INTO v_look FROM ${schema}.pulled p
    WHERE p.subscription_id = v_from.id AND p.look_at >= p_look_from
    ORDER BY p.look_at LIMIT 1;

    RETURN QUERY
    SELECT c.state, c.lease, c.id, c.attempt, c.enqueued_at, c.headers, c.payload, c.due_from,
        greatest(p_look_from, least(v_look, v_now) - interval '2 s'), coalesce(v_look <= v_now, false)
    FROM ${schema}.claim(p_worker => p_worker, p_n => p_n, p_queue => v_from.queue_id, p_subscription => v_from.id,
        p_limit => p_limit, p_bytes => p_bytes, p_due_from => p_due_from, p_single => true) c;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    -- The last row sums up.
    IF v_rows > 1 THEN
        v_now := clock_timestamp();
        INSERT INTO ${schema}.pulled (subscription_id, look_at, worker_id, n, last_n, id, pulled_at, held_until)
        VALUES (v_from.id, v_now + least(p_millis, 60000) * interval '1 ms', p_worker, p_n, p_n + p_limit, 0, v_now,
            v_now + p_millis * interval '1 ms');
    END IF;
END
$$;
