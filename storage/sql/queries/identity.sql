-- name: identity
-- Which database this is and what it belongs to.
SELECT database_id, lanes, cluster_id, prefix, consumer_group
FROM identity;

-- name: bind
-- The first worker says what the database belongs to; whoever comes later finds it there.
UPDATE identity
SET cluster_id = $1, prefix = $2, consumer_group = $3
WHERE cluster_id IS NULL;

-- name: create
-- The database's own id, made once.
INSERT INTO identity (lanes)
VALUES ($1)
RETURNING database_id;

-- name: create_again
-- The id of a database that was, for the schema that takes its place.
INSERT INTO identity (database_id, lanes, cluster_id, prefix, consumer_group)
VALUES ($1, $2, $3, $4, $5);

-- name: make_lanes
-- The lanes' rows and partitions, with the chain hash each starts from.
CALL make_lanes($1, $2, $3);

-- name: store_terms
-- A terms document, once.
INSERT INTO terms (digest, document)
VALUES ($1, $2)
ON CONFLICT DO NOTHING;
