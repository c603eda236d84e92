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
-- store
-- name: input_get
SELECT applied_seq, snapshot, counters, path, last_event_us FROM input WHERE source = :source
-- name: input_put
INSERT INTO input (source, applied_seq, counters, path, last_event_us, heard_us) VALUES (:source, :seq, :counters, :path, :last, :heard)
ON CONFLICT (source) DO UPDATE SET applied_seq = excluded.applied_seq, counters = excluded.counters, path = excluded.path,
  last_event_us = excluded.last_event_us, heard_us = excluded.heard_us
-- name: input_snapshot
UPDATE input SET snapshot = :snapshot WHERE source = :source
-- name: shape_put
INSERT INTO unrecognised (source, program, shape, lines, sample) VALUES (:source, :program, :shape, :lines, :sample)
ON CONFLICT (source, program, shape) DO UPDATE SET lines = excluded.lines, sample = excluded.sample
-- name: memory_all
SELECT key, page, value, bytes FROM memory
-- name: memory_put
INSERT OR REPLACE INTO memory (key, page, bytes, value) VALUES (:key, :page, :bytes, :value)
-- name: principal_get
SELECT score, first_us, last_us, messages, recipients, bounced, state FROM principal WHERE kind = :kind AND id = :id
-- name: principal_put
INSERT INTO principal (kind, id, customer, score, first_us, last_us, messages, recipients, bounced, case_id, state)
VALUES (:kind, :id, :customer, :score, :first, :last, :messages, :recipients, :bounced, nullif(:case_id, 0), :state)
ON CONFLICT (kind, id) DO UPDATE SET customer = excluded.customer, score = excluded.score, last_us = excluded.last_us,
  messages = excluded.messages, recipients = excluded.recipients, bounced = excluded.bounced, case_id = excluded.case_id, state = excluded.state
-- name: volume_add
INSERT INTO volume (bucket_us, messages, recipients, sent, deferred, bounced, rejected, auth_failed)
VALUES (:bucket, :messages, :recipients, :sent, :deferred, :bounced, :rejected, :auth_failed)
ON CONFLICT (bucket_us) DO UPDATE SET messages = messages + excluded.messages, recipients = recipients + excluded.recipients,
  sent = sent + excluded.sent, deferred = deferred + excluded.deferred, bounced = bounced + excluded.bounced,
  rejected = rejected + excluded.rejected, auth_failed = auth_failed + excluded.auth_failed
-- name: principal_hour_add
INSERT INTO principal_hour (hour_us, kind, id, messages, recipients, bounced, refused) VALUES (:hour, :kind, :id, :messages, :recipients, :bounced, :refused)
ON CONFLICT (hour_us, kind, id) DO UPDATE SET messages = messages + excluded.messages, recipients = recipients + excluded.recipients,
  bounced = bounced + excluded.bounced, refused = refused + excluded.refused
-- name: receiver_hour_add
INSERT INTO receiver_hour (hour_us, receiver, recipients, sent, deferred, bounced, refused) VALUES (:hour, :receiver, :recipients, :sent, :deferred, :bounced, :refused)
ON CONFLICT (hour_us, receiver) DO UPDATE SET recipients = recipients + excluded.recipients, sent = sent + excluded.sent,
  deferred = deferred + excluded.deferred, bounced = bounced + excluded.bounced, refused = refused + excluded.refused
-- name: volume_drop
DELETE FROM volume WHERE bucket_us < :before
-- name: principal_hour_drop
DELETE FROM principal_hour WHERE hour_us < :before
-- name: receiver_hour_drop
DELETE FROM receiver_hour WHERE hour_us < :before
-- name: case_put
INSERT OR REPLACE INTO acase (id, kind, runner_up, principal_kind, principal_id, customer, state, level, severity, score, peak_score, threshold,
  first_seen_us, opened_us, updated_us, closed_us, reopened, messages, recipients, sentence, also, counter_evidence, guards, utc_offset_s,
  positive_us, below_us, lines)
