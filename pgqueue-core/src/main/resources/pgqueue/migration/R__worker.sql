-- Registers one incarnation of a process. Its number is never used again.
CREATE OR REPLACE FUNCTION ${schema}.register_worker(p_instance text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    v_id  bigint;
BEGIN
    INSERT INTO ${schema}.worker (instance) VALUES (p_instance) RETURNING id INTO v_id;
    INSERT INTO ${schema}.heartbeat (worker_id, beat_at, backend_pid) VALUES (v_id, clock_timestamp(), pg_backend_pid());
    RETURN v_id;
END
$$;

-- Declares dead the predecessors of a worker: those of the same instance whose connection is gone. Where one is not really
-- dead, it finds its leases lost, as if it had been paused. Returns how many there were.
CREATE OR REPLACE FUNCTION ${schema}.succeed(p_worker bigint)
RETURNS integer
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
AS $$
DECLARE
    v_count  integer;
BEGIN
    PERFORM ${schema}.require_read_committed();
    UPDATE ${schema}.worker w SET dead_at = clock_timestamp()
    WHERE w.dead_at IS NULL AND w.id < p_worker
        AND w.instance = (SELECT s.instance FROM ${schema}.worker s WHERE s.id = p_worker)
        AND NOT EXISTS (
            SELECT 1 FROM ${schema}.heartbeat h CROSS JOIN LATERAL pg_stat_get_activity(h.backend_pid)
            WHERE h.worker_id = w.id);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

-- Says that a worker lives. False when it was declared dead: then all its leases are lost.
CREATE OR REPLACE FUNCTION ${schema}.beat(p_worker bigint)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE ${schema}.heartbeat SET beat_at = clock_timestamp(), backend_pid = pg_backend_pid() WHERE worker_id = p_worker;
    RETURN EXISTS (SELECT 1 FROM ${schema}.worker WHERE id = p_worker AND dead_at IS NULL);
END
$$;

-- Declares a worker dead, unless it has given another sign of life since p_seen.
CREATE OR REPLACE FUNCTION ${schema}.declare_dead(p_worker bigint, p_seen timestamptz)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    PERFORM ${schema}.require_read_committed();
    PERFORM 1 FROM ${schema}.heartbeat h WHERE h.worker_id = p_worker AND h.beat_at = p_seen FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE ${schema}.worker SET dead_at = clock_timestamp() WHERE id = p_worker AND dead_at IS NULL;
    RETURN FOUND;
END
$$;

-- Signs a worker off. What it still holds, which is nothing after a clean stop, is left for the others to recover.
CREATE OR REPLACE FUNCTION ${schema}.sign_off(p_worker bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    UPDATE ${schema}.worker SET dead_at = clock_timestamp() WHERE id = p_worker AND dead_at IS NULL;
END
$$;
