-- Raises unless the caller runs at READ COMMITTED: with an older snapshot, what a transition reads after it was granted
-- its locks is no longer what is true.
CREATE OR REPLACE FUNCTION ${schema}.require_read_committed()
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'pgqueue: this transition must run at READ COMMITTED, not at %', current_setting('transaction_isolation')
            USING ERRCODE = 'PGQ01';
    END IF;
END
$$;

-- Claims due retries. The rows stay and carry the lease themselves, so each comes back under a lease of its own.
-- p_due_from is a low-water mark that keeps the scan away from dead index entries under a held vacuum horizon.
CREATE OR REPLACE FUNCTION ${schema}.claim_retries(p_worker bigint, p_n bigint, p_subscription integer, p_limit integer,
    p_bytes bigint, p_due_from timestamptz, p_due_to timestamptz)
RETURNS TABLE (id bigint, lane smallint, size integer, attempt integer, redrives integer, enqueued_at timestamptz,
    expires_at timestamptz, due_at timestamptz, error_class text, error_message text, headers json, payload json)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN QUERY
    WITH due AS MATERIALIZED (
        SELECT r.ctid AS place, r.id, r.due_at, r.size
        FROM ${schema}.retry r
        WHERE r.subscription_id = p_subscription AND r.worker_id IS NULL
            AND r.due_at >= p_due_from AND r.due_at <= p_due_to
        ORDER BY r.due_at
        LIMIT p_limit
        FOR NO KEY UPDATE SKIP LOCKED
    ), sized AS (
        SELECT d.place, sum(d.size) OVER (ORDER BY d.due_at, d.id) - d.size AS bytes_before FROM due d
    )
    -- By their places: a join may compare each with all that the subscription has in retry, whatever the planner believes.
    UPDATE ${schema}.retry r SET worker_id = p_worker, n = p_n
    WHERE r.ctid = ANY (ARRAY(SELECT s.place FROM sized s WHERE s.bytes_before < p_bytes))
    RETURNING r.id, r.lane, r.size, r.attempts + 1, r.redrives, r.enqueued_at, r.expires_at, r.due_at, r.error_class,
        r.error_message, r.headers, r.payload;
END
$$;

-- Claims from the log. The caller holds the lane.
--
-- A window is what is visible in horizon and not in base. It lies in the index as one range from xmax(base) to
-- xmax(horizon), and as single transactions that were running at base and have ended since: those are probed one by one,
-- because a range over them would read again whatever was consumed or is still uncommitted in between.
--
-- Messages that have expired, or that were taken out of the log before, are read like all others, so that the position
-- passes them, but are neither leased nor returned. When a whole page consists of them, larger ones follow in the same call.
CREATE OR REPLACE FUNCTION ${schema}.claim_log(p_worker bigint, p_n bigint, p_queue integer, p_subscription integer,
    p_lane smallint, p_limit integer, p_bytes bigint, p_move boolean, p_bury_expired boolean, p_single boolean)
RETURNS TABLE (lease bigint, id bigint, enqueued_at timestamptz, headers json, payload json)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
DECLARE
    v_now       timestamptz := clock_timestamp();
    v_cursor    record;
    v_seq       bigint;
    v_old       xid8[];
    v_from_xid  xid8;
    v_from_id   bigint;
    v_look      integer := p_limit;
    v_pages     integer := 0;
    v_expired   integer := 0;
