-- Appends messages to the log, in the caller's transaction. Returns their ids in the order of the arrays, or no row when
-- the queue does not exist: raising would end the caller's transaction.
CREATE OR REPLACE FUNCTION ${schema}.send_batch(p_queue text, p_payloads text[], p_headers text[])
RETURNS SETOF bigint
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN QUERY
    INSERT INTO ${schema}.message (slot, queue_id, size, headers, payload)
    SELECT r.current, q.id, octet_length(m.payload) + coalesce(octet_length(m.headers), 0), m.headers::json, m.payload::json
    FROM ${schema}.queue q
    CROSS JOIN ${schema}.ring r
    CROSS JOIN unnest(p_payloads, p_headers) WITH ORDINALITY AS m (payload, headers, position)
    WHERE q.name = p_queue AND r.id = 0
    ORDER BY m.position
    RETURNING message.id;
END
$$;
