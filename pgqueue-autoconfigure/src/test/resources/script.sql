-- Schema of an application that initializes its database with a script
CREATE TABLE IF NOT EXISTS by_script (id bigint PRIMARY KEY);
