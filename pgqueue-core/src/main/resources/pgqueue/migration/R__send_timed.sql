-- Sends messages that are due at a certain time (p_due_at), or after a delay (p_delay_micros), or that live for a limited
-- time (p_ttl_micros, counted from now): what is not due yet waits in scheduled. Otherwise like send_batch; a function of
-- its own, so that plain sends do not pay for it. Also returns the microseconds until the messages are due, if they wait.
CREATE OR REPLACE FUNCTION ${schema}.send_timed(p_queue text, p_payloads text[], p_headers text[], p_due_at timestamptz,
    p_delay_micros bigint, p_ttl_micros bigint)
RETURNS TABLE (id bigint, due_micros bigint)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_now         timestamptz := clock_timestamp();
    v_due_at      timestamptz := coalesce(p_due_at, v_now + p_delay_micros * interval '1 microsecond');
    v_expires_at  timestamptz := v_now + p_ttl_micros * interval '1 microsecond';
BEGIN
    IF v_due_at > v_now THEN
        RETURN QUERY
        INSERT INTO ${schema}.scheduled (queue_id, due_at, enqueued_at, expires_at, size, headers, payload)
        SELECT q.id, v_due_at, v_now, v_expires_at, octet_length(m.payload) + coalesce(octet_length(m.headers), 0),
            m.headers::json, m.payload::json
        FROM ${schema}.queue q
        CROSS JOIN unnest(p_payloads, p_headers) WITH ORDINALITY AS m (payload, headers, position)
        WHERE q.name = p_queue
        ORDER BY m.position
        RETURNING scheduled.id, (extract(epoch FROM v_due_at - v_now) * 1000000)::bigint;
    ELSE
        RETURN QUERY
        INSERT INTO ${schema}.message (slot, queue_id, size, expires_at, headers, payload)
        SELECT r.current, q.id, octet_length(m.payload) + coalesce(octet_length(m.headers), 0), v_expires_at,
            m.headers::json, m.payload::json
        FROM ${schema}.queue q
        CROSS JOIN ${schema}.ring r
        CROSS JOIN unnest(p_payloads, p_headers) WITH ORDINALITY AS m (payload, headers, position)
        WHERE q.name = p_queue AND r.id = 0
        ORDER BY m.position
        RETURNING message.id, NULL::bigint;
    END IF;
END
$$;
