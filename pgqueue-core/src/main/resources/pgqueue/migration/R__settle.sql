-- Acknowledges messages of a worker: whole leases by their number, single messages of leases that stay, and messages
-- that came back from retry. Returns what the worker no longer held: the lease, and the message where one was named.
-- The arrays are sorted by lease.
CREATE OR REPLACE FUNCTION ${schema}.settle(p_worker bigint, p_leases bigint[], p_part_leases bigint[], p_part_ids bigint[],
    p_retry_leases bigint[], p_retry_ids bigint[])
RETURNS TABLE (lost_lease bigint, lost_id bigint)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    IF cardinality(p_leases) = 1 THEN
        IF NOT ${schema}.settle_one(p_worker, p_leases[1]) THEN
            RETURN QUERY SELECT p_leases[1], NULL::bigint;
        END IF;
    ELSIF cardinality(p_leases) > 1 THEN
        -- In their order, and so that they stay where they are: the deletion goes by place.
        PERFORM 1 FROM unnest(p_leases) AS g (n)
        CROSS JOIN LATERAL (SELECT 1 FROM ${schema}.lease l WHERE l.worker_id = p_worker AND l.n = g.n FOR UPDATE) k;
        RETURN QUERY
        WITH gone AS (
            -- One probe for each: before version 17, ANY may read all leases of the worker, dead ones too.
            DELETE FROM ${schema}.lease l
            WHERE l.worker_id = p_worker AND l.ctid = ANY (ARRAY(
                SELECT h.ctid FROM unnest(p_leases) AS g (n)
                CROSS JOIN LATERAL (
                    SELECT o.ctid FROM ${schema}.lease o WHERE o.worker_id = p_worker AND o.n = g.n LIMIT 1) h))
            RETURNING l.n
        )
        SELECT g.n, NULL::bigint FROM unnest(p_leases) AS g (n) WHERE g.n NOT IN (SELECT o.n FROM gone o);
    END IF;
    IF cardinality(p_part_leases) > 0 THEN
        RETURN QUERY
        SELECT g.n, g.id FROM unnest(p_part_leases, p_part_ids) AS g (n, id)
        EXCEPT
        SELECT t.n, t.id FROM ${schema}.take_from_leases(p_worker, p_part_leases, p_part_ids) t;
    END IF;
    IF cardinality(p_retry_leases) > 0 THEN
        RETURN QUERY
        WITH gone AS (
            -- One probe for each, whatever the planner believes: as a join it may compare each with all that are held.
            DELETE FROM ${schema}.retry r
            WHERE r.worker_id = p_worker AND r.ctid = ANY (ARRAY(
                SELECT h.ctid FROM unnest(p_retry_leases, p_retry_ids) AS g (n, id)
                CROSS JOIN LATERAL (
                    SELECT o.ctid FROM ${schema}.retry o
                    WHERE o.worker_id = p_worker AND o.n = g.n AND o.id = g.id LIMIT 1) h))
            RETURNING r.n, r.id
        )
        SELECT g.n, g.id FROM unnest(p_retry_leases, p_retry_ids) AS g (n, id)
        EXCEPT
        SELECT o.n, o.id FROM gone o;
    END IF;
END
$$;

-- The same in a transaction that exists only for it: need not wait for the disk, because an acknowledgement that a crash
-- of the server undoes is a redelivery.
CREATE OR REPLACE FUNCTION ${schema}.settle_alone(p_worker bigint, p_leases bigint[], p_part_leases bigint[],
    p_part_ids bigint[], p_retry_leases bigint[], p_retry_ids bigint[])
RETURNS TABLE (lost_lease bigint, lost_id bigint)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN QUERY
    SELECT * FROM ${schema}.settle(p_worker, p_leases, p_part_leases, p_part_ids, p_retry_leases, p_retry_ids);
END
$$;

-- Acknowledges one lease as a whole, which is what nearly every handler with a transaction of its own needs, at a third of
-- the price of the general form. Returns whether the worker still held it.
CREATE OR REPLACE FUNCTION ${schema}.settle_one(p_worker bigint, p_lease bigint)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    DELETE FROM ${schema}.lease l WHERE l.worker_id = p_worker AND l.n = p_lease;
    RETURN FOUND;
END
$$;
