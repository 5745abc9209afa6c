-- Distributing the schema by lane over the nodes of Citus, and looking whether it is so. Statements about its catalogues fail
-- where the extension is missing: `extension` comes first. Names of tables and nodes are put into commands by format().

-- name: extension
SELECT extversion
FROM pg_extension
WHERE extname = 'citus';

-- name: nodes
-- The nodes that hold shards, in a fixed order.
SELECT nodeid, nodename || ':' || nodeport AS name, isactive AS active
FROM pg_dist_node
WHERE noderole = 'primary' AND shouldhaveshards
ORDER BY nodeid;

-- name: allow_owner_to_log_in
-- Nodes are reached as the role that a statement runs under.
ALTER ROLE postpay_owner LOGIN;

-- name: allow_triggers
-- Those that refuse changes of decisions and postings: they look at nothing but the row.
SET LOCAL citus.enable_unsafe_triggers = on;

-- name: tables
-- All tables in the order of their names: whether they lead with lane, are in parts by lane, and how they are distributed.
SELECT
    tables.oid::bigint AS id,
    tables.relname AS name,
    first_column.attname = 'lane' AS of_lane,
    coalesce(pg_get_partkeydef(tables.oid), '') = 'LIST (lane)' AS in_parts_by_lane,
    pg_total_relation_size(tables.oid)
    + coalesce((SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = tables.oid), 0)::bigint AS bytes
FROM pg_class AS tables
JOIN pg_attribute AS first_column ON first_column.attrelid = tables.oid AND first_column.attnum = 1
WHERE tables.relnamespace = 'postpay'::regnamespace AND tables.relkind IN ('r', 'p') AND NOT tables.relispartition
    AND NOT relation_is_a_known_shard(tables.oid)
ORDER BY tables.relname;

-- name: distributed
-- How tables are distributed: `h` by a column's hash, `n` whole on every node; tables of one colocation share nodes.
SELECT logicalrelid::oid::bigint AS id, partmethod::text AS method, repmodel::text AS replication, colocationid AS colocation
FROM pg_dist_partition;

-- name: foreign_keys
-- Those between tables that lead with lane, with the statements that take them away and make them again.
SELECT
    format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS undo,
    format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS redo
FROM pg_constraint
WHERE contype = 'f' AND conparentid = 0 AND conrelid = ANY($1::oid[]) AND confrelid = ANY($1::oid[]);

-- name: functions
-- A function that a statement or a trigger names has to be on every node, but for those of tables that stay here ($1).
SELECT create_distributed_function(oid::regprocedure)
FROM pg_proc
WHERE pronamespace = 'postpay'::regnamespace AND prokind = 'f' AND proname <> ALL($1::text[]);

-- name: reference_on_new_nodes
-- A node that was added since has none of them; nothing to do otherwise.
SELECT replicate_reference_tables('block_writes');

-- name: reference
SELECT create_reference_table($1::text);

-- name: distribute_lanes
-- The table of lanes itself, as one shard at first.
SELECT create_distributed_table('lane', 'lane', colocate_with => 'none', shard_count => 1);

-- name: is_one_shard
SELECT count(*) = 1 FROM pg_dist_shard WHERE logicalrelid = 'lane'::regclass;

-- name: split
-- A shard for each lane, on the nodes in turn: the hash of few small numbers would put most of them on one. A split point is
-- the last hash of its shard.
WITH hashed AS (
    SELECT lane, worker_hash(lane) AS hash, lead(lane) OVER (ORDER BY worker_hash(lane)) IS NULL AS is_last
    FROM lane
)
SELECT citus_split_shard_by_split_points(
    (SELECT shardid FROM pg_dist_shard WHERE logicalrelid = 'lane'::regclass),
    array_agg(hash::text ORDER BY hash) FILTER (WHERE NOT is_last),
    array_agg(($1::integer[])[1 + lane % cardinality($1::integer[])] ORDER BY hash),
    'block_writes'
)
FROM hashed;

-- name: distribute
-- Whatever else leads with lane, on the nodes of its lanes, with the rows it has.
SELECT create_distributed_table($1::text, 'lane', colocate_with => 'lane');

-- name: forget_local_rows
-- What was copied to the nodes is not kept here as well.
SELECT truncate_local_data_after_distributing_table($1::text::regclass);

