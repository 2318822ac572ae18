-- Takes single messages out of leases of a worker; a lease that becomes empty is deleted. Returns where each message that
-- was held lies in the log. Leases are locked in the order of their numbers here and everywhere else.
CREATE OR REPLACE FUNCTION ${schema}.take_from_leases(p_worker bigint, p_leases bigint[], p_ids bigint[])
RETURNS TABLE (n bigint, id bigint, xid xid8, subscription_id integer, queue_id integer, lane smallint)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
-- Hash joins only: all others compare each message that is looked for with each one of its lease.
SET enable_nestloop = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
BEGIN
    -- Leases are looked up one by one, behind an OFFSET that keeps the planner from joining: a hash join, and before version 17
    -- ANY with an order, would read all leases of the worker.
    PERFORM 1 FROM (SELECT DISTINCT x.n FROM unnest(p_leases) AS x (n) ORDER BY x.n) o
    CROSS JOIN LATERAL (SELECT 1 FROM ${schema}.lease l WHERE l.worker_id = p_worker AND l.n = o.n FOR UPDATE) k;
    RETURN QUERY
    SELECT l.n, x.id, x.xid, l.subscription_id, l.queue_id, l.lane
    FROM (SELECT DISTINCT u.n FROM unnest(p_leases) AS u (n)) o
    CROSS JOIN LATERAL (SELECT * FROM ${schema}.lease k WHERE k.worker_id = p_worker AND k.n = o.n OFFSET 0) l
    CROSS JOIN LATERAL unnest(l.xids, l.ids) AS x (xid, id)
    WHERE EXISTS (SELECT 1 FROM unnest(p_leases, p_ids) AS g (n, id) WHERE g.n = l.n AND g.id = x.id);
    -- They are locked, so that they stay where they are.
    WITH held AS MATERIALIZED (
        SELECT l.place, l.n, l.xids, l.ids
        FROM (SELECT DISTINCT u.n FROM unnest(p_leases) AS u (n)) o
        CROSS JOIN LATERAL (
            SELECT k.ctid AS place, k.n, k.xids, k.ids FROM ${schema}.lease k
            WHERE k.worker_id = p_worker AND k.n = o.n OFFSET 0) l
    ), rest AS MATERIALIZED (
        SELECT h.place, array_agg(x.xid) AS xids, array_agg(x.id) AS ids
        FROM held h
        CROSS JOIN LATERAL unnest(h.xids, h.ids) AS x (xid, id)
        WHERE NOT EXISTS (SELECT 1 FROM unnest(p_leases, p_ids) AS g (n, id) WHERE g.n = h.n AND g.id = x.id)
        GROUP BY h.place
    ), shrunk AS (
        UPDATE ${schema}.lease l SET (xids, ids) = (SELECT r.xids, r.ids FROM rest r WHERE r.place = l.ctid)
        WHERE l.ctid = ANY (ARRAY(SELECT r.place FROM rest r))
    )
    DELETE FROM ${schema}.lease l
    WHERE l.ctid = ANY (ARRAY(SELECT h.place FROM held h WHERE NOT EXISTS (SELECT 1 FROM rest r WHERE r.place = h.place)));
END
$$;

-- Takes single messages out of leases of a worker and returns them as they stand in the log, for whoever gives them a new
-- place. Raises unless every one was found: a lease is never given up without proof of where its messages are. This check
-- is the net under every unknown mistake of that kind.
CREATE OR REPLACE FUNCTION ${schema}.take_from_log(p_worker bigint, p_leases bigint[], p_ids bigint[])
RETURNS TABLE (n bigint, id bigint, subscription_id integer, queue_id integer, lane smallint, size integer,
    enqueued_at timestamptz, expires_at timestamptz, headers json, payload json)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
DECLARE
    v_held   record;
    v_found  integer;
BEGIN
    PERFORM ${schema}.require_read_committed();
    SELECT array_agg(t.n) AS ns, array_agg(t.id) AS ids, array_agg(t.xid) AS xids,
        array_agg(t.subscription_id) AS subscriptions, array_agg(t.queue_id) AS queues, array_agg(t.lane) AS lanes,
        count(*) AS messages
    INTO v_held
    FROM ${schema}.take_from_leases(p_worker, p_leases, p_ids) t;

    -- A statement of its own, so that its snapshot is younger than the locks on the leases.
    RETURN QUERY
    SELECT h.n, h.id, h.subscription_id, h.queue_id, h.lane, m.size, m.enqueued_at, m.expires_at, m.headers, m.payload
    FROM unnest(v_held.ns, v_held.ids, v_held.xids, v_held.subscriptions, v_held.queues, v_held.lanes)
        AS h (n, id, xid, subscription_id, queue_id, lane)
    CROSS JOIN LATERAL (
        SELECT l.size, l.enqueued_at, l.expires_at, l.headers, l.payload FROM ${schema}.message l
        WHERE l.queue_id = h.queue_id AND l.lane = h.lane AND l.xid = h.xid AND l.id = h.id
        LIMIT 1) m;
    GET DIAGNOSTICS v_found = ROW_COUNT;
    IF v_found <> v_held.messages THEN
        RAISE EXCEPTION 'pgqueue: % messages stand in leases of worker %, but only % of them in the log',
            v_held.messages, p_worker, v_found USING ERRCODE = 'PGQ04';
    END IF;
END
$$;
