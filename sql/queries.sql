-- Every statement the programs use, by name. `-- name: x` becomes Q_X (build/gen/sql.h); the build prepares each one
-- against the tables of sql/*.sql and stops when one does not fit. Parameters are :named.
-- name: meta_get
SELECT value FROM meta WHERE key = :key
-- name: meta_set
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value
-- archive
-- name: segment_by_file
SELECT id FROM segment WHERE file = :file
-- name: segment_next
SELECT coalesce(max(id), 0) + 1 FROM segment
-- name: segment_add
INSERT INTO segment (day, first_us, last_us, messages, recipients, bytes, file) VALUES (:day, :first_us, :last_us, :messages, :recipients, :bytes, :file)
-- name: segment_before
SELECT file FROM segment WHERE day < :day
-- name: segment_drop
DELETE FROM segment WHERE day < :day
-- name: segment_newest
SELECT id, file FROM segment WHERE last_us >= :since AND first_us <= :until ORDER BY day DESC, id DESC
-- name: hot_count
SELECT count(*) FROM hot_message
-- name: hot_add
INSERT INTO hot_message (day, last_us, body) VALUES (:day, :last_us, :body)
-- name: hot_all
SELECT day, body FROM hot_message ORDER BY id
-- name: hot_newest
SELECT body FROM hot_message ORDER BY id DESC
-- name: hot_clear
DELETE FROM hot_message
-- name: hot_drop
DELETE FROM hot_message WHERE day < :day