BEGIN
    LOOP
        -- A statement of its own after the lock: in one statement with it, the snapshot would be older than the lock.
        SELECT c.seq, c.base, c.horizon, coalesce(c.position_xid, '0'::xid8) AS position_xid,
            coalesce(c.position_id, 0) AS position_id, c.skipped, c.expired
        INTO STRICT v_cursor
        FROM ${schema}.cursor c
        WHERE c.subscription_id = p_subscription AND c.lane = p_lane
        ORDER BY c.seq DESC LIMIT 1;

        IF v_cursor.seq = v_seq THEN
            -- Nothing left of a window that was open already: go on with the next one.
            EXIT WHEN v_cursor.horizon IS NULL;
            v_cursor.base := v_cursor.horizon;
            v_cursor.horizon := NULL;
            v_cursor.position_xid := '0'::xid8;
            v_cursor.position_id := 0;
            p_move := true;
        ELSIF v_seq IS NOT NULL THEN
            -- The last page was passed over as a whole.
            EXIT WHEN v_cursor.horizon IS NULL OR v_pages = 10;
            v_look := greatest(p_limit, 1000);
            v_expired := coalesce(v_cursor.expired, 0);
        END IF;
        v_seq := v_cursor.seq;
        v_pages := v_pages + 1;

        IF v_cursor.horizon IS NULL THEN
            v_cursor.horizon := CASE WHEN p_move THEN ${schema}.full_snapshot() ELSE pg_current_snapshot() END;
        END IF;
        v_from_xid := pg_snapshot_xmax(v_cursor.base);
        v_from_id := 0;
        IF v_cursor.position_xid >= v_from_xid THEN
            v_from_xid := v_cursor.position_xid;
            v_from_id := v_cursor.position_id;
        END IF;
        v_old := ARRAY(
            SELECT x.xid FROM pg_snapshot_xip(v_cursor.base) AS x (xid)
            WHERE x.xid >= v_cursor.position_xid AND pg_visible_in_snapshot(x.xid, v_cursor.horizon));

        -- One more than wanted, to see whether the window ends here. gone_at is null for what is to be delivered, and
        -- -infinity for what was taken out before. place counts what is to be delivered only; a page that delivers anything
        -- is the last one, so that the numbers of single leases are different.
        RETURN QUERY
        WITH picked AS MATERIALIZED (
            SELECT s.place, s.xid, s.id, s.size, s.enqueued_at, s.gone_at, s.headers, s.payload,
                s.place <= p_limit AND s.bytes_before < p_bytes AS kept
            FROM (SELECT u.*, count(*) FILTER (WHERE u.gone_at IS NULL) OVER w AS place,
                    sum(u.size) OVER w - u.size AS bytes_before
                  FROM (
                    (SELECT p.xid, p.id, p.size, p.enqueued_at, p.gone_at, p.headers, p.payload
                     FROM unnest(v_old) AS o (xid)
                     CROSS JOIN LATERAL (
                        SELECT m.xid, m.id, m.size, m.enqueued_at, m.headers, m.payload,
                            CASE WHEN m.id = ANY (v_cursor.skipped) THEN '-infinity'
                                WHEN m.expires_at <= v_now THEN m.expires_at END AS gone_at
                        FROM ${schema}.message m
                        WHERE m.queue_id = p_queue AND m.lane = p_lane AND m.xid = o.xid
                            AND m.id > CASE WHEN o.xid = v_cursor.position_xid THEN v_cursor.position_id ELSE 0 END
                        ORDER BY m.xid, m.id LIMIT v_look + 1) p)
                    UNION ALL
                    (SELECT m.xid, m.id, m.size, m.enqueued_at,
                        CASE WHEN m.id = ANY (v_cursor.skipped) THEN '-infinity'
                            WHEN m.expires_at <= v_now THEN m.expires_at END,
                        m.headers, m.payload
                     FROM ${schema}.message m
                     WHERE m.queue_id = p_queue AND m.lane = p_lane AND (m.xid, m.id) > (v_from_xid, v_from_id)
                        AND m.xid < pg_snapshot_xmax(v_cursor.horizon) AND pg_visible_in_snapshot(m.xid, v_cursor.horizon)
                     ORDER BY m.xid, m.id LIMIT v_look + 1)
                  ) u
                  WINDOW w AS (ORDER BY u.xid, u.id ROWS UNBOUNDED PRECEDING)
                  ORDER BY u.xid, u.id LIMIT v_look + 1) s
        ), taken AS MATERIALIZED (
            -- In the order of picked, because nothing comes between.
            SELECT array_agg(p.xid) FILTER (WHERE p.kept) AS xids, array_agg(p.id) FILTER (WHERE p.kept) AS ids,
                (count(*) FILTER (WHERE p.kept))::integer AS kept, count(*) AS picked,
                (count(p.gone_at) FILTER (WHERE p.kept))::integer AS gone
            FROM picked p
        ), leased AS (
            INSERT INTO ${schema}.lease (worker_id, n, subscription_id, queue_id, lane, xids, ids)
            SELECT p_worker, p_n, p_subscription, p_queue, p_lane,
                CASE WHEN t.gone = 0 THEN t.xids
                    ELSE ARRAY(SELECT p.xid FROM picked p WHERE p.kept AND p.gone_at IS NULL) END,
                CASE WHEN t.gone = 0 THEN t.ids
                    ELSE ARRAY(SELECT p.id FROM picked p WHERE p.kept AND p.gone_at IS NULL) END
            FROM taken t WHERE t.kept > t.gone AND NOT p_single
            UNION ALL
            SELECT p_worker, p_n + p.place, p_subscription, p_queue, p_lane, ARRAY[p.xid], ARRAY[p.id] FROM picked p
            WHERE p.kept AND p.gone_at IS NULL AND p_single
        ), moved AS (
            INSERT INTO ${schema}.cursor (subscription_id, lane, seq, base, horizon, position_xid, position_id, skipped,
                expired)
            SELECT p_subscription, p_lane, v_cursor.seq + 1,
                CASE WHEN w.used_up THEN v_cursor.horizon ELSE v_cursor.base END,
                CASE WHEN NOT w.used_up THEN v_cursor.horizon END,
                CASE WHEN NOT w.used_up THEN t.xids[t.kept] END,
                CASE WHEN NOT w.used_up THEN t.ids[t.kept] END,
                CASE WHEN t.gone = 0 THEN v_cursor.skipped
                    ELSE (SELECT array_agg(x.id) FROM unnest(v_cursor.skipped) AS x (id) WHERE x.id <> ALL (t.ids)) END,
                nullif(v_expired + CASE WHEN t.gone = 0 THEN 0
                    ELSE (SELECT count(*) FROM picked p WHERE p.kept AND p.gone_at > '-infinity')::integer END, 0)
            FROM taken t
            CROSS JOIN LATERAL (SELECT t.kept = t.picked AND t.picked <= v_look AS used_up) w
            WHERE t.kept > 0 OR p_move
        )
        SELECT CASE WHEN p_single THEN p_n + p.place ELSE p_n END, p.id, p.enqueued_at, p.headers, p.payload
        FROM picked p
        WHERE p.kept AND (p.gone_at IS NULL OR p_bury_expired AND p.gone_at > '-infinity'
            AND ${schema}.bury_expired(p_worker, p_subscription, p_queue, p_lane, p.id, p.size, 0, 0, p.enqueued_at, p.gone_at,
                NULL, p.headers, p.payload));
        EXIT WHEN FOUND;
    END LOOP;