-- name: flat_copy
-- The statements that make an empty table like one in parts by lane, named for the time of the move.
SELECT statement
FROM (
    SELECT 1 AS place, format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', $1::text || '_flat', $1::text) AS statement
    UNION ALL
    SELECT 2, format('ALTER TABLE %I OWNER TO %I', $1::text || '_flat', tableowner)
    FROM pg_tables WHERE schemaname = 'postpay' AND tablename = $1::text
    UNION ALL
    SELECT 3, replace(pg_get_triggerdef(oid), format(' ON postpay.%I ', $1::text), format(' ON %I ', $1::text || '_flat'))
    FROM pg_trigger WHERE tgrelid = $1::text::regclass AND NOT tgisinternal
    UNION ALL
    SELECT 4, format('GRANT %s ON %I TO %s', string_agg(privilege_type, ', '), $1::text || '_flat', grantee)
    FROM information_schema.role_table_grants
    WHERE table_schema = 'postpay' AND table_name = $1::text AND grantee <> grantor
    GROUP BY grantee
) AS ordered
ORDER BY place, statement;

-- name: parts
-- The parts of a table, with the statement that copies one.
SELECT
    format('INSERT INTO %I SELECT * FROM %s', $1::text || '_flat', inhrelid::regclass) AS copy,
    pg_total_relation_size(inhrelid) AS bytes
FROM pg_inherits
WHERE inhparent = $1::text::regclass
ORDER BY inhrelid;

-- name: take_place
-- The statements that put the flat table in the place of the other, its indexes under the names that migrations know.
SELECT statement
FROM (
    SELECT 1 AS place, format('DROP TABLE %I', $1::text) AS statement
    UNION ALL
    SELECT 2, format('ALTER TABLE %I RENAME TO %I', $1::text || '_flat', $1::text)
    UNION ALL
    SELECT 3, format('ALTER INDEX %s RENAME TO %I', made.indexrelid::regclass, known_class.relname)
    FROM pg_index AS known
    JOIN pg_class AS known_class ON known_class.oid = known.indexrelid
    JOIN pg_index AS made ON made.indrelid = ($1::text || '_flat')::regclass
        AND made.indkey::text = known.indkey::text AND made.indisunique = known.indisunique
    WHERE known.indrelid = $1::text::regclass
) AS ordered
ORDER BY place, statement;

-- name: set_on_nodes
-- Settings of a session do not reach the nodes: those of the database there do, in sessions that begin later. Each node is told
-- by itself: some versions pass such a command on and refuse it elsewhere, others don't.
SELECT told.nodeid, told.success, told.result
FROM unnest($1::text[], $2::text[]) AS given (name, value)
CROSS JOIN LATERAL run_command_on_all_nodes(
    format(
        'DO %L',
        format(
            'BEGIN SET LOCAL citus.enable_ddl_propagation = off; ALTER DATABASE %I SET %s = %L; END',
            current_database(), given.name, given.value
        )
    )
) AS told
WHERE NOT told.success;

-- name: unset_on_nodes
-- The nodes that don't answer, or whose database lacks one of these settings; names of settings are kept in letters of both sizes.
SELECT nodename || ':' || nodeport AS name, told.success AS answers
FROM run_command_on_all_nodes(
    'SELECT coalesce((SELECT setconfig FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase'
    || ' WHERE setrole = 0 AND datname = current_database()), ''{}'')::text'
) AS told
JOIN pg_dist_node USING (nodeid)
WHERE NOT told.success OR NOT lower(told.result)::text[] @> lower($1::text[]::text)::text[]
ORDER BY name;

-- name: places
-- The shard and the node of each lane.
SELECT lane.number AS lane, shard.shardid AS shard, nodename || ':' || nodeport AS node
FROM generate_series(0, $1::integer - 1) AS lane (number)
JOIN pg_dist_shard AS shard
    ON shard.logicalrelid = 'lane'::regclass
    AND worker_hash(lane.number) BETWEEN shard.shardminvalue::integer AND shard.shardmaxvalue::integer
JOIN pg_dist_placement AS placement USING (shardid)
JOIN pg_dist_node AS node USING (groupid)
WHERE noderole = 'primary'
ORDER BY lane.number;

-- name: owner_may_log_in
SELECT rolcanlogin FROM pg_roles WHERE rolname = 'postpay_owner';
