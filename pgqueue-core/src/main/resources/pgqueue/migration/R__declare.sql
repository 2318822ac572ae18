-- The current snapshot with the caller's own transaction, and all that began between the last one that ended and it, named
-- as running. It means the same as pg_current_snapshot(), but for two things: that one leaves the caller's own id out, so
-- that messages sent by the same transaction would count as read; and it does not name the youngest running ones, so that
-- looks beyond it would walk over their rows.
CREATE OR REPLACE FUNCTION ${schema}.full_snapshot()
RETURNS pg_snapshot
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    v_self      bigint := pg_current_xact_id()::text::bigint;
    v_snapshot  pg_snapshot := pg_current_snapshot();
    v_xmin      bigint := pg_snapshot_xmin(v_snapshot)::text::bigint;
    v_xmax      bigint := pg_snapshot_xmax(v_snapshot)::text::bigint;
BEGIN
    IF v_self - v_xmax > 500 THEN
        RETURN v_snapshot;
    END IF;
    RETURN (
        SELECT format('%s:%s:%s', least(v_xmin, v_self), greatest(v_xmax, v_self + 1), string_agg(x::text, ',' ORDER BY x))
        FROM (
            SELECT pg_snapshot_xip(v_snapshot)::text::bigint AS x
            UNION SELECT generate_series(v_xmax, v_self)
            UNION SELECT v_self) running)::pg_snapshot;
END
$$;

-- Creates a subscription, its lane and its cursor unless they exist. With p_from_start it sees everything ever sent,
-- otherwise everything sent from now on, by this transaction too. The ring is locked before the snapshot is taken, so
-- that the rotation cannot reclaim in between what this subscription still needs.
CREATE OR REPLACE FUNCTION ${schema}.subscribe(p_queue_id integer, p_subscription text, p_from_start boolean)
RETURNS integer
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    v_id  integer;
BEGIN
    SELECT id INTO v_id FROM ${schema}.subscription WHERE queue_id = p_queue_id AND name = p_subscription;
    IF FOUND THEN
        RETURN v_id;
    END IF;
    PERFORM 1 FROM ${schema}.ring WHERE id = 0 FOR SHARE;
    INSERT INTO ${schema}.subscription (queue_id, name) VALUES (p_queue_id, p_subscription)
    ON CONFLICT (queue_id, name) DO NOTHING
    RETURNING id INTO v_id;
    IF NOT FOUND THEN
        SELECT id INTO STRICT v_id FROM ${schema}.subscription WHERE queue_id = p_queue_id AND name = p_subscription;
        RETURN v_id;
    END IF;
    INSERT INTO ${schema}.lane (subscription_id, lane) VALUES (v_id, 0);
    INSERT INTO ${schema}.cursor (subscription_id, lane, seq, base)
    VALUES (v_id, 0, 0, CASE WHEN p_from_start THEN '1:1:'::pg_snapshot ELSE ${schema}.full_snapshot() END);
    RETURN v_id;
END
$$;

-- Creates a queue with its default subscription unless it exists.
CREATE OR REPLACE FUNCTION ${schema}.declare_queue(p_queue text)
RETURNS TABLE (queue_id integer, subscription_id integer, created boolean)
LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
BEGIN
    SELECT id, false INTO queue_id, created FROM ${schema}.queue WHERE name = p_queue;
    IF NOT FOUND THEN
        INSERT INTO ${schema}.queue (name) VALUES (p_queue) ON CONFLICT (name) DO NOTHING
        RETURNING id, true INTO queue_id, created;
        IF NOT FOUND THEN
            SELECT id, false INTO STRICT queue_id, created FROM ${schema}.queue WHERE name = p_queue;
        END IF;
    END IF;
    subscription_id := ${schema}.subscribe(queue_id, 'default', true);
    RETURN NEXT;
END
$$;

-- The names of all queues.
CREATE OR REPLACE FUNCTION ${schema}.queue_names()
RETURNS SETOF text
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    RETURN QUERY SELECT q.name FROM ${schema}.queue q ORDER BY q.name;
END
$$;

-- The subscriptions of a queue, or of all queues, and the time.
CREATE OR REPLACE FUNCTION ${schema}.subscriptions(p_queue text)
RETURNS TABLE (id integer, queue text, subscription text, as_of timestamptz)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    RETURN QUERY
    SELECT s.id, q.name, s.name, clock_timestamp()
    FROM ${schema}.queue q JOIN ${schema}.subscription s ON s.queue_id = q.id
    WHERE p_queue IS NULL OR q.name = p_queue
    ORDER BY q.name, s.name;
END
$$;
