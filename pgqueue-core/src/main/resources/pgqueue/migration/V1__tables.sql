-- Tables of the engine. Two rules shape them: a row on a hot path is inserted and deleted, never updated in place,
-- and every key begins with the subscription or the worker that works on it.

CREATE TABLE ${schema}.queue (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9._-]{1,100}$'),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE ${schema}.subscription (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue_id    integer NOT NULL,
    name        text NOT NULL CHECK (name ~ '^[A-Za-z0-9._-]{1,100}$'),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (queue_id, name)
);

-- The lock of a lane. The row never changes, so taking it leaves no dead versions behind.
CREATE TABLE ${schema}.lane (
    subscription_id  integer NOT NULL,
    lane             smallint NOT NULL,
    PRIMARY KEY (subscription_id, lane)
);

-- How far a subscription has read a lane; only the newest row counts. Append-only, because an update in place would
-- build a chain of dead versions whenever something holds the vacuum horizon.
-- Everything visible in base has been claimed. While a window is open (horizon is set), everything visible in horizon up
-- to the position has been claimed as well. Nothing else has.
-- skipped: messages not read yet that were taken out of the log one by one, so that the position is to pass over them.
-- expired: how many messages the move to this row passed over because they had expired, if any.
CREATE TABLE ${schema}.cursor (
    subscription_id  integer NOT NULL,
    lane             smallint NOT NULL,
    seq              bigint NOT NULL,
    base             pg_snapshot NOT NULL,
    horizon          pg_snapshot,
    position_xid     xid8,
    position_id      bigint,
    skipped          bigint[],
    expired          integer,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (subscription_id, lane, seq),
    CHECK ((horizon IS NULL) = (position_xid IS NULL) AND (horizon IS NULL) = (position_id IS NULL))
);

-- CACHE 1 makes ids causal: what is sent after another message was committed has a higher id.
CREATE SEQUENCE ${schema}.message_id AS bigint CACHE 1;

-- The log. Insert-only, read once per subscription, reclaimed by TRUNCATE of a whole slot.
CREATE TABLE ${schema}.message (
    slot         smallint NOT NULL,
    lane         smallint NOT NULL DEFAULT 0,
    queue_id     integer NOT NULL,
    xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id           bigint NOT NULL DEFAULT nextval('${schema}.message_id'),
    enqueued_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Bytes of payload and headers as text: lets a claim keep its byte budget without touching the payloads.
    size         integer NOT NULL CHECK (size <= 67108864),
    -- From when on it must not be handed to anybody any more.
    expires_at   timestamptz,
    headers      json,
    payload      json NOT NULL
) PARTITION BY LIST (slot);

-- autovacuum is off on the slots of the ring: TRUNCATE resets their age, and a running vacuum would beat the short lock
-- timeout of the rotation. The attic is vacuumed like any other table.
CREATE TABLE ${schema}.message_0 PARTITION OF ${schema}.message (PRIMARY KEY (queue_id, lane, xid, id))
    FOR VALUES IN (0) WITH (autovacuum_enabled = off);
CREATE TABLE ${schema}.message_1 PARTITION OF ${schema}.message (PRIMARY KEY (queue_id, lane, xid, id))
    FOR VALUES IN (1) WITH (autovacuum_enabled = off);
CREATE TABLE ${schema}.message_2 PARTITION OF ${schema}.message (PRIMARY KEY (queue_id, lane, xid, id))
    FOR VALUES IN (2) WITH (autovacuum_enabled = off);
CREATE TABLE ${schema}.message_3 PARTITION OF ${schema}.message (PRIMARY KEY (queue_id, lane, xid, id))
    FOR VALUES IN (3) WITH (autovacuum_enabled = off);
CREATE TABLE ${schema}.message_attic PARTITION OF ${schema}.message (PRIMARY KEY (queue_id, lane, xid, id))
    FOR VALUES IN (-1);

-- Where senders write now: a hint only, because claims read every slot.
CREATE TABLE ${schema}.ring (
    id       smallint PRIMARY KEY CHECK (id = 0),
    current  smallint NOT NULL
);
INSERT INTO ${schema}.ring (id, current) VALUES (0, 0);

-- Messages that may not enter the log yet. They have their ids already, and keep them.
CREATE TABLE ${schema}.scheduled (
    id           bigint PRIMARY KEY DEFAULT nextval('${schema}.message_id'),
    queue_id     integer NOT NULL,
    lane         smallint NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL,
    enqueued_at  timestamptz NOT NULL,
    expires_at   timestamptz,
    size         integer NOT NULL CHECK (size <= 67108864),
    headers      json,
    payload      json NOT NULL
);
CREATE INDEX scheduled_due ON ${schema}.scheduled (due_at);

