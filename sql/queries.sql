-- Every statement the programs use, by name. `-- name: x` becomes Q_X (build/gen/sql.h); the build prepares each one
-- against the tables of sql/*.sql and stops when one does not fit. Parameters are :named.
-- name: meta_get
SELECT value FROM meta WHERE key = :key
-- name: meta_set
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value
-- archive
-- name: segment_by_file
SELECT id FROM segment WHERE file = :file UNION ALL SELECT id FROM segment_filter WHERE printf('%08d.filter', id) = :file
-- name: segment_next
SELECT coalesce(max(max(id), max(CAST(substr(file, instr(substr(file, 2), '-') + 2) AS INTEGER))), 0) + 1 FROM segment
-- name: segment_add
INSERT INTO segment (day, first_us, last_us, messages, recipients, bytes, file) VALUES (:day, :first_us, :last_us, :messages, :recipients, :bytes, :file)
-- name: segment_before
SELECT file FROM segment WHERE day < :day
-- name: segment_days
SELECT id, day, file, messages, recipients FROM segment WHERE day < :day ORDER BY day, id
-- name: segment_merged
DELETE FROM segment WHERE day = :day AND id BETWEEN :first AND :last
-- name: segment_put
INSERT INTO segment (id, day, first_us, last_us, messages, recipients, bytes, file) VALUES (:id, :day, :first_us, :last_us, :messages, :recipients, :bytes, :file)
-- name: segment_drop
DELETE FROM segment WHERE day < :day
-- name: segment_newest
SELECT id, file, filter, filter_bit, day FROM segment WHERE last_us >= :since AND first_us <= :until AND (day, id) < (:day, :id) ORDER BY day DESC, id DESC LIMIT :n
-- name: filter_wanting
SELECT id, file, first_us, last_us FROM segment WHERE filter = 0 ORDER BY day, id LIMIT :n
-- name: filter_add
INSERT INTO segment_filter (first_us, last_us, bytes) VALUES (:first_us, :last_us, 0)
-- name: filter_size
UPDATE segment_filter SET bytes = :bytes WHERE id = :id
-- name: filter_cover
UPDATE segment SET filter = :filter, filter_bit = :bit WHERE id = :id
-- name: filter_ids
SELECT id, (SELECT max(id) FROM segment_filter) FROM segment_filter WHERE last_us >= :since AND first_us <= :until ORDER BY id DESC
-- name: filter_member
SELECT id, file, day FROM segment WHERE filter = :filter AND filter_bit = :bit AND last_us >= :since AND first_us <= :until
-- name: filter_members
SELECT filter_bit, file FROM segment WHERE filter = :filter
-- name: filter_without
SELECT id, file, day FROM segment WHERE (filter = 0 OR filter > :newest) AND last_us >= :since AND first_us <= :until
-- name: filter_forget
UPDATE segment SET filter = 0 WHERE filter = :id
-- name: filter_unused
SELECT id FROM segment_filter WHERE id NOT IN (SELECT filter FROM segment)
-- name: filter_drop
DELETE FROM segment_filter WHERE id NOT IN (SELECT filter FROM segment)
-- name: hot_count
SELECT count(*), coalesce(sum(length(body)), 0) FROM hot_message
-- name: hot_add
INSERT INTO hot_message (day, last_us, body) VALUES (:day, :last_us, :body)
-- name: hot_all
SELECT day, body FROM hot_message ORDER BY id
-- name: hot_after
SELECT id, body FROM hot_message WHERE id > :id ORDER BY id
-- name: hot_times
SELECT times FROM hot_removed
-- name: hot_removed
UPDATE hot_removed SET times = times + 1
-- name: hot_clear
DELETE FROM hot_message
-- name: hot_drop
DELETE FROM hot_message WHERE day < :day
-- store
-- name: input_get
SELECT applied_seq, snapshot, counters, path, last_event_us FROM input LEFT JOIN input_snapshot USING (source) WHERE source = :source
-- name: input_put
INSERT INTO input (source, applied_seq, counters, path, last_event_us, heard_us) VALUES (:source, :seq, :counters, :path, :last, :heard)
ON CONFLICT (source) DO UPDATE SET applied_seq = excluded.applied_seq, counters = excluded.counters, path = excluded.path,
  last_event_us = excluded.last_event_us, heard_us = excluded.heard_us
-- name: input_heard
SELECT coalesce(max(heard_us), 0) FROM input
-- name: input_put_back
UPDATE input SET heard_us = min(heard_us, :now), last_event_us = min(last_event_us, :now)
-- name: input_snapshot_put
INSERT INTO input_snapshot (source, snapshot) VALUES (:source, :snapshot) ON CONFLICT (source) DO UPDATE SET snapshot = excluded.snapshot
-- name: input_snapshot_drop
DELETE FROM input_snapshot WHERE source = :source
-- name: input_drop
DELETE FROM input WHERE applied_seq = 0 AND heard_us IS 0 AND last_event_us < :before AND source NOT IN (SELECT source FROM input_snapshot)
-- name: shape_drop_gone
DELETE FROM unrecognised WHERE source NOT IN (SELECT source FROM input)
-- name: shape_put
INSERT INTO unrecognised (source, program, shape, lines, sample) VALUES (:source, :program, :shape, :lines, :sample)
ON CONFLICT (source, program, shape) DO UPDATE SET lines = excluded.lines, sample = excluded.sample
-- name: shape_drop
DELETE FROM unrecognised WHERE source = :source AND program = :program AND shape = :shape
-- name: memory_all
SELECT key, page, value, bytes FROM memory
-- name: memory_put
INSERT INTO memory (key, page, bytes, value) VALUES (:key, :page, :bytes, :value)
ON CONFLICT (key, page) DO UPDATE SET bytes = excluded.bytes, value = excluded.value
-- name: memory_late_all
SELECT deltas FROM memory_late ORDER BY rowid
-- name: memory_late_add
INSERT INTO memory_late (deltas) VALUES (:deltas)
-- name: memory_late_clear
DELETE FROM memory_late
-- name: contact_new_all
SELECT pairs FROM contact_new ORDER BY rowid
-- name: contact_new_add
INSERT INTO contact_new (pairs) VALUES (:pairs)
-- name: contact_new_clear
DELETE FROM contact_new
-- name: principal_get
SELECT score, first_us, last_us, messages, recipients, bounced, state, today, id, case_id IS NOT NULL FROM principal WHERE kind = :kind AND id = :id
-- name: principal_any
SELECT 1 FROM principal LIMIT 1
-- name: principal_put
INSERT INTO principal (kind, id, customer, score, first_us, last_us, messages, recipients, bounced, case_id, state, today)
VALUES (:kind, :id, :customer, :score, :first, :last, :messages, :recipients, :bounced, nullif(:case_id, 0), :state, :today)
ON CONFLICT (kind, id) DO UPDATE SET customer = excluded.customer, score = excluded.score, first_us = min(first_us, excluded.first_us), last_us = excluded.last_us,
  messages = excluded.messages, recipients = excluded.recipients, bounced = excluded.bounced, case_id = excluded.case_id, state = excluded.state, today = excluded.today
-- name: principal_drop
DELETE FROM principal WHERE last_us < :before AND case_id IS NULL
-- name: principal_late_add
INSERT INTO principal_late (kind, id, customer, score, first_us, last_us, messages, recipients, bounced, case_id, state, today)
VALUES (:kind, :id, :customer, :score, :first, :last, :messages, :recipients, :bounced, nullif(:case_id, 0), :state, :today)
-- name: principal_late_take
INSERT INTO principal (kind, id, customer, score, first_us, last_us, messages, recipients, bounced, case_id, state, today)
SELECT kind, id, customer, score, first_us, last_us, messages, recipients, bounced, case_id, state, today FROM principal_late WHERE true ORDER BY rowid
ON CONFLICT (kind, id) DO UPDATE SET customer = excluded.customer, score = excluded.score, first_us = min(first_us, excluded.first_us), last_us = excluded.last_us,
  messages = excluded.messages, recipients = excluded.recipients, bounced = excluded.bounced, case_id = excluded.case_id, state = excluded.state, today = excluded.today
-- name: principal_late_any
SELECT 1 FROM principal_late LIMIT 1
-- name: principal_late_clear
DELETE FROM principal_late
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
-- name: hour_now_all
SELECT what, kind, id, hour_us, messages, recipients, sent, deferred, bounced, refused FROM hour_now ORDER BY rowid
-- name: hour_now_add
INSERT INTO hour_now (what, kind, id, hour_us, messages, recipients, sent, deferred, bounced, refused)
VALUES (:what, :kind, :id, :hour, :messages, :recipients, :sent, :deferred, :bounced, :refused)
-- name: hour_now_clear
DELETE FROM hour_now
-- name: principal_day_put
INSERT INTO principal_day (kind, id, day, hours) VALUES (:kind, :id, :day, :hours)
ON CONFLICT (kind, id, day) DO UPDATE SET hours = principal_day.hours || excluded.hours
-- name: principal_day_drop
DELETE FROM principal_day WHERE day < :before
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
INSERT INTO acase (id, kind, runner_up, principal_kind, principal_id, customer, state, level, severity, score, peak_score, threshold,
  first_seen_us, opened_us, updated_us, closed_us, reopened, messages, recipients, utc_offset_s, positive_us, below_us, lines, parent, sentence)
VALUES (:id, :kind, :runner_up, :principal_kind, :principal_id, :customer, :state, :level,
  CASE :severity WHEN 0 THEN 'low' WHEN 1 THEN 'medium' WHEN 2 THEN 'high' ELSE 'critical' END, :score, :peak, :threshold,
  :first_seen, :opened, :updated, nullif(:closed, 0), :reopened, :messages, :recipients, :offset, :positive, :below, :lines, :parent, '')
ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, runner_up = excluded.runner_up, customer = excluded.customer, state = excluded.state,
  level = excluded.level, severity = excluded.severity, score = excluded.score, peak_score = excluded.peak_score, threshold = excluded.threshold,
  first_seen_us = excluded.first_seen_us, opened_us = excluded.opened_us, updated_us = excluded.updated_us, closed_us = excluded.closed_us, reopened = excluded.reopened,
  messages = excluded.messages, recipients = excluded.recipients, utc_offset_s = excluded.utc_offset_s,
  positive_us = excluded.positive_us, below_us = excluded.below_us, lines = excluded.lines, parent = excluded.parent
-- name: case_text
UPDATE acase SET sentence = :sentence, also = :also, counter_evidence = :counter, guards = :guards WHERE id = :id
-- name: case_get
SELECT id, kind, runner_up, principal_kind, principal_id, customer, state, level,
  CASE severity WHEN 'low' THEN 0 WHEN 'medium' THEN 1 WHEN 'high' THEN 2 ELSE 3 END, score, peak_score, threshold, first_seen_us, opened_us,
  updated_us, coalesce(closed_us, 0), reopened, messages, recipients, utc_offset_s, positive_us, below_us, lines, parent FROM acase WHERE id = :id
-- name: case_recent
SELECT id FROM acase WHERE principal_kind = :kind AND principal_id = :id COLLATE NOCASE AND state = 'closed' AND closed_us >= :since ORDER BY id DESC LIMIT 1
-- name: case_open_ids
SELECT id FROM acase WHERE state IN ('open', 'acknowledged') ORDER BY id
-- name: case_detector_all
SELECT name, score FROM case_detector WHERE case_id = :id
-- name: case_detector_clear
DELETE FROM case_detector WHERE case_id = :id
-- name: case_detector_put
INSERT OR REPLACE INTO case_detector (case_id, name, score, since_us, why) VALUES (:id, :name, :score, :since, :why)
-- name: case_evidence_clear
DELETE FROM case_evidence WHERE case_id = :id
-- name: case_evidence_put
INSERT OR REPLACE INTO case_evidence (case_id, seq, at_us, detector, line) VALUES (:id, :seq, :at, :detector, :line)
-- name: case_evidence_trim
DELETE FROM case_evidence WHERE case_id = :id AND seq >= 8 AND seq < :added - 16
-- name: case_source_clear
DELETE FROM case_source WHERE case_id = :id
-- name: case_source_put
INSERT OR REPLACE INTO case_source (case_id, ip, name, country, asn, first_us, last_us, messages) VALUES (:id, :ip, :name, :country, :asn, :first, :last, :messages)
-- name: case_domain_clear
DELETE FROM case_domain WHERE case_id = :id
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
-- web
-- name: web_case_counts
SELECT severity, state, count(*) AS cases FROM acase GROUP BY severity, state
-- name: web_case_active
SELECT c.id, c.severity, c.level, c.state, c.kind, c.principal_kind, c.principal_id, c.customer, c.score, c.messages, c.recipients,
  c.opened_us, c.updated_us, c.sentence, c.utc_offset_s
FROM acase c WHERE c.state IN ('open', 'acknowledged')
ORDER BY c.state = 'acknowledged', CASE c.severity WHEN 'critical' THEN 3 WHEN 'high' THEN 2 WHEN 'medium' THEN 1 ELSE 0 END DESC, c.score DESC, c.id DESC
LIMIT :limit
-- name: web_cases
SELECT c.id, c.severity, c.level, c.state, c.kind, c.principal_kind, c.principal_id, c.customer, c.score, c.peak_score, c.messages, c.recipients,
  c.first_seen_us, c.opened_us, c.updated_us, c.closed_us, c.reopened, c.sentence,
  (SELECT group_concat(name, ' ') FROM (SELECT name FROM case_detector d WHERE d.case_id = c.id AND d.score > 0 ORDER BY d.score DESC)) AS detectors,
  c.utc_offset_s
FROM acase c
WHERE (:state = '' OR c.state = :state OR (:state = 'active' AND c.state IN ('open', 'acknowledged')))
  AND (:severity = '' OR c.severity = :severity) AND (:kind = '' OR c.kind = :kind) AND (:customer = '' OR c.customer = :customer)
  AND (:text = '' OR instr(lower(c.principal_id), lower(:text)) OR instr(lower(c.customer), lower(:text)) OR instr(lower(c.sentence), lower(:text))
    OR c.id = CAST(:text AS INTEGER))
ORDER BY
  CASE :sort WHEN 'severity' THEN CASE c.severity WHEN 'critical' THEN 3 WHEN 'high' THEN 2 WHEN 'medium' THEN 1 ELSE 0 END * 1000000000 + c.score
    WHEN 'score' THEN c.score WHEN 'opened' THEN c.opened_us WHEN 'updated' THEN c.updated_us WHEN 'messages' THEN c.messages
    WHEN 'recipients' THEN c.recipients WHEN 'id' THEN c.id END * :direction,
  CASE WHEN :direction > 0 THEN CASE :sort WHEN 'customer' THEN c.customer WHEN 'principal' THEN c.principal_id WHEN 'state' THEN c.state END END,
  CASE WHEN :direction < 0 THEN CASE :sort WHEN 'customer' THEN c.customer WHEN 'principal' THEN c.principal_id WHEN 'state' THEN c.state END END DESC,
  c.id DESC
LIMIT :limit OFFSET :offset
-- name: web_cases_count
SELECT count(*) FROM acase c
WHERE (:state = '' OR c.state = :state OR (:state = 'active' AND c.state IN ('open', 'acknowledged')))
  AND (:severity = '' OR c.severity = :severity) AND (:kind = '' OR c.kind = :kind) AND (:customer = '' OR c.customer = :customer)
  AND (:text = '' OR instr(lower(c.principal_id), lower(:text)) OR instr(lower(c.customer), lower(:text)) OR instr(lower(c.sentence), lower(:text))
    OR c.id = CAST(:text AS INTEGER))
-- name: web_case_kinds
SELECT DISTINCT kind FROM acase WHERE kind <> '' ORDER BY kind
-- name: web_case
SELECT id, kind, runner_up, principal_kind, principal_id, customer, state, level, severity, score, peak_score, threshold, first_seen_us, opened_us,
  updated_us, closed_us, reopened, messages, recipients, sentence, also AS also_json, counter_evidence, guards AS guards_json, changes, nullif(parent, 0) AS parent, utc_offset_s
FROM acase WHERE id = :id
-- name: web_case_children
SELECT id, principal_kind, principal_id, state FROM acase WHERE parent = :id ORDER BY id
-- name: web_case_detectors
SELECT d.name, d.score, d.since_us, d.why, c.utc_offset_s FROM case_detector d JOIN acase c ON c.id = d.case_id
WHERE d.case_id = :id AND d.score > 0 ORDER BY d.score DESC, d.name
-- name: web_case_scores
SELECT s.bucket_us, s.detector, s.score, c.utc_offset_s FROM case_score s JOIN acase c ON c.id = s.case_id WHERE s.case_id = :id ORDER BY s.bucket_us, s.detector
-- name: web_case_evidence
SELECT e.seq, e.at_us, e.detector, e.line, c.utc_offset_s FROM case_evidence e JOIN acase c ON c.id = e.case_id WHERE e.case_id = :id ORDER BY e.at_us, e.seq
-- name: web_case_sources
SELECT s.ip, s.name, s.country, s.asn, s.first_us, s.last_us, s.messages, c.utc_offset_s FROM case_source s JOIN acase c ON c.id = s.case_id
WHERE s.case_id = :id ORDER BY s.messages DESC, s.ip
-- name: web_case_domains
SELECT domain, recipients, refused FROM case_domain WHERE case_id = :id ORDER BY recipients DESC, domain
-- name: web_case_events
SELECT e.seq, e.at_us, e.actor, e.what, e.text, c.utc_offset_s FROM case_event e JOIN acase c ON c.id = e.case_id WHERE e.case_id = :id ORDER BY e.seq
-- name: web_case_notifications
SELECT n.id, n.at_us, n.kind, n.recipient, n.language, n.status, n.tries, n.error, n.message_id, n.done_us, c.utc_offset_s
FROM notification n JOIN acase c ON c.id = n.case_id WHERE n.case_id = :id ORDER BY n.at_us, n.id
-- name: web_case_neighbours
SELECT (SELECT min(id) FROM acase WHERE id > :id) AS next, (SELECT max(id) FROM acase WHERE id < :id) AS previous
-- name: web_volume_end
SELECT coalesce(max(bucket_us), 0) FROM volume
-- name: web_volume
SELECT bucket_us / :step * :step AS bucket_us, sum(messages) AS messages, sum(recipients) AS recipients, sum(sent) AS sent, sum(deferred) AS deferred,
  sum(bounced) AS bounced, sum(rejected) AS rejected, sum(auth_failed) AS auth_failed
FROM volume WHERE bucket_us >= :since GROUP BY bucket_us / :step ORDER BY 1
-- name: web_volume_total
SELECT coalesce(sum(messages), 0) AS messages, coalesce(sum(recipients), 0) AS recipients, coalesce(sum(sent), 0) AS sent, coalesce(sum(deferred), 0) AS deferred,
  coalesce(sum(bounced), 0) AS bounced, coalesce(sum(rejected), 0) AS rejected, coalesce(sum(auth_failed), 0) AS auth_failed
FROM volume WHERE bucket_us >= :since
-- name: web_top_senders
SELECT h.kind, h.id, coalesce(p.customer, '') AS customer, coalesce(p.score, 0) AS score, p.case_id, h.messages, h.recipients, h.bounced, h.refused
FROM (SELECT kind, id, sum(messages) AS messages, sum(recipients) AS recipients, sum(bounced) AS bounced, sum(refused) AS refused
      FROM (SELECT kind, id, messages, recipients, bounced, refused FROM principal_hour WHERE hour_us >= :since
            UNION ALL SELECT kind, id, messages, recipients, bounced, refused FROM hour_now WHERE what = 'principal' AND hour_us >= :since)
      GROUP BY kind, id ORDER BY sum(recipients) DESC, kind, id LIMIT :limit) h
LEFT JOIN principal p ON p.kind = h.kind AND p.id = h.id ORDER BY h.recipients DESC, h.kind, h.id
-- name: web_blame
SELECT h.kind, h.id, coalesce(p.customer, '') AS customer, p.case_id, h.refused, h.refused * 100 / h.everybody AS share
FROM (SELECT kind, id, sum(refused) AS refused, sum(sum(refused)) OVER () AS everybody
      FROM (SELECT kind, id, refused FROM principal_hour WHERE hour_us >= :since AND refused > 0 AND kind IN ('account', 'host', 'script')
            UNION ALL SELECT kind, id, refused FROM hour_now WHERE what = 'principal' AND hour_us >= :since AND refused > 0 AND kind IN ('account', 'host', 'script'))
      GROUP BY kind, id ORDER BY sum(refused) DESC, kind, id LIMIT :limit) h
LEFT JOIN principal p ON p.kind = h.kind AND p.id = h.id ORDER BY h.refused DESC, h.kind, h.id
-- name: web_refusing
SELECT receiver, sum(recipients) AS recipients, sum(sent) AS sent, sum(deferred) AS deferred, sum(bounced) AS bounced, sum(refused) AS refused
FROM (SELECT receiver, recipients, sent, deferred, bounced, refused FROM receiver_hour WHERE hour_us >= :since
      UNION ALL SELECT id, recipients, sent, deferred, bounced, refused FROM hour_now WHERE what = 'receiver' AND hour_us >= :since)
GROUP BY receiver HAVING sum(bounced) + sum(refused) + sum(deferred) > 0
ORDER BY sum(bounced) + sum(refused) DESC, sum(deferred) DESC, receiver LIMIT :limit
-- name: web_inputs
SELECT source, coalesce(path, '') AS path, applied_seq, last_event_us, heard_us, counters AS counters_json FROM input WHERE source <> 'probe' ORDER BY source
-- name: web_unrecognised
SELECT source, program, shape, lines, sample FROM unrecognised WHERE :source = '' OR source = :source ORDER BY lines DESC, program, shape LIMIT :limit
-- name: web_principals
SELECT kind, id, customer, score, messages, recipients, bounced, first_us, last_us, case_id FROM principal
WHERE (:kind = '' OR kind = :kind) AND (:customer = '' OR customer = :customer)
  AND (:text = '' OR instr(lower(id), lower(:text)) OR instr(lower(customer), lower(:text)))
ORDER BY
  CASE :sort WHEN 'score' THEN score WHEN 'messages' THEN messages WHEN 'recipients' THEN recipients WHEN 'bounced' THEN bounced
    WHEN 'first' THEN first_us WHEN 'last' THEN last_us END * :direction,
  CASE WHEN :direction > 0 THEN CASE :sort WHEN 'id' THEN id WHEN 'customer' THEN customer WHEN 'kind' THEN kind END END,
  CASE WHEN :direction < 0 THEN CASE :sort WHEN 'id' THEN id WHEN 'customer' THEN customer WHEN 'kind' THEN kind END END DESC,
  recipients DESC, kind, id
LIMIT :limit OFFSET :offset
-- name: web_principals_count
SELECT count(*) FROM principal
WHERE (:kind = '' OR kind = :kind) AND (:customer = '' OR customer = :customer)
  AND (:text = '' OR instr(lower(id), lower(:text)) OR instr(lower(customer), lower(:text)))
-- name: web_principal
SELECT kind, id, customer, score, messages, recipients, bounced, first_us, last_us, case_id FROM principal WHERE kind = :kind AND id = :id
UNION ALL SELECT t.kind, t.target, t.customer, 0, 0, 0, 0, t.first_us, t.heard_us, NULL FROM listing_target t
WHERE t.kind = :kind AND t.target = :id AND NOT EXISTS (SELECT 1 FROM principal p WHERE p.kind = t.kind AND p.id = t.target)
-- name: web_principal_days
SELECT day, hours, 0 AS today FROM principal_day WHERE kind = :kind AND id = :id AND day >= :since
UNION ALL SELECT 0, today, 1 FROM principal WHERE kind = :kind AND id = :id ORDER BY 3, 1
-- name: web_principal_cases
SELECT id, severity, level, state, kind, principal_kind, principal_id, customer, score, peak_score, opened_us, updated_us, closed_us, messages, recipients,
  sentence, utc_offset_s FROM acase WHERE principal_kind = :kind AND principal_id = :id COLLATE NOCASE ORDER BY id DESC
-- name: web_segments
SELECT count(*) AS segments, coalesce(sum(messages), 0) AS messages, coalesce(sum(recipients), 0) AS recipients, coalesce(sum(bytes), 0) + (SELECT coalesce(sum(bytes), 0) FROM segment_filter) AS bytes,
  coalesce(min(first_us), 0) AS first_us, coalesce(max(last_us), 0) AS last_us FROM segment
-- name: web_store_counts
SELECT (SELECT count(*) FROM acase) AS cases, (SELECT count(*) FROM principal) AS principals, (SELECT count(*) FROM hot_message) AS newest_messages,
  (SELECT count(*) FROM notification) AS notifications,
  (SELECT coalesce(sum(messages), 0) FROM volume) AS messages
-- report
-- name: case_json
SELECT id, kind, runner_up, principal_kind, principal_id, customer, state, level, severity, score, peak_score, threshold, first_seen_us, opened_us,
  updated_us, closed_us, reopened, messages, recipients, sentence, also, counter_evidence, guards, utc_offset_s, parent
FROM acase WHERE (:open_only = 0 OR state IN ('open', 'acknowledged')) AND updated_us >= :since ORDER BY id
-- name: case_json_detectors
SELECT name, score, since_us, why FROM case_detector WHERE case_id = :id ORDER BY score DESC, name
-- name: case_json_evidence
SELECT at_us, detector, line FROM case_evidence WHERE case_id = :id ORDER BY seq
-- name: case_json_sources
SELECT ip, country, asn, messages, first_us, last_us FROM case_source WHERE case_id = :id ORDER BY messages DESC, ip
-- name: export_compromised
SELECT c.id,
  CASE c.principal_kind WHEN 'host' THEN c.principal_id ELSE coalesce((SELECT ip FROM case_source s WHERE s.case_id = c.id ORDER BY messages DESC, ip LIMIT 1), '') END,
  CASE c.principal_kind WHEN 'host' THEN '' WHEN 'script' THEN 'uid ' || c.principal_id ELSE c.principal_id END,
  c.customer, c.first_seen_us, c.positive_us,
  (SELECT group_concat(name, ';') FROM (SELECT name FROM case_detector x WHERE x.case_id = c.id ORDER BY score DESC, name)),
  c.score, c.messages, c.recipients,
  coalesce((SELECT group_concat(country, ';') FROM (SELECT DISTINCT country FROM case_source s WHERE s.case_id = c.id AND country <> '' ORDER BY country)), ''),
  coalesce((SELECT group_concat(asn, ';') FROM (SELECT DISTINCT asn FROM case_source s WHERE s.case_id = c.id AND asn <> 0 ORDER BY asn)), ''),
  c.utc_offset_s,
  coalesce((SELECT group_concat(zone, ';') FROM (SELECT zone FROM listing l WHERE l.target = c.principal_id AND l.state = 'listed' ORDER BY zone)), '')
FROM acase c WHERE c.kind IN ('stolen-account', 'script-compromise', 'infected-host', 'open-relay', 'guest-relay') AND c.state <> 'false-positive' AND (c.state IN ('open', 'acknowledged') OR c.updated_us >= :since) ORDER BY c.id
-- name: export_cases
SELECT id, state, severity, level, kind, principal_kind, principal_id, customer, score, opened_us, updated_us, closed_us, messages, recipients,
  sentence, utc_offset_s FROM acase WHERE (:open_only = 0 OR state IN ('open', 'acknowledged')) AND updated_us >= :since ORDER BY id
-- letters
-- name: plan_cases
SELECT id, coalesce((SELECT max(at_us) FROM case_event e WHERE e.case_id = c.id AND e.what = 'reopened'), opened_us), positive_us, customer, level,
  state = 'acknowledged', principal_kind = 'own_ip', kind = 'listing' FROM acase c WHERE state IN ('open', 'acknowledged')
  AND NOT EXISTS (SELECT 1 FROM acase p WHERE p.id = c.parent AND p.id <> c.id AND p.state IN ('open', 'acknowledged')) ORDER BY id
-- name: plan_children
WITH RECURSIVE below (id) AS (SELECT id FROM acase WHERE parent = :id AND parent <> 0 AND state IN ('open', 'acknowledged')
  UNION SELECT k.id FROM below b JOIN acase k ON k.parent = b.id AND k.parent <> 0 AND k.state IN ('open', 'acknowledged'))
SELECT positive_us, level, kind = 'listing' FROM acase WHERE id IN (SELECT id FROM below)
-- name: plan_sent
SELECT kind, status, coalesce(done_us, at_us) FROM notification WHERE case_id = :case_id AND status IN ('sent', 'failed')
-- name: plan_level_rise
SELECT 1 FROM case_event WHERE case_id = :case_id AND what IN ('level', 'merged')
  AND seq > (SELECT coalesce(max(seq), 0) FROM case_event WHERE case_id = :case_id AND what = 'notified' AND text NOT LIKE 'desk to %') LIMIT 1
-- name: plan_asked
SELECT n.id, n.case_id, n.recipient, c.customer FROM notification n JOIN acase c ON c.id = n.case_id WHERE n.status = 'queued' AND n.at_us >= :since ORDER BY n.id
-- name: letter_case
SELECT kind, principal_kind, principal_id, customer, level, severity, sentence, also, first_seen_us, positive_us, messages, recipients, utc_offset_s
FROM acase WHERE id = :id
-- name: letter_children
WITH RECURSIVE below (id) AS (SELECT id FROM acase WHERE parent = :id AND parent <> 0 AND state IN ('open', 'acknowledged')
  UNION SELECT k.id FROM below b JOIN acase k ON k.parent = b.id AND k.parent <> 0 AND k.state IN ('open', 'acknowledged'))
SELECT principal_id FROM acase WHERE id IN (SELECT id FROM below) AND id <> :id ORDER BY id LIMIT 20
-- name: letter_evidence
SELECT line FROM case_evidence WHERE case_id = :id ORDER BY seq LIMIT 10
-- name: letter_sources
SELECT ip, country, asn, messages FROM case_source WHERE case_id = :id ORDER BY messages DESC, ip LIMIT 10
-- name: letter_count
SELECT count(*) FROM notification WHERE case_id = :id AND status = 'sent'
-- backup mx
-- name: backup_domain_get
SELECT health FROM backup_domain WHERE domain = :domain
-- name: backup_domain_put
INSERT INTO backup_domain (domain, primary_mx, lifetime_s, customer, health) VALUES (:domain, :primary, :lifetime, :customer, :health)
ON CONFLICT (domain) DO UPDATE SET primary_mx = excluded.primary_mx, lifetime_s = excluded.lifetime_s, customer = excluded.customer, health = excluded.health
-- name: backup_outage_put
INSERT INTO backup_outage (domain, begin_us, end_us, failures, reason) VALUES (:domain, :begin, nullif(:end, 0), :failures, :reason)
ON CONFLICT (domain, begin_us) DO UPDATE SET end_us = excluded.end_us, failures = excluded.failures, reason = excluded.reason
-- name: backup_recipient_put
INSERT INTO backup_recipient (domain, recipient, valid, first_us, last_us, answers) VALUES (:domain, lower(:recipient), :valid, :at, :at, 1)
ON CONFLICT (domain, recipient) DO UPDATE SET valid = excluded.valid, last_us = max(last_us, excluded.last_us), answers = answers + 1
-- name: service_alert_put
INSERT OR IGNORE INTO service_alert (domain, kind, subject_us, at_us, customer, text, utc_offset_s) VALUES (:domain, :kind, :subject, :at, :customer, :text, :offset)
-- name: backup_recipient_drop
DELETE FROM backup_recipient WHERE last_us < :before
-- name: backup_outage_drop
DELETE FROM backup_outage WHERE end_us < :before
-- name: service_alert_drop
DELETE FROM service_alert WHERE at_us < :before
-- name: notification_alert_drop
DELETE FROM notification WHERE alert_id <> 0 AND at_us < :before
-- name: notification_alert_add
INSERT INTO notification (case_id, alert_id, at_us, kind, recipient, language, status, error, message_id, done_us)
VALUES (0, :alert_id, :at, :kind, :recipient, :language, :status, :error, :message_id, :done)
-- name: web_backup_domain
SELECT domain, primary_mx, lifetime_s, customer, health FROM backup_domain WHERE domain = :domain
-- name: web_backup_outages
SELECT begin_us, end_us, failures, reason FROM backup_outage WHERE domain = :domain ORDER BY begin_us DESC LIMIT :limit
-- name: web_backup_down_time
SELECT coalesce(sum(min(coalesce(end_us, :now), :now) - max(begin_us, :since)), 0) FROM backup_outage
WHERE domain = :domain AND coalesce(end_us, :now) > :since AND begin_us < :now
-- name: web_backup_recipients
SELECT recipient, valid, first_us, last_us, answers FROM backup_recipient WHERE domain = :domain ORDER BY valid DESC, last_us DESC, recipient LIMIT :limit
-- name: web_backup_recipient_counts
SELECT coalesce(sum(valid), 0), coalesce(sum(1 - valid), 0) FROM backup_recipient WHERE domain = :domain
-- name: web_backup_alerts
SELECT id, at_us, kind, text, utc_offset_s FROM service_alert WHERE domain = :domain ORDER BY id DESC LIMIT :limit
-- name: web_backup_case
SELECT case_id, score FROM principal WHERE kind = 'mx' AND id = :domain
-- name: plan_alerts
SELECT id, kind, customer FROM service_alert a WHERE at_us >= :since AND (kind <> 'listings' OR at_us <= :until) ORDER BY id
-- name: plan_alert_sent
SELECT count(*) FROM notification WHERE alert_id = :alert_id AND recipient = :recipient AND status = 'sent'
-- name: plan_alert_failed
SELECT coalesce(max(done_us), 0) FROM notification WHERE alert_id = :alert_id AND recipient = :recipient AND status = 'failed'
-- name: letter_alert
SELECT a.kind, a.domain, a.customer, a.text, a.at_us, a.utc_offset_s, coalesce(b.primary_mx, ''), a.subject_us FROM service_alert a LEFT JOIN backup_domain b ON b.domain = a.domain
WHERE a.id = :id
-- name: web_backup_now
SELECT coalesce(max(last_event_us), 0) FROM input
-- name: case_outcomes
SELECT principal_kind, principal_id, kind, level, peak_score, opened_us, coalesce(closed_us, 0), reopened, utc_offset_s, sentence FROM acase
ORDER BY principal_kind, principal_id, opened_us, id
-- name: web_backup_away
SELECT DISTINCT domain FROM backup_outage WHERE end_us IS NULL ORDER BY domain
-- name: case_step_put
INSERT OR REPLACE INTO case_step (case_id, seq, nth, at_us, what, mark, level, total, capped_to, detectors, groups)
VALUES (:id, :seq, :nth, :at, :what, :mark, :level, :total, :capped, :detectors, :groups)
-- name: case_step_clear
DELETE FROM case_step WHERE case_id = :id
-- name: case_step_drop
DELETE FROM case_step WHERE case_id IN (SELECT id FROM acase WHERE closed_us < :before)
-- name: case_changes
UPDATE acase SET changes = :changes WHERE id = :id
-- name: case_steps
SELECT s.nth, s.at_us, s.what, s.mark, s.level, s.total, s.capped_to, s.detectors, s.groups FROM case_step s
WHERE s.case_id = :id AND (s.seq < 1000000 OR s.nth NOT IN (SELECT nth FROM case_step WHERE case_id = :id AND seq < 1000000)) ORDER BY s.nth, s.seq
-- name: case_explain
SELECT principal_kind, principal_id, kind, level, state, score, peak_score, threshold, opened_us, coalesce(closed_us, 0), changes, utc_offset_s FROM acase WHERE id = :id
-- name: web_case_steps
SELECT s.nth AS event, s.at_us, s.what, s.mark, s.level, s.total, s.capped_to, s.detectors AS detectors_json, s.groups AS groups_json, c.utc_offset_s
FROM case_step s JOIN acase c ON c.id = s.case_id
WHERE s.case_id = :id AND (s.seq < 1000000 OR s.nth NOT IN (SELECT nth FROM case_step WHERE case_id = :id AND seq < 1000000)) ORDER BY s.nth, s.seq
-- policy
-- name: policy_finding_since
SELECT day, rule, kind, id, count, largest, first_us, last_us, utc_offset_s, line, queue_id FROM policy_finding WHERE day >= :since
-- name: policy_finding_put
INSERT INTO policy_finding (day, rule, kind, id, customer, count, largest, first_us, last_us, utc_offset_s, line, queue_id)
VALUES (:day, :rule, :kind, :id, :customer, :count, :largest, :first, :last, :offset, :line, :queue_id)
ON CONFLICT (day, rule, kind, id) DO UPDATE SET customer = excluded.customer, count = excluded.count, largest = excluded.largest,
  first_us = excluded.first_us, last_us = excluded.last_us, line = excluded.line, queue_id = excluded.queue_id
-- name: policy_finding_drop
DELETE FROM policy_finding WHERE day < :before
-- name: policy_day_since
SELECT day, dropped FROM policy_day WHERE day >= :since
-- name: policy_day_put
INSERT INTO policy_day (day, dropped) VALUES (:day, :dropped) ON CONFLICT (day) DO UPDATE SET dropped = excluded.dropped
-- name: policy_day_drop
DELETE FROM policy_day WHERE day < :before
-- name: web_policy
SELECT date(day * 86400, 'unixepoch') AS date, rule, 'low' AS severity, kind, id, customer, count, largest, first_us, last_us, line, queue_id, utc_offset_s
FROM policy_finding
WHERE (:rule = '' OR rule = :rule) AND (:customer = '' OR customer = :customer)
  AND (:date = '' OR day = CAST(strftime('%s', :date) AS INTEGER) / 86400)
  AND (:text = '' OR instr(lower(id), lower(:text)) OR instr(lower(customer), lower(:text)))
ORDER BY
  CASE :sort WHEN 'date' THEN day WHEN 'count' THEN count WHEN 'largest' THEN largest WHEN 'last' THEN last_us END * :direction,
  CASE WHEN :direction > 0 THEN CASE :sort WHEN 'id' THEN id WHEN 'customer' THEN customer WHEN 'rule' THEN rule END END,
  CASE WHEN :direction < 0 THEN CASE :sort WHEN 'id' THEN id WHEN 'customer' THEN customer WHEN 'rule' THEN rule END END DESC,
  day DESC, last_us DESC, rule, kind, id
LIMIT :limit OFFSET :offset
-- name: web_policy_count
SELECT count(*) FROM policy_finding
WHERE (:rule = '' OR rule = :rule) AND (:customer = '' OR customer = :customer)
  AND (:date = '' OR day = CAST(strftime('%s', :date) AS INTEGER) / 86400)
  AND (:text = '' OR instr(lower(id), lower(:text)) OR instr(lower(customer), lower(:text)))
-- name: web_policy_dropped
SELECT coalesce(sum(dropped), 0) FROM policy_day WHERE :date = '' OR day = CAST(strftime('%s', :date) AS INTEGER) / 86400
-- name: web_principal_policy
SELECT date(day * 86400, 'unixepoch') AS date, rule, 'low' AS severity, count, largest, first_us, last_us, line, queue_id, utc_offset_s FROM policy_finding
WHERE kind = :kind AND id = :id ORDER BY day DESC, rule LIMIT 50
-- name: web_principal_rules
SELECT rule, count(*) AS days, sum(count) AS count, max(largest) AS largest, max(last_us) AS last_us,
  (SELECT utc_offset_s FROM policy_finding g WHERE g.kind = f.kind AND g.id = f.id ORDER BY last_us DESC LIMIT 1) AS utc_offset_s
FROM policy_finding f WHERE kind = :kind AND id = :id GROUP BY rule ORDER BY rule
-- name: export_violations
SELECT date(day * 86400, 'unixepoch'), rule, kind, id, customer, count, largest, first_us, last_us, line, utc_offset_s FROM policy_finding
WHERE last_us >= :since ORDER BY day, rule, kind, id
-- listing
-- name: listing_target_all
SELECT target, kind, first_us, heard_us, risk, risk_points, own_points, risk_us, reasons, cause, seen FROM listing_target
-- name: listing_target_put
INSERT OR REPLACE INTO listing_target (target, kind, customer, first_us, heard_us, points, lists, main_lists, risk, risk_points, own_points, risk_us, reasons, cause, seen)
VALUES (:target, :kind, :customer, :first, :heard, :points, :lists, :main, :risk, :risk_points, :own_points, :risk_at, :reasons, :cause, :seen)
-- name: listing_all
SELECT target, zone, state, verdict, entry, code, points, meaning, text, heard_us, since_us, listed_us, negative_us, negatives, named, named_us, named_from_us,
  fresh, cause FROM listing
-- name: listing_put
INSERT OR REPLACE INTO listing (target, zone, state, verdict, entry, code, points, meaning, text, heard_us, since_us, listed_us, negative_us, negatives, named,
  named_us, named_from_us, fresh, cause)
VALUES (:target, :zone, :state, :verdict, :entry, :code, :points, :meaning, :text, :heard, :since, :listed, :negative, :negatives, :named, :named_at, :named_from,
  :fresh, :cause)
-- name: listing_past_begin
INSERT OR IGNORE INTO listing_past (target, zone, since_us, kind, customer, entry, code, points, meaning, text, cause)
VALUES (:target, :zone, :since, :kind, :customer, :entry, :code, :points, :meaning, :text, :cause)
-- name: listing_past_end
UPDATE listing_past SET until_us = :until, code = :code, points = :points, meaning = :meaning, text = :text
WHERE target = :target AND zone = :zone AND since_us = :since
-- name: listing_past_drop
DELETE FROM listing_past WHERE until_us < :before
-- name: listing_drop
DELETE FROM listing WHERE state = 'clear' AND heard_us < :before
-- name: listing_target_drop
DELETE FROM listing_target WHERE heard_us BETWEEN 1 AND :before AND risk = '' AND NOT EXISTS (SELECT 1 FROM listing l WHERE l.target = listing_target.target)
-- name: listing_change_put
INSERT OR REPLACE INTO listing_change (at_us, what, target, zone, kind, customer, entry, code, points, meaning, text, cause, since_us, before, after, tell)
VALUES (:at, :what, :target, :zone, :kind, :customer, :entry, :code, :points, :meaning, :text, :cause, :since, :before, :after,
  :tell AND NOT (:what = 'imminent' AND EXISTS (SELECT 1 FROM listing_change WHERE what = 'imminent' AND target = :target AND tell = 1 AND at_us > :at - 86400000000 AND at_us <> :at)))
-- name: listing_change_drop
DELETE FROM listing_change WHERE at_us < :before
-- name: listing_zone_all
SELECT zone, verdict, reason, since_us, heard_us, suspended_us FROM listing_zone ORDER BY id
-- name: listing_zone_put
INSERT OR REPLACE INTO listing_zone (zone, verdict, reason, since_us, heard_us, suspended_us, id) VALUES (:zone, :verdict, :reason, :since, :heard, :suspended, :id)
-- name: web_listings
SELECT l.target, t.kind, t.customer, l.zone, l.state, l.entry, l.code, l.meaning, l.text, l.points, l.since_us,
  CASE WHEN l.since_us > 0 THEN max(l.heard_us - l.since_us, 0) / 1000000 ELSE 0 END AS lasts_s,
  CASE WHEN l.named_us > l.heard_us - 86400000000 THEN l.named ELSE 0 END AS named, l.verdict, l.heard_us, l.cause AS cause_json
FROM listing l JOIN listing_target t ON t.target = l.target
WHERE ((:state = '' AND l.state <> 'clear' AND (l.entry <> 'policy' OR t.kind = 'own_ip')) OR :state = 'all' OR (:state <> 'policy' AND l.state = :state)
    OR (:state = 'policy' AND l.state <> 'clear' AND l.entry = 'policy')) AND (:zone = '' OR instr(l.zone, lower(:zone)))
  AND (:text = '' OR instr(l.target, lower(:text)) OR instr(lower(t.customer), lower(:text)))
ORDER BY
  CASE :sort WHEN 'since' THEN l.since_us WHEN 'points' THEN l.points WHEN 'heard' THEN l.heard_us END * :direction,
  CASE WHEN :direction > 0 THEN CASE :sort WHEN 'target' THEN l.target WHEN 'zone' THEN l.zone WHEN 'customer' THEN t.customer END END,
  CASE WHEN :direction < 0 THEN CASE :sort WHEN 'target' THEN l.target WHEN 'zone' THEN l.zone WHEN 'customer' THEN t.customer END END DESC,
  l.since_us DESC, l.target, l.zone
LIMIT :limit OFFSET :offset
-- name: web_listings_count
SELECT count(*) FROM listing l JOIN listing_target t ON t.target = l.target
WHERE ((:state = '' AND l.state <> 'clear' AND (l.entry <> 'policy' OR t.kind = 'own_ip')) OR :state = 'all' OR (:state <> 'policy' AND l.state = :state)
    OR (:state = 'policy' AND l.state <> 'clear' AND l.entry = 'policy')) AND (:zone = '' OR instr(l.zone, lower(:zone)))
  AND (:text = '' OR instr(l.target, lower(:text)) OR instr(lower(t.customer), lower(:text)))
-- name: web_listing_sums
SELECT (SELECT count(*) FROM listing_target WHERE heard_us > 0) AS targets, (SELECT count(DISTINCT zone) FROM listing) AS lists,
  (SELECT count(*) FROM listing_target WHERE lists > 0) AS targets_listed, (SELECT count(*) FROM listing WHERE state = 'suspect') AS suspect,
  (SELECT coalesce(max(heard_us), 0) FROM listing_target) AS heard_us
-- name: web_listing_addresses
SELECT target FROM listing_target WHERE main_lists > 0 AND kind <> 'domain'
-- name: web_listing_own
SELECT t.target, t.customer, t.lists, t.points, t.risk, t.risk_points, t.risk_us, t.reasons AS reasons_json, t.cause AS cause_json,
  (SELECT case_id FROM principal p WHERE p.kind = t.kind AND p.id = t.target) AS case_id, t.heard_us
FROM listing_target t WHERE t.kind = 'own_ip'
ORDER BY t.points > 0 DESC, t.points DESC, t.risk_points DESC, t.target
-- name: web_listing_target
SELECT target, lists, points, risk, risk_points, risk_us, reasons AS reasons_json, cause AS cause_json FROM listing_target WHERE target = :target
-- name: web_listing_lists
SELECT l.target, l.zone, l.state, l.entry, l.code, l.meaning, l.text, l.points, l.since_us,
  CASE WHEN l.since_us > 0 THEN max(l.heard_us - l.since_us, 0) / 1000000 ELSE 0 END AS lasts_s,
  CASE WHEN l.named_us > l.heard_us - 86400000000 THEN l.named ELSE 0 END AS named, l.verdict, l.heard_us, l.cause AS cause_json
FROM listing l WHERE l.target = :target AND l.state <> 'clear' ORDER BY l.state = 'listed' DESC, l.points DESC, l.zone
-- name: web_listing_past
SELECT target, kind, customer, zone, entry, code, meaning, text, points, since_us, until_us, (until_us - since_us) / 1000000 AS lasted_s, cause AS cause_json
FROM listing_past
WHERE (:zone = '' OR instr(zone, lower(:zone))) AND (:text = '' OR instr(target, lower(:text)) OR instr(lower(customer), lower(:text)))
ORDER BY
  CASE :sort WHEN 'since' THEN since_us WHEN 'until' THEN coalesce(until_us, 9000000000000000000) WHEN 'lasted' THEN until_us - since_us END * :direction,
  CASE WHEN :direction > 0 THEN CASE :sort WHEN 'target' THEN target WHEN 'zone' THEN zone WHEN 'customer' THEN customer END END,
  CASE WHEN :direction < 0 THEN CASE :sort WHEN 'target' THEN target WHEN 'zone' THEN zone WHEN 'customer' THEN customer END END DESC,
  since_us DESC, target, zone
LIMIT :limit OFFSET :offset
-- name: web_listing_past_count
SELECT count(*) FROM listing_past
WHERE (:zone = '' OR instr(zone, lower(:zone))) AND (:text = '' OR instr(target, lower(:text)) OR instr(lower(customer), lower(:text)))
-- name: web_listing_past_of
SELECT target, zone, entry, code, meaning, text, points, since_us, until_us, (until_us - since_us) / 1000000 AS lasted_s, cause AS cause_json
FROM listing_past WHERE target = :target ORDER BY since_us DESC, zone LIMIT 50
-- name: web_listing_zones
SELECT zone, '' AS target, 0 AS code, verdict AS state, reason, since_us, heard_us, suspended_us,
  (SELECT count(*) FROM listing l WHERE l.zone = z.zone AND l.state = 'held') AS held
FROM listing_zone z WHERE verdict <> 'clean' OR suspended_us > 0 ORDER BY suspended_us > 0 DESC, zone
-- name: letter_lists
SELECT zone, code, meaning, text, since_us, target FROM listing
WHERE (target = :target OR target IN (SELECT principal_id FROM acase WHERE parent = :id AND kind = 'listing' AND state IN ('open', 'acknowledged')))
  AND state = 'listed' AND entry = 'block' ORDER BY target <> :target, target, points DESC, zone LIMIT 50
-- name: letter_list_changes
SELECT what, target, zone, kind, customer, code, meaning, text, at_us, since_us, before, after, cause FROM listing_change c
WHERE at_us >= :since AND at_us < :until AND tell = 1
  AND NOT (what = 'listed' AND EXISTS (SELECT 1 FROM listing_change w WHERE w.what = 'withdrawn' AND w.target = c.target AND w.zone = c.zone AND w.at_us BETWEEN c.at_us AND :until)) ORDER BY kind = 'own_ip' DESC, points DESC, at_us, target, zone
-- name: export_dnsbl
SELECT id, principal_id, kind, first_seen_us, level FROM acase
WHERE principal_kind = 'host' AND kind IN ('infected-host', 'open-relay') AND state IN ('open', 'acknowledged') ORDER BY principal_id, id
-- captured sessions
-- name: dialogue_put
INSERT INTO dialogue (kind, id, at_us, port, peer, helo, sender, banner, refusal, messages, taken_messages, recipients, taken, flags)
VALUES (:kind, :id, :at_us, :port, :peer, :helo, :sender, :banner, :refusal, :messages, :taken_messages, :recipients, :taken, :flags)
ON CONFLICT DO NOTHING
-- name: dialogue_trim
DELETE FROM dialogue WHERE kind = :kind AND id = :id AND at_us < (SELECT at_us FROM dialogue WHERE kind = :kind AND id = :id ORDER BY at_us DESC, port DESC LIMIT 1 OFFSET :keep)
-- name: dialogue_drop
DELETE FROM dialogue WHERE at_us < :before
-- name: web_dialogues
SELECT at_us, peer, helo, sender, banner, refusal, messages, taken_messages, recipients, taken,
  (flags & 1) <> 0 AS early, (flags & 4) <> 0 AS gap, (flags & 64) <> 0 AS tls, (flags & 1048576) <> 0 AS unanswered, (flags & 2097152) <> 0 AS closed
FROM dialogue WHERE kind = :kind AND id = :id ORDER BY at_us DESC, port DESC LIMIT 24
-- name: web_dialogue_helos
SELECT helo, count(*) AS sessions, max(at_us) AS last_us FROM dialogue WHERE kind = :kind AND id = :id AND helo <> '' GROUP BY helo ORDER BY 2 DESC, 1 LIMIT 20
-- name: web_dialogue_refusals
SELECT refusal, count(*) AS sessions, max(at_us) AS last_us FROM dialogue WHERE kind = :kind AND id = :id AND refusal <> '' GROUP BY refusal ORDER BY 2 DESC, 1 LIMIT 20
-- servers
-- name: server_all
SELECT address, host, was, settled, first_us, last_us, changed_us, sessions, alone, alone_nets FROM smtp_server
-- name: server_faces
SELECT slot, software, first_us, last_us, sessions FROM smtp_server_face WHERE address = :address
-- name: server_put
INSERT OR REPLACE INTO smtp_server (address, customer, host, software, was, settled, first_us, last_us, changed_us, sessions, alone, alone_nets)
VALUES (:address, :customer, :host, :software, :was, :settled, :first, :last, :changed, :sessions, :alone, :alone_nets)
-- name: server_face_put
INSERT OR REPLACE INTO smtp_server_face (address, slot, software, first_us, last_us, sessions) VALUES (:address, :slot, :software, :first, :last, :sessions)
-- name: server_drop
DELETE FROM smtp_server WHERE address = :address
-- name: server_face_drop
DELETE FROM smtp_server_face WHERE address = :address
-- name: network_event_put
INSERT OR REPLACE INTO network_event (at_us, what, address, customer, host, before, after, text, since_us)
VALUES (:at, :what, :address, :customer, :host, :before, :after, :text, :since)
-- name: network_event_drop
DELETE FROM network_event WHERE at_us < :before
-- name: network_event_trim
DELETE FROM network_event WHERE at_us < (SELECT at_us FROM network_event ORDER BY at_us DESC LIMIT 1 OFFSET :keep)
-- name: servers_list
SELECT s.address, s.customer, s.host, s.software, s.was, s.settled > 0 AS settled, s.first_us, s.last_us, s.changed_us, s.sessions,
  (SELECT count(*) FROM smtp_server_face f WHERE f.address = s.address AND f.last_us > s.last_us - 604800000000) AS greetings,
  coalesce((SELECT p.kind FROM principal p WHERE p.id = s.address AND p.kind IN ('host', 'own_ip') LIMIT 1), '') AS kind
FROM smtp_server s
WHERE (:text = '' OR instr(lower(s.address), lower(:text)) OR instr(lower(s.host), lower(:text)) OR instr(lower(s.customer), lower(:text)) OR instr(lower(s.software), lower(:text)))
ORDER BY
  CASE :sort WHEN 'last' THEN s.last_us WHEN 'changed' THEN s.changed_us WHEN 'sessions' THEN s.sessions END * :direction,
  CASE WHEN :direction > 0 THEN CASE :sort WHEN 'software' THEN s.software WHEN 'customer' THEN s.customer WHEN 'host' THEN s.host WHEN 'address' THEN s.address END END,
  CASE WHEN :direction < 0 THEN CASE :sort WHEN 'software' THEN s.software WHEN 'customer' THEN s.customer WHEN 'host' THEN s.host WHEN 'address' THEN s.address END END DESC,
  s.changed_us DESC, s.address
LIMIT :limit OFFSET :offset
-- name: servers_count
SELECT count(*) FROM smtp_server s
WHERE (:text = '' OR instr(lower(s.address), lower(:text)) OR instr(lower(s.host), lower(:text)) OR instr(lower(s.customer), lower(:text)) OR instr(lower(s.software), lower(:text)))
-- name: network_events
SELECT at_us, what, address, customer, host, before, after, text, since_us FROM network_event
WHERE at_us >= :since AND (:address = '' OR address = :address) AND (:kind = '' OR (:kind = 'software') = (what = 'software')) ORDER BY at_us DESC, what, address LIMIT :limit
-- name: web_any_server
SELECT 1 WHERE EXISTS (SELECT 1 FROM smtp_server) OR EXISTS (SELECT 1 FROM network_event)
-- name: web_server
SELECT address, host, software, was, settled > 0 AS settled, first_us, last_us, changed_us, sessions FROM smtp_server WHERE address = :address
-- name: web_server_faces
SELECT software, first_us, last_us, sessions FROM smtp_server_face WHERE address = :address ORDER BY last_us DESC, slot
-- name: letter_servers
SELECT address, customer, host, before, after, at_us FROM network_event WHERE what = 'software' AND at_us >= :since AND at_us < :until ORDER BY customer, address LIMIT 100
