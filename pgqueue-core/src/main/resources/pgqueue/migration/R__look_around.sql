-- One look for everybody who rests in a process, instead of one for each queue: which of the subscriptions hold something to
-- claim, which other workers hold messages, whether received messages are overdue, and when the next scheduled one is due.
-- Writes nothing, takes no transaction id and waits for no lock of a row. p_queues and p_subscriptions go together in pairs.
--
-- p_due_from is a low-water mark that keeps the scans by time away from dead index entries under a held vacuum horizon.
-- Between two rounds it falls ten seconds behind, because a transaction may commit after it has stored a time; what commits
-- even later is found by the next look from -infinity.
--
-- Returns a row per subscription that holds something (state 's', number), a row per other worker that holds messages (state
-- 'w', number, when it last gave a sign of life, whether it was declared dead: a claim of a dead worker may have been in
-- flight when it was declared dead, so tombstones are looked at again and again), and one last row that sums up (state 'e'):
-- overdue, next_due_micros (until the next scheduled message is due, negative if it is overdue; a day at most) and due_from for
-- the next call.
CREATE OR REPLACE FUNCTION ${schema}.look_around(p_worker bigint, p_queues integer[], p_subscriptions integer[],
    p_due_from timestamptz)
RETURNS TABLE (state text, number bigint, beat_at timestamptz, dead boolean, overdue boolean, next_due_micros bigint,
    due_from timestamptz)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_now           timestamptz := clock_timestamp();
    v_began         timestamptz;
    v_queue         integer;
    v_subscription  integer;
    v_lane          smallint := 0;
    v_cursor        record;
    v_due           timestamptz;
    v_overdue       boolean;
BEGIN
    FOR v_queue, v_subscription IN
        SELECT x.queue_id, x.subscription_id FROM unnest(p_queues, p_subscriptions) AS x (queue_id, subscription_id)
    LOOP
        -- As at the top of claim.
        v_began := clock_timestamp();
        SELECT c.base, c.horizon, c.created_at INTO v_cursor FROM ${schema}.cursor c
        WHERE c.subscription_id = v_subscription AND c.lane = v_lane
        ORDER BY c.seq DESC LIMIT 1;
        IF v_cursor.horizon IS NOT NULL
            OR EXISTS (
                SELECT 1 FROM ${schema}.message m
                WHERE m.queue_id = v_queue AND m.lane = v_lane AND m.xid >= pg_snapshot_xmax(v_cursor.base))
            OR EXISTS (
                SELECT 1 FROM pg_snapshot_xip(v_cursor.base) AS x (xid)
                CROSS JOIN LATERAL (
                    SELECT 1 FROM ${schema}.message m
                    WHERE m.queue_id = v_queue AND m.lane = v_lane AND m.xid = x.xid LIMIT 1) old
                WHERE pg_visible_in_snapshot(x.xid, pg_current_snapshot()))
            OR EXISTS (
                SELECT 1 FROM ${schema}.retry r
                WHERE r.subscription_id = v_subscription AND r.worker_id IS NULL AND r.due_at >= p_due_from
                    AND r.due_at <= v_now)
            -- Where the rows of an open bulk sender make each look expensive, a claim moves base past them.
            OR clock_timestamp() - v_began > interval '5 ms' AND v_began - v_cursor.created_at > interval '5 s'
        THEN
            state := 's';
            number := v_subscription;
            RETURN NEXT;
        END IF;
    END LOOP;

    RETURN QUERY
    SELECT 'w', w.id, h.beat_at, w.dead_at IS NOT NULL, NULL::boolean, NULL::bigint, NULL::timestamptz
    FROM ${schema}.worker w
    JOIN ${schema}.heartbeat h ON h.worker_id = w.id
    -- Not EXISTS: the planner would hash whole tables for it.
    WHERE w.id <> p_worker AND coalesce(
        (SELECT true FROM ${schema}.lease l WHERE l.worker_id = w.id LIMIT 1),
        (SELECT true FROM ${schema}.retry r WHERE r.worker_id = w.id LIMIT 1), false);

    SELECT true INTO v_overdue
    FROM ${schema}.subscription s
    CROSS JOIN LATERAL (
        SELECT 1 FROM ${schema}.pulled p
        WHERE p.subscription_id = s.id AND p.look_at >= p_due_from AND p.look_at <= v_now LIMIT 1) o
    LIMIT 1;
    SELECT s.due_at INTO v_due FROM ${schema}.scheduled s WHERE s.due_at >= p_due_from ORDER BY s.due_at LIMIT 1;

    RETURN QUERY
    SELECT 'e', NULL::bigint, NULL::timestamptz, NULL::boolean, coalesce(v_overdue, false),
        CASE WHEN v_due IS NOT NULL
            -- Within a day, because times may be infinite.
            THEN ceil(extract(epoch FROM least(greatest(v_due, v_now - interval '1 day'), v_now + interval '1 day')
                - clock_timestamp()) * 1000000)::bigint END,
        v_now - interval '10 s';
END
$$;