-- One incarnation of a running process. Its number is never used again, which is what makes (worker_id, n) a fence.
-- dead_at is a tombstone: a claim may have been in flight when the worker was declared dead, so it is swept again.
CREATE TABLE ${schema}.worker (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance    text NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    dead_at     timestamptz
);

-- Apart from worker, because claims read worker and must not walk over the dead versions of a heartbeat.
CREATE TABLE ${schema}.heartbeat (
    worker_id    bigint PRIMARY KEY,
    beat_at      timestamptz NOT NULL,
    -- The server process of the connection that gave it: gone when the worker's process has ended.
    backend_pid  integer NOT NULL
) WITH (fillfactor = 50);

-- Messages read from the log that are in the hands of a worker. No foreign keys here or on retry: a check held open by
-- another transaction would make SKIP LOCKED find nothing.
CREATE TABLE ${schema}.lease (
    worker_id        bigint NOT NULL,
    n                bigint NOT NULL,
    subscription_id  integer NOT NULL,
    queue_id         integer NOT NULL,
    lane             smallint NOT NULL,
    xids             xid8[] NOT NULL,
    ids              bigint[] NOT NULL,
    claimed_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (worker_id, n)
);
-- Compressing hundreds of different numbers was a sixth of what a large claim cost. Equal ones are worth it.
ALTER TABLE ${schema}.lease ALTER COLUMN ids SET STORAGE EXTERNAL;

-- Until when somebody holds messages that were received outside a container: a row per receipt of several messages (those
-- under the numbers from n to last_n, id is 0), and one for each time that a single message was extended. Of the rows that
-- speak of a message the newest counts. They are only inserted and deleted: what settles a message touches none of them.
-- look_at: when to see what became of the messages, long before held_until if that is far away, so that rows whose messages
-- are settled do not pile up.
CREATE TABLE ${schema}.pulled (
    subscription_id  integer NOT NULL,
    look_at          timestamptz NOT NULL,
    worker_id        bigint NOT NULL,
    n                bigint NOT NULL,
    last_n           bigint NOT NULL,
    id               bigint NOT NULL,
    pulled_at        timestamptz NOT NULL,
    held_until       timestamptz NOT NULL,
    PRIMARY KEY (subscription_id, look_at, worker_id, n, id)
);
CREATE INDEX pulled_extended ON ${schema}.pulled (worker_id, n, id) WHERE id > 0;

-- Messages that a subscription took out of line. A row stays while it is leased ((worker_id, n) is set) and is deleted on
-- success; attempts counts the deliveries already spent, redrives how often the message came back from the dead letters.
CREATE TABLE ${schema}.retry (
    subscription_id  integer NOT NULL,
    id               bigint NOT NULL,
    queue_id         integer NOT NULL,
    lane             smallint NOT NULL,
    size             integer NOT NULL,
    attempts         integer NOT NULL,
    redrives         integer NOT NULL DEFAULT 0,
    due_at           timestamptz NOT NULL,
    worker_id        bigint,
    n                bigint,
    enqueued_at      timestamptz NOT NULL,
    expires_at       timestamptz,
    error_class      text,
    error_message    text,
    headers          json,
    payload          json NOT NULL,
    PRIMARY KEY (subscription_id, id),
    CHECK ((worker_id IS NULL) = (n IS NULL))
);
CREATE INDEX retry_due ON ${schema}.retry (subscription_id, due_at) WHERE worker_id IS NULL;
CREATE INDEX retry_held ON ${schema}.retry (worker_id, n, id) WHERE worker_id IS NOT NULL;

-- Messages in the hands of a worker that somebody has cancelled meanwhile: the worker looks here for what to interrupt, and
-- what is put back for another delivery is dropped instead.
CREATE TABLE ${schema}.cancel_request (
    worker_id        bigint NOT NULL,
    subscription_id  integer NOT NULL,
    id               bigint NOT NULL,
    PRIMARY KEY (worker_id, subscription_id, id)
);

-- Messages that were given up, until somebody redrives or discards them. (id, dead_at) names one death of a message.
CREATE TABLE ${schema}.dead_letter (
    subscription_id  integer NOT NULL,
    id               bigint NOT NULL,
    queue_id         integer NOT NULL,
    lane             smallint NOT NULL,
    size             integer NOT NULL,
    attempts         integer NOT NULL,
    redrives         integer NOT NULL,
    enqueued_at      timestamptz NOT NULL,
    dead_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason           text,
    error_class      text,
    error_message    text,
    error_stack      text,
    -- Name of the process that gave the message up.
    worker           text,
    headers          json,
    payload          json NOT NULL,
    PRIMARY KEY (subscription_id, id)
);
-- With an error class and without. None on the time alone: the planner would take it and read the other subscriptions.
CREATE INDEX dead_letter_recent ON ${schema}.dead_letter (subscription_id, dead_at, id);
CREATE INDEX dead_letter_error ON ${schema}.dead_letter (subscription_id, error_class, dead_at, id);