VALUES (:id, :kind, :runner_up, :principal_kind, :principal_id, :customer, :state, :level,
  CASE :severity WHEN 0 THEN 'low' WHEN 1 THEN 'medium' WHEN 2 THEN 'high' ELSE 'critical' END, :score, :peak, :threshold,
  :first_seen, :opened, :updated, nullif(:closed, 0), :reopened, :messages, :recipients, :sentence, :also, :counter, :guards, :offset,
  :positive, :below, :lines)
-- name: case_state
UPDATE acase SET state = :state, closed_us = nullif(:closed, 0), score = :score, positive_us = :positive, below_us = :below, reopened = :reopened WHERE id = :id
-- name: case_get
SELECT id, kind, runner_up, principal_kind, principal_id, customer, state, level,
  CASE severity WHEN 'low' THEN 0 WHEN 'medium' THEN 1 WHEN 'high' THEN 2 ELSE 3 END, score, peak_score, threshold, first_seen_us, opened_us,
  updated_us, coalesce(closed_us, 0), reopened, messages, recipients, utc_offset_s, positive_us, below_us, lines FROM acase WHERE id = :id
-- name: case_recent
SELECT id FROM acase WHERE principal_kind = :kind AND principal_id = :id AND state = 'closed' AND closed_us >= :since ORDER BY id DESC LIMIT 1
-- name: case_open_ids
SELECT id FROM acase WHERE state IN ('open', 'acknowledged') ORDER BY id
-- name: case_detector_all
SELECT name, score FROM case_detector WHERE case_id = :id
-- name: case_detector_put
INSERT OR REPLACE INTO case_detector (case_id, name, score, since_us, why) VALUES (:id, :name, :score, :since, :why)
-- name: case_evidence_put
INSERT OR REPLACE INTO case_evidence (case_id, seq, at_us, detector, line) VALUES (:id, :seq, :at, :detector, :line)
-- name: case_evidence_trim
DELETE FROM case_evidence WHERE case_id = :id AND seq >= 8 AND seq < :added - 16
-- name: case_source_put
INSERT OR REPLACE INTO case_source (case_id, ip, name, country, asn, first_us, last_us, messages) VALUES (:id, :ip, :name, :country, :asn, :first, :last, :messages)
-- name: case_domain_put
INSERT OR REPLACE INTO case_domain (case_id, domain, recipients, refused) VALUES (:id, :domain, :recipients, :refused)
-- name: case_score_put
INSERT INTO case_score (case_id, bucket_us, detector, score) VALUES (:id, :bucket, :detector, :score)
ON CONFLICT (case_id, bucket_us, detector) DO UPDATE SET score = max(score, excluded.score)
-- name: case_event_add
INSERT INTO case_event (case_id, seq, at_us, actor, what, text)
VALUES (:id, (SELECT coalesce(max(seq), 0) + 1 FROM case_event WHERE case_id = :id), :at, :actor, :what, :text)
-- name: case_detector_drop
DELETE FROM case_detector WHERE case_id IN (SELECT id FROM acase WHERE closed_us < :before)
-- name: case_score_drop
DELETE FROM case_score WHERE case_id IN (SELECT id FROM acase WHERE closed_us < :before)
-- name: case_evidence_drop
DELETE FROM case_evidence WHERE case_id IN (SELECT id FROM acase WHERE closed_us < :before)
-- name: case_source_drop
DELETE FROM case_source WHERE case_id IN (SELECT id FROM acase WHERE closed_us < :before)
-- name: case_domain_drop
DELETE FROM case_domain WHERE case_id IN (SELECT id FROM acase WHERE closed_us < :before)
-- name: case_event_drop
DELETE FROM case_event WHERE case_id IN (SELECT id FROM acase WHERE closed_us < :before)
-- name: notification_drop
DELETE FROM notification WHERE case_id IN (SELECT id FROM acase WHERE closed_us < :before)
-- name: case_drop
DELETE FROM acase WHERE closed_us < :before
-- name: notification_add
INSERT INTO notification (case_id, at_us, kind, recipient, language, status, error, message_id, done_us)
VALUES (:case_id, :at, :kind, :recipient, :language, :status, :error, :message_id, :done)
-- name: notification_done
UPDATE notification SET status = :status, error = :error, message_id = :message_id, done_us = :done, tries = tries + 1 WHERE id = :id
