-- name: set_up
-- Settings of a session, by names and values of the same order; they stay until it ends.
SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS given (name, value);

-- name: set_up_on_one_node
-- The same, unless the database is distributed: then nothing is set.
SELECT set_config(name, value, false)
FROM unnest($1::text[], $2::text[]) AS given (name, value)
WHERE NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus');

-- name: forget_plans
-- Of all prepared statements; they stay prepared and are planned anew when they run next.
DISCARD PLANS;

-- name: backend
-- The server's process that answers.
SELECT pg_backend_pid();