END
$$;

-- Claims up to p_limit messages and p_bytes bytes (always at least one message) for a worker, under the lease (p_worker,
-- p_n), or with p_single each message of the log under a lease of its own, with the numbers that follow, at most p_limit of
-- them. To be called as one autocommit statement: it stores a snapshot, so its transaction must not send.
--
-- Returns a row per message, state 'l' when it was read from the log, 'r' when it comes back from retry or 's' when it may
-- be what kills the processes that handle it, and one last
-- row that sums up: state 'e' (nothing more to be seen), 'm' (there may be more: claim again at once) or 'b' (another claim is
-- in the lane: come back soon), next_due_micros (until the next retry is due; 0: at once), due_from for the next call, and
-- expired, how many messages are gone because their time to live was over: with p_bury_expired they are dead letters now.
CREATE OR REPLACE FUNCTION ${schema}.claim(p_worker bigint, p_n bigint, p_queue integer, p_subscription integer,
    p_limit integer, p_bytes bigint, p_due_from timestamptz, p_bury_expired boolean DEFAULT false,
    p_single boolean DEFAULT false)
RETURNS TABLE (state text, lease bigint, id bigint, attempt integer, enqueued_at timestamptz, headers json, payload json,
    next_due_micros bigint, due_from timestamptz, expired integer)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
DECLARE
    v_now     timestamptz := clock_timestamp();
    v_lane    smallint := 0;
    v_cursor  record;
    v_retry   record;
    v_due     timestamptz;
    v_log     boolean := true;
    v_move    boolean := false;
    v_state   text := 'e';
    v_share   integer;
    v_room    integer := p_limit;
    v_bytes   bigint := p_bytes;
    v_last    timestamptz;
    v_expired integer := 0;
