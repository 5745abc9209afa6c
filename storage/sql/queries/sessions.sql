-- name: set_up
-- Settings of a session, by names and values of the same order; they stay until it ends.
SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS given (name, value);

-- name: backend
-- The server's process that answers.
SELECT pg_backend_pid();
