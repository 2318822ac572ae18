-- The headers of a redriven message: in the first line what the library says about its death, then those of the sender as
-- they were. Built as text, because headers may hold escapes that jsonb and the functions that look into json refuse. No
-- string of JSON holds a line feed, so that the first line ends where it seems to, and a later redrive replaces it.
CREATE OR REPLACE FUNCTION ${schema}.redriven_headers(p_headers json, p_redrives integer, p_dead_at timestamptz,
    p_reason text, p_error_class text)
RETURNS json
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    v_sent  text := coalesce(p_headers::text, '{}');
    v_rest  text;
BEGIN
    IF ltrim(v_sent, E' \t\r\n') NOT LIKE '{%' THEN
        -- Not written by this library: there is no place for a header.
        RETURN p_headers;
    END IF;
    v_rest := substr(v_sent, strpos(v_sent, CASE WHEN p_redrives > 1 THEN E'\n' ELSE '{' END) + 1);
    RETURN concat('{"pgqueue_redrives":', p_redrives,
        ',"pgqueue_dead_at":"', to_char(p_dead_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '"',
        ',"pgqueue_dead_reason":' || to_json(p_reason)::text,
        ',"pgqueue_dead_error_class":' || to_json(p_error_class)::text,
        CASE WHEN ltrim(v_rest, E' \t\r\n') NOT LIKE '}%' THEN ',' END, E'\n', v_rest)::json;
END
$$;

-- Puts dead letters back for delivery after a delay, with their identity and all attempts anew. Each is named by its
-- identity and when it died, so that a message that has died again meanwhile is left alone. Returns how many were put
-- back; the others are no longer there. Locked in the order of their identities here and in discard.
-- A redriven message lives for ever: with the expiry of its sender, which is over if that is why it died, it would expire
-- again at once. That is why a dead letter does not keep it.
CREATE OR REPLACE FUNCTION ${schema}.redrive(p_subscription integer, p_ids bigint[], p_deaths timestamptz[],
    p_delays_millis bigint[])
RETURNS integer
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET lock_timeout = '10s'
AS $$
DECLARE
    v_removed  integer;
    v_moved    integer;
BEGIN
    PERFORM ${schema}.require_read_committed();
    -- One by one: with ANY and an order, servers before 17 would read all letters of the subscription.
    PERFORM 1 FROM (SELECT x.id FROM unnest(p_ids) AS x (id) ORDER BY x.id) o
    CROSS JOIN LATERAL (
        SELECT 1 FROM ${schema}.dead_letter d WHERE d.subscription_id = p_subscription AND d.id = o.id FOR UPDATE) l;
    WITH removed AS (
        DELETE FROM ${schema}.dead_letter d
        USING unnest(p_ids, p_deaths, p_delays_millis) AS g (id, dead_at, delay)
        CROSS JOIN LATERAL (
            SELECT l.ctid AS place FROM ${schema}.dead_letter l
            WHERE l.subscription_id = p_subscription AND l.id = g.id AND l.dead_at = g.dead_at OFFSET 0) p
        WHERE d.ctid = p.place
        RETURNING d.subscription_id, d.id, d.queue_id, d.lane, d.size, d.redrives, d.enqueued_at, d.dead_at, d.reason,
            d.error_class, d.headers, d.payload, g.delay
    ), moved AS (
        -- Due when the row is written, not when the statement began: claims do not look far behind their clock.
        INSERT INTO ${schema}.retry (subscription_id, id, queue_id, lane, size, attempts, redrives, due_at, enqueued_at,
            headers, payload)
        SELECT r.subscription_id, r.id, r.queue_id, r.lane,
            r.size + coalesce(octet_length(h.headers::text), 0) - coalesce(octet_length(r.headers::text), 0), 0,
            r.redrives + 1, clock_timestamp() + greatest(r.delay, 0) * interval '1 ms', r.enqueued_at, h.headers, r.payload
        FROM removed r
        CROSS JOIN LATERAL (
            SELECT ${schema}.redriven_headers(r.headers, r.redrives + 1, r.dead_at, r.reason, r.error_class) AS headers) h
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM removed), (SELECT count(*) FROM moved) INTO v_removed, v_moved;
    IF v_moved <> v_removed THEN
        RAISE EXCEPTION 'pgqueue: % dead letters were removed, but only % of them put back', v_removed, v_moved
            USING ERRCODE = 'PGQ04';
    END IF;
    -- Whoever redrives may be no process that has a notifier.
    PERFORM pg_notify(${schema}.channel(), '/' || s.queue_id) FROM ${schema}.subscription s
    WHERE s.id = p_subscription AND v_moved > 0;
    RETURN v_moved;
END
$$;