BEGIN
    PERFORM ${schema}.require_read_committed();
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'pgqueue: a claim must be a transaction of its own, but this one has already written something'
            USING ERRCODE = 'PGQ01';
    END IF;

    -- Look before locking anything: an idle poll writes nothing and takes no transaction id.
    SELECT r.due_at INTO v_due FROM ${schema}.retry r
    WHERE r.subscription_id = p_subscription AND r.worker_id IS NULL AND r.due_at >= p_due_from
    ORDER BY r.due_at LIMIT 1;
    SELECT c.base, c.horizon, c.created_at INTO v_cursor FROM ${schema}.cursor c
    WHERE c.subscription_id = p_subscription AND c.lane = v_lane
    ORDER BY c.seq DESC LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'pgqueue: subscription % does not exist', p_subscription USING ERRCODE = 'PGQ03';
    END IF;
    IF v_cursor.horizon IS NULL THEN
        v_log := EXISTS (
                SELECT 1 FROM ${schema}.message m
                WHERE m.queue_id = p_queue AND m.lane = v_lane AND m.xid >= pg_snapshot_xmax(v_cursor.base))
            OR EXISTS (
                SELECT 1 FROM pg_snapshot_xip(v_cursor.base) AS x (xid)
                CROSS JOIN LATERAL (
                    SELECT 1 FROM ${schema}.message m
                    WHERE m.queue_id = p_queue AND m.lane = v_lane AND m.xid = x.xid LIMIT 1) old
                WHERE pg_visible_in_snapshot(x.xid, pg_current_snapshot()));
        -- The rows of an open bulk sender lie beyond base, and every look walks over them: move base past them.
        v_move := NOT v_log AND clock_timestamp() - v_now > interval '5 ms'
            AND v_now - v_cursor.created_at > interval '5 s';
    END IF;

    IF v_log OR v_move OR v_due <= v_now THEN
        PERFORM 1 FROM ${schema}.worker w WHERE w.id = p_worker AND w.dead_at IS NULL;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'pgqueue: worker % is not registered or was declared dead', p_worker USING ERRCODE = 'PGQ02';
        END IF;
        -- A claim that a crash of the server undoes is a claim that never happened: do not wait for the disk.
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;

    -- Due retries get half of the room while the log has messages too, so that neither starves the other. With room for
    -- one message they take turns.
    IF v_due <= v_now THEN
        v_share := CASE WHEN v_log THEN (p_limit + (p_n & 1)::integer) / 2 ELSE p_limit END;
        v_last := p_due_from;
        FOR v_retry IN
            SELECT * FROM ${schema}.claim_retries(p_worker, p_n, p_subscription, v_share, p_bytes, p_due_from, v_now) c
            ORDER BY c.due_at, c.id
        LOOP
            v_last := greatest(v_last, v_retry.due_at);
            IF v_retry.expires_at <= v_now THEN
                v_expired := v_expired + 1;
                IF p_bury_expired THEN
                    PERFORM ${schema}.bury_expired(p_worker, p_subscription, p_queue, v_retry.lane, v_retry.id,
                        v_retry.size, v_retry.attempt - 1, v_retry.redrives, v_retry.enqueued_at, v_retry.expires_at,
                        v_retry.error_class || coalesce(': ' || v_retry.error_message, ''), v_retry.headers, v_retry.payload);
                END IF;
                DELETE FROM ${schema}.retry r WHERE r.subscription_id = p_subscription AND r.id = v_retry.id;
                CONTINUE;
            END IF;
            -- Two processes in a row have died with it.
            state := CASE WHEN v_retry.attempt > 2 AND v_retry.error_class = 'io.pgqueue.WorkerDied' THEN 's' ELSE 'r' END;
            lease := p_n;
            id := v_retry.id;
            attempt := v_retry.attempt;
            enqueued_at := v_retry.enqueued_at;
            headers := v_retry.headers;
            payload := v_retry.payload;
            RETURN NEXT;
            v_room := v_room - 1;
            v_bytes := v_bytes - v_retry.size;
        END LOOP;
        -- What is left over: because of the share, or the bytes, or because another claim is just taking it.
        SELECT r.due_at INTO v_due FROM ${schema}.retry r
        WHERE r.subscription_id = p_subscription AND r.worker_id IS NULL AND r.due_at >= v_last
        ORDER BY r.due_at LIMIT 1;
        IF v_due <= v_now AND v_room = p_limit AND v_share > 0 AND v_expired = 0 THEN
            v_state := 'b';
        END IF;
    END IF;
    p_due_from := greatest(p_due_from, least(v_due, v_now) - interval '2 s');

    IF (v_log OR v_move) AND v_room > 0 AND v_bytes > 0 THEN
        PERFORM 1 FROM ${schema}.lane l
        WHERE l.subscription_id = p_subscription AND l.lane = v_lane
        FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            v_state := 'b';
        ELSE
            RETURN QUERY
            SELECT 'l', l.lease, l.id, 1, l.enqueued_at, l.headers, l.payload, NULL::bigint, NULL::timestamptz,
                NULL::integer
            FROM ${schema}.claim_log(p_worker, p_n, p_queue, p_subscription, v_lane, v_room, v_bytes, v_move,
                p_bury_expired, p_single) l;
            -- There may be more if the window stays open, and if one that was open before came to its end.
            SELECT CASE WHEN v_cursor.horizon IS NOT NULL OR c.horizon IS NOT NULL THEN 'm' ELSE v_state END,
                v_expired + CASE WHEN c.xmin = pg_current_xact_id_if_assigned()::xid THEN coalesce(c.expired, 0) ELSE 0 END
            INTO v_state, v_expired
            FROM ${schema}.cursor c
            WHERE c.subscription_id = p_subscription AND c.lane = v_lane
            ORDER BY c.seq DESC LIMIT 1;
        END IF;
    ELSIF v_log OR v_move THEN
        v_state := 'm';
    END IF;

    RETURN QUERY
    SELECT v_state, NULL::bigint, NULL::bigint, NULL::integer, NULL::timestamptz, NULL::json, NULL::json,
        CASE WHEN v_due IS NOT NULL THEN greatest(0, extract(epoch FROM v_due - clock_timestamp()) * 1000000)::bigint END,
        p_due_from, v_expired;
END
$$;
