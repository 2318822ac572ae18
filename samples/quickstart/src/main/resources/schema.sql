CREATE TABLE IF NOT EXISTS orders (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer  text        NOT NULL,
    item      text        NOT NULL,
    quantity  integer     NOT NULL,
    status    text        NOT NULL DEFAULT 'PLACED',
    placed_at timestamptz NOT NULL DEFAULT now()
);
