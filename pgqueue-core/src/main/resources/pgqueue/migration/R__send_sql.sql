-- Sends one message in the caller's transaction: for psql, triggers and other languages; the library itself never calls it.
-- People's programs do, so that its signature stays. It refuses what the library would refuse to send, and unlike send_batch
-- it raises, which is what users of SQL expect: PGQ03 for a queue that does not exist, 22023 for a message or a time that
-- cannot be. With p_notify the transaction contains a NOTIFY, whose commit takes a lock for the whole server; never by
-- announce, which would have the caller's commit not wait for the disk.
CREATE OR REPLACE FUNCTION ${schema}.send(p_queue text, p_payload json, p_headers json DEFAULT NULL,
    p_delay interval DEFAULT NULL, p_ttl interval DEFAULT NULL, p_notify boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_payload     text := p_payload::text;
    v_headers     text := p_headers::text;
    v_size        bigint := octet_length(v_payload)::bigint + coalesce(octet_length(v_headers), 0);
    v_id          bigint;
    v_due_micros  bigint;
BEGIN
    IF p_payload IS NULL OR json_typeof(p_payload) = 'null' THEN
        RAISE EXCEPTION 'pgqueue: the payload is null, which no handler could take: send an empty object, for example'
            USING ERRCODE = '22023';
    ELSIF v_size > 67108864 THEN
        RAISE EXCEPTION 'pgqueue: payload and headers have % bytes, but 67108864 are allowed: send a reference', v_size
            USING ERRCODE = '22023';
    END IF;
    IF p_headers IS NOT NULL THEN
        PERFORM ${schema}.require_valid_headers(p_headers);
    END IF;
    IF p_delay < interval '0' OR p_delay > interval '36500 days' THEN
        RAISE EXCEPTION 'pgqueue: the delay is %, but must be from 0 to 36500 days', p_delay USING ERRCODE = '22023';
    END IF;
    IF p_ttl <= coalesce(p_delay, interval '0') OR p_ttl > interval '36500 days' THEN
        RAISE EXCEPTION 'pgqueue: the time to live is %, but must be longer than the delay and at most 36500 days', p_ttl
            USING ERRCODE = '22023';
    END IF;

    IF p_delay IS NULL AND p_ttl IS NULL THEN
        SELECT s.id INTO v_id FROM ${schema}.send_batch(p_queue, ARRAY[v_payload], ARRAY[v_headers]) AS s (id);
    ELSE
        SELECT s.id, s.due_micros INTO v_id, v_due_micros
        FROM ${schema}.send_timed(p_queue, ARRAY[v_payload], ARRAY[v_headers],
            clock_timestamp() + coalesce(p_delay, interval '0'), NULL, (extract(epoch FROM p_ttl) * 1000000)::bigint) s;
    END IF;
    IF v_id IS NULL THEN
        RAISE EXCEPTION 'pgqueue: queue "%" does not exist', p_queue
            USING ERRCODE = 'PGQ03', HINT = 'An application declares it with a @QueueListener, a Queue bean or pgqueue.queues.';
    END IF;

    IF p_notify THEN
        PERFORM pg_notify(${schema}.channel(), '/' || CASE WHEN v_due_micros IS NOT NULL THEN 's'
            ELSE (SELECT q.id::text FROM ${schema}.queue q WHERE q.name = p_queue) END);
    END IF;
    RETURN v_id;
END
$$;

-- Raises unless headers are what a sender may set: strings, numbers and booleans, under names that are not the library's.
CREATE OR REPLACE FUNCTION ${schema}.require_valid_headers(p_headers json)
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    v_header  record;
BEGIN
    IF json_typeof(p_headers) <> 'object' THEN
        RAISE EXCEPTION 'pgqueue: the headers are no object, but of type %', json_typeof(p_headers)
            USING ERRCODE = '22023';
    END IF;
    FOR v_header IN SELECT h.key, json_typeof(h.value) AS type FROM json_each(p_headers) h LOOP
        IF starts_with(v_header.key, 'pgqueue_') THEN
            RAISE EXCEPTION 'pgqueue: the header "%" cannot be set: names that begin with pgqueue_ belong to the library',
                v_header.key USING ERRCODE = '22023';
        ELSIF v_header.type IN ('object', 'array') THEN
            RAISE EXCEPTION 'pgqueue: the header "%" is of type %, but only strings, numbers and booleans can be stored',
                v_header.key, v_header.type USING ERRCODE = '22023';
        END IF;
    END LOOP;
END
$$;
