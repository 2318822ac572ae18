-- Puts up to p_limit scheduled messages that are due into the log, in a transaction of its own. They keep their ids and the
-- time when they were sent. Any number of workers may do it at once: rows that another one is moving are passed over.
--
-- p_due_from is a low-water mark that keeps the scan away from dead index entries under a held vacuum horizon. Between two
-- rounds it falls ten seconds behind, because a sender's transaction may commit long after it has stored the due time.
--
-- Returns a row per queue that got messages, and one last row that sums up: next_due_micros (until the next message is due;
-- 0: at once) and due_from for the next call.
CREATE OR REPLACE FUNCTION ${schema}.promote(p_limit integer, p_due_from timestamptz)
RETURNS TABLE (queue text, promoted bigint, next_due_micros bigint, due_from timestamptz)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_now    timestamptz := clock_timestamp();
    v_first  timestamptz;
    v_next   timestamptz;
    v_done   record;
    v_more   boolean := false;
BEGIN
    PERFORM ${schema}.require_read_committed();
    -- Look before writing: with nothing due, this takes no transaction id.
    SELECT s.due_at INTO v_first FROM ${schema}.scheduled s WHERE s.due_at >= p_due_from ORDER BY s.due_at LIMIT 1;
    v_next := v_first;

    IF v_first <= v_now THEN
        -- A promotion that a crash of the server undoes is a promotion that never happened: do not wait for the disk.
        PERFORM set_config('synchronous_commit', 'off', true);
        WITH due AS MATERIALIZED (
            SELECT s.id FROM ${schema}.scheduled s
            WHERE s.due_at >= v_first AND s.due_at <= v_now
            ORDER BY s.due_at LIMIT p_limit
            FOR UPDATE SKIP LOCKED
        ), gone AS (
            DELETE FROM ${schema}.scheduled s USING due d WHERE s.id = d.id RETURNING s.*
        ), moved AS (
            INSERT INTO ${schema}.message (slot, lane, queue_id, id, enqueued_at, size, expires_at, headers, payload)
            SELECT r.current, g.lane, g.queue_id, g.id, g.enqueued_at, g.size, g.expires_at, g.headers, g.payload
            FROM gone g CROSS JOIN ${schema}.ring r
            WHERE r.id = 0
            ORDER BY g.due_at, g.id
            RETURNING message.queue_id
        ), counted AS (
            SELECT m.queue_id, count(*) AS messages FROM moved m GROUP BY m.queue_id
        )
        SELECT array_agg(c.queue_id) AS queues, array_agg(c.messages) AS counts, coalesce(sum(c.messages), 0) AS moved,
            (SELECT count(*) FROM due) AS due
        INTO v_done
        FROM counted c;
        IF v_done.moved <> v_done.due THEN
            RAISE EXCEPTION 'pgqueue: % scheduled messages were due, but only % of them reached the log', v_done.due,
                v_done.moved USING ERRCODE = 'PGQ04';
        END IF;
        RETURN QUERY
        SELECT q.name, c.messages, NULL::bigint, NULL::timestamptz
        FROM unnest(v_done.queues, v_done.counts) AS c (queue_id, messages)
        JOIN ${schema}.queue q ON q.id = c.queue_id;

        SELECT s.due_at INTO v_first FROM ${schema}.scheduled s WHERE s.due_at >= v_first ORDER BY s.due_at LIMIT 1;
        v_next := v_first;
        v_more := v_first <= v_now AND v_done.due = p_limit;
        IF v_first <= v_now AND NOT v_more THEN
            -- What is due and left over is locked, by another promotion or by somebody who cancels it.
            SELECT s.due_at INTO v_next FROM ${schema}.scheduled s WHERE s.due_at > v_now ORDER BY s.due_at LIMIT 1;
        END IF;
    END IF;

    RETURN QUERY
    SELECT NULL::text, NULL::bigint,
        CASE WHEN v_next IS NOT NULL
            THEN greatest(0, ceil(extract(epoch FROM v_next - clock_timestamp()) * 1000000))::bigint END,
        CASE WHEN v_more THEN v_first ELSE least(v_first, v_now) - interval '10 s' END;
END
$$;
