-- Every statement the programs use, by name. `-- name: x` becomes Q_X (build/gen/sql.h); the build prepares each one
-- against the tables of sql/*.sql and stops when one does not fit. Parameters are :named.
-- name: meta_get
SELECT value FROM meta WHERE key = :key
-- name: meta_set
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value
