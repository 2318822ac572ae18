-- Migrations of an application that uses Flyway
CREATE TABLE app_order (
    id        bigint PRIMARY KEY,
    customer  text NOT NULL
);

-- Whether queues were there before
CREATE TABLE migration_saw AS SELECT to_regnamespace('pgqueue') IS NOT NULL AS queues;
