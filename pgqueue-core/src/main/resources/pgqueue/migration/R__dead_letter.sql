-- The newest dead letters of a queue, for people who look into them.
CREATE OR REPLACE FUNCTION ${schema}.dead_letters(p_queue text, p_limit integer)
RETURNS TABLE (id bigint, subscription text, error_class text, error_message text, attempts integer,
    enqueued_at timestamptz, dead_at timestamptz)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    RETURN QUERY
    SELECT d.id, s.name, d.error_class, d.error_message, d.attempts, d.enqueued_at, d.dead_at
    FROM ${schema}.queue q
    JOIN ${schema}.dead_letter d ON d.queue_id = q.id
    JOIN ${schema}.subscription s ON s.id = d.subscription_id
    WHERE q.name = p_queue
    ORDER BY d.dead_at DESC, d.id DESC
    LIMIT p_limit;
END
$$;
