-- The messages that a row of pulled speaks of, are still held, and no newer row speaks of.
CREATE OR REPLACE FUNCTION ${schema}.still_pulled(p_worker bigint, p_n bigint, p_last_n bigint, p_id bigint,
    p_pulled_at timestamptz)
RETURNS TABLE (n bigint, id bigint, redelivered boolean)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN QUERY
    SELECT h.n, h.id, h.redelivered
    FROM (
        SELECT l.n, x.id, false AS redelivered
        FROM ${schema}.lease l CROSS JOIN LATERAL unnest(l.ids) AS x (id)
        WHERE l.worker_id = p_worker AND l.n >= p_n AND l.n <= p_last_n
        UNION ALL
        SELECT r.n, r.id, true
        FROM ${schema}.retry r
        WHERE r.worker_id = p_worker AND r.n >= p_n AND r.n <= p_last_n) h
    WHERE p_id IN (0, h.id) AND NOT EXISTS (
        SELECT 1 FROM ${schema}.pulled e
        WHERE e.worker_id = p_worker AND e.n = h.n AND e.id = h.id AND e.id > 0
            AND (p_id = 0 OR e.pulled_at > p_pulled_at));
END
$$;

-- Gives back received messages that nobody has settled in their time: they become retries, due now, and the delivery counts
-- as an attempt. For one queue, or for all of them if p_queue is null; ends within 2 * p_limit messages. Messages that
-- somebody is just settling are passed over and looked at again in a second.
--
-- p_look_from is a low-water mark that keeps the scan away from dead index entries under a held vacuum horizon. Returns how
-- many messages were given back, and look_from for the next call.
CREATE OR REPLACE FUNCTION ${schema}.return_overdue(p_queue text, p_limit integer, p_look_from timestamptz)
RETURNS TABLE (returned integer, look_from timestamptz)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_now           timestamptz := clock_timestamp();
    v_subscription  integer;
    v_pull          record;
    v_fresh         record;
    v_again         record;
    v_free          record;
    v_ns            bigint[];
    v_ids           bigint[];
    v_look          timestamptz;
BEGIN
    PERFORM ${schema}.require_read_committed();
    returned := 0;
    look_from := v_now;
    FOR v_subscription IN
        SELECT s.id FROM ${schema}.subscription s JOIN ${schema}.queue q ON q.id = s.queue_id
        WHERE p_queue IS NULL OR q.name = p_queue
    LOOP
        FOR v_pull IN
            SELECT p.worker_id, p.n, p.last_n, p.id, p.look_at, p.pulled_at, p.held_until
            FROM ${schema}.pulled p
            WHERE p.subscription_id = v_subscription AND p.look_at >= p_look_from AND p.look_at <= v_now
            ORDER BY p.look_at
            FOR UPDATE SKIP LOCKED
        LOOP
            EXIT WHEN returned >= p_limit;
            v_look := NULL;
            IF v_pull.held_until > v_now THEN
                -- Rarer and rarer, so that holding something for a day costs a few looks.
                SELECT least(v_pull.held_until, v_now + greatest(v_now - v_pull.pulled_at, interval '1 minute')) INTO v_look
                WHERE EXISTS (
                    SELECT 1 FROM ${schema}.still_pulled(v_pull.worker_id, v_pull.n, v_pull.last_n, v_pull.id,
                        v_pull.pulled_at));
            ELSE
                SELECT array_agg(g.n) AS ns, array_agg(g.id) AS ids INTO v_fresh
                FROM (
                    SELECT h.n, h.id
                    FROM ${schema}.still_pulled(v_pull.worker_id, v_pull.n, v_pull.last_n, v_pull.id, v_pull.pulled_at) h
                    JOIN ${schema}.lease l ON l.worker_id = v_pull.worker_id AND l.n = h.n
                    WHERE NOT h.redelivered
                    ORDER BY l.n LIMIT p_limit - returned FOR UPDATE OF l SKIP LOCKED) g;
                SELECT array_agg(g.n) AS ns, array_agg(g.id) AS ids INTO v_again
                FROM (
                    SELECT h.n, h.id
                    FROM ${schema}.still_pulled(v_pull.worker_id, v_pull.n, v_pull.last_n, v_pull.id, v_pull.pulled_at) h
                    JOIN ${schema}.retry r ON r.subscription_id = v_subscription AND r.id = h.id
                        AND r.worker_id = v_pull.worker_id AND r.n = h.n
                    WHERE h.redelivered
                    ORDER BY r.n, r.id LIMIT p_limit - returned FOR UPDATE OF r SKIP LOCKED) g;
                -- A statement of its own after the locks: whoever extended a message before has committed, nobody can now.
                SELECT array_agg(h.n ORDER BY h.n, h.id) FILTER (WHERE g.id IS NOT NULL) AS ns,
                    array_agg(h.id ORDER BY h.n, h.id) FILTER (WHERE g.id IS NOT NULL) AS ids,
                    (count(g.id))::integer AS free, count(*) AS messages
                INTO v_free
                FROM ${schema}.still_pulled(v_pull.worker_id, v_pull.n, v_pull.last_n, v_pull.id, v_pull.pulled_at) h
                LEFT JOIN unnest(v_fresh.ns || v_again.ns, v_fresh.ids || v_again.ids) AS g (n, id)
                    ON g.n = h.n AND g.id = h.id;
                -- A few at a time, because retry compares each with each.
                FOR v_first IN 1..v_free.free BY 200 LOOP
                    v_ns := v_free.ns[v_first : v_first + 199];
                    v_ids := v_free.ids[v_first : v_first + 199];
                    PERFORM ${schema}.retry(v_pull.worker_id, v_ns, v_ids, array_fill(0::bigint, ARRAY[cardinality(v_ns)]),
                        array_fill(1, ARRAY[cardinality(v_ns)]),
                        array_fill('io.pgqueue.VisibilityTimeout'::text, ARRAY[cardinality(v_ns)]),
                        array_fill(format('It was received by worker %s and not settled in its time', v_pull.worker_id),
                            ARRAY[cardinality(v_ns)]));
                END LOOP;
                IF v_free.messages > v_free.free THEN
                    -- What was beyond the limit at once, what somebody has locked in a second.
                    v_look := CASE WHEN p_limit - returned IN (cardinality(v_fresh.ns), cardinality(v_again.ns)) THEN v_now
                        ELSE v_now + interval '1 s' END;
                END IF;
                returned := returned + v_free.free;
            END IF;

            DELETE FROM ${schema}.pulled p
            WHERE p.subscription_id = v_subscription AND p.look_at = v_pull.look_at AND p.worker_id = v_pull.worker_id
                AND p.n = v_pull.n AND p.id = v_pull.id;
            INSERT INTO ${schema}.pulled (subscription_id, look_at, worker_id, n, last_n, id, pulled_at, held_until)
            SELECT v_subscription, v_look, v_pull.worker_id, v_pull.n, v_pull.last_n, v_pull.id, v_pull.pulled_at,
                v_pull.held_until
            WHERE v_look IS NOT NULL
            -- Then the row that is there looks after the same messages at the same time.
            ON CONFLICT DO NOTHING;
        END LOOP;

        SELECT p.look_at INTO v_look FROM ${schema}.pulled p
        WHERE p.subscription_id = v_subscription AND p.look_at >= p_look_from
        ORDER BY p.look_at LIMIT 1;
        look_from := least(look_from, v_look);
    END LOOP;
    look_from := greatest(p_look_from, look_from - interval '2 s');
    RETURN NEXT;
END
$$;
