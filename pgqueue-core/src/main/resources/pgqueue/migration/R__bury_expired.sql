-- Makes a dead letter of a message whose time to live was over before this delivery. Returns false, so that a claim can call
-- it where it decides what to deliver. The last failure, if there was one, goes into the message.
CREATE OR REPLACE FUNCTION ${schema}.bury_expired(p_worker bigint, p_subscription integer, p_queue integer, p_lane smallint,
    p_id bigint, p_size integer, p_attempts integer, p_redrives integer, p_enqueued_at timestamptz,
    p_expires_at timestamptz, p_last_error text, p_headers json, p_payload json)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
BEGIN
    INSERT INTO ${schema}.dead_letter (subscription_id, id, queue_id, lane, size, attempts, redrives, enqueued_at, reason,
        error_class, error_message, worker, headers, payload)
    VALUES (p_subscription, p_id, p_queue, p_lane, p_size, p_attempts, p_redrives, p_enqueued_at, 'expired',
        'io.pgqueue.Expired',
        format('Expired at %s, before delivery %s',
            to_char(p_expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), p_attempts + 1)
            || coalesce('; the last failure was ' || p_last_error, ''),
        (SELECT w.instance FROM ${schema}.worker w WHERE w.id = p_worker), p_headers, p_payload);
    RETURN false;
END
$$;
