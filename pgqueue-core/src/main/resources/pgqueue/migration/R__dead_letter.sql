-- The dead letters of some subscriptions for people who look into them, newest first, without payloads. Only those from
-- p_from on and before (p_to, p_to_id), which is where the page before this one ended. Two statements, because one for
-- both would read everything that died of another error.
CREATE OR REPLACE FUNCTION ${schema}.dead_letters(p_subscriptions integer[], p_error_class text, p_from timestamptz,
    p_to timestamptz, p_to_id bigint, p_limit integer)
RETURNS TABLE (subscription_id integer, id bigint, attempts integer, redrives integer, enqueued_at timestamptz,
    dead_at timestamptz, reason text, error_class text, error_message text, worker text)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    IF p_error_class IS NULL THEN
        RETURN QUERY
        SELECT d.subscription_id, d.id, d.attempts, d.redrives, d.enqueued_at, d.dead_at, d.reason, d.error_class,
            d.error_message, d.worker
        FROM unnest(p_subscriptions) AS s (id)
        CROSS JOIN LATERAL (
            SELECT * FROM ${schema}.dead_letter l
            WHERE l.subscription_id = s.id AND l.dead_at >= p_from AND (l.dead_at, l.id) < (p_to, p_to_id)
            ORDER BY l.dead_at DESC, l.id DESC LIMIT p_limit) d
        ORDER BY d.dead_at DESC, d.id DESC LIMIT p_limit;
    ELSE
        RETURN QUERY
        SELECT d.subscription_id, d.id, d.attempts, d.redrives, d.enqueued_at, d.dead_at, d.reason, d.error_class,
            d.error_message, d.worker
        FROM unnest(p_subscriptions) AS s (id)
        CROSS JOIN LATERAL (
            SELECT * FROM ${schema}.dead_letter l
            WHERE l.subscription_id = s.id AND l.error_class = p_error_class AND l.dead_at >= p_from
                AND (l.dead_at, l.id) < (p_to, p_to_id)
            ORDER BY l.dead_at DESC, l.id DESC LIMIT p_limit) d
        ORDER BY d.dead_at DESC, d.id DESC LIMIT p_limit;
    END IF;
END
$$;

-- One dead letter with everything.
CREATE OR REPLACE FUNCTION ${schema}.dead_letter(p_subscription integer, p_id bigint)
RETURNS TABLE (subscription_id integer, id bigint, attempts integer, redrives integer, enqueued_at timestamptz,
    dead_at timestamptz, reason text, error_class text, error_message text, worker text, error_stack text, headers json,
    payload json)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN QUERY
    SELECT d.subscription_id, d.id, d.attempts, d.redrives, d.enqueued_at, d.dead_at, d.reason, d.error_class,
        d.error_message, d.worker, d.error_stack, d.headers, d.payload
    FROM ${schema}.dead_letter d
    WHERE d.subscription_id = p_subscription AND d.id = p_id;
END
$$;

-- Names the next dead letters of a subscription that a redrive or discard by filter works on, oldest first: those after
-- (p_from, p_from_id) and before p_to, up to p_limit messages and p_bytes bytes, at least one message. The bytes keep the
-- transaction short: a redriven message must be visible before claims look past its due time.
CREATE OR REPLACE FUNCTION ${schema}.dead_letter_batch(p_subscription integer, p_error_class text, p_from timestamptz,
    p_from_id bigint, p_to timestamptz, p_limit integer, p_bytes bigint)
RETURNS TABLE (id bigint, dead_at timestamptz)
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    IF p_error_class IS NULL THEN
        RETURN QUERY
        SELECT s.id, s.dead_at
        FROM (SELECT l.id, l.dead_at, sum(l.size) OVER (ORDER BY l.dead_at, l.id) - l.size AS bytes_before
              FROM (SELECT d.id, d.dead_at, d.size FROM ${schema}.dead_letter d
                    WHERE d.subscription_id = p_subscription AND (d.dead_at, d.id) > (p_from, p_from_id)
                        AND d.dead_at < p_to
                    ORDER BY d.dead_at, d.id LIMIT p_limit) l) s
        WHERE s.bytes_before < p_bytes
        ORDER BY s.dead_at, s.id;
    ELSE
        RETURN QUERY
        SELECT s.id, s.dead_at
        FROM (SELECT l.id, l.dead_at, sum(l.size) OVER (ORDER BY l.dead_at, l.id) - l.size AS bytes_before
              FROM (SELECT d.id, d.dead_at, d.size FROM ${schema}.dead_letter d
                    WHERE d.subscription_id = p_subscription AND d.error_class = p_error_class
                        AND (d.dead_at, d.id) > (p_from, p_from_id) AND d.dead_at < p_to
                    ORDER BY d.dead_at, d.id LIMIT p_limit) l) s
        WHERE s.bytes_before < p_bytes
        ORDER BY s.dead_at, s.id;
    END IF;
END
$$;
