-- The store, version 1. One writer (the analyzer); readers open it read-only. Times are microseconds since the
-- epoch, UTC. Scores are integers in 1/4096 nat. Message bodies of the archive lie in <store>.d/ as immutable
-- segment files; the table `segment` is their catalog.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Where every source was read to, in the same transaction as what came of it.
CREATE TABLE input (
  source TEXT PRIMARY KEY, applied_seq INTEGER NOT NULL DEFAULT 0, snapshot BLOB,
  counters TEXT NOT NULL DEFAULT '{}',      -- obs_counters as JSON
  path TEXT, last_event_us INTEGER NOT NULL DEFAULT 0, heard_us INTEGER NOT NULL DEFAULT 0 -- wall time of the last frame
) WITHOUT ROWID;
CREATE TABLE unrecognised (
  source TEXT NOT NULL, program TEXT NOT NULL, shape TEXT NOT NULL, lines INTEGER NOT NULL, sample TEXT NOT NULL,
  PRIMARY KEY (source, program, shape)) WITHOUT ROWID;

-- Message archive: sealed segments, and the newest messages as single rows until the next seal.
CREATE TABLE segment (
  id INTEGER PRIMARY KEY, day INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
  messages INTEGER NOT NULL, recipients INTEGER NOT NULL, bytes INTEGER NOT NULL, file TEXT NOT NULL UNIQUE);
CREATE INDEX segment_day ON segment (day);
CREATE TABLE hot_message (id INTEGER PRIMARY KEY AUTOINCREMENT, day INTEGER NOT NULL, last_us INTEGER NOT NULL, body BLOB NOT NULL);

-- What the overview shows, kept up to date with every transaction.
CREATE TABLE volume (
  bucket_us INTEGER PRIMARY KEY,            -- 5 minutes
  messages INTEGER NOT NULL, recipients INTEGER NOT NULL, sent INTEGER NOT NULL, deferred INTEGER NOT NULL,
  bounced INTEGER NOT NULL, rejected INTEGER NOT NULL, auth_failed INTEGER NOT NULL) WITHOUT ROWID;
-- Hours that are over: those principals and receivers only that a list of the most could show (analyzer/rollup.h).
CREATE TABLE principal_hour (
  hour_us INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
  messages INTEGER NOT NULL, recipients INTEGER NOT NULL, bounced INTEGER NOT NULL, refused INTEGER NOT NULL,
  PRIMARY KEY (hour_us, kind, id)) WITHOUT ROWID;
CREATE TABLE receiver_hour (
  hour_us INTEGER NOT NULL, receiver TEXT NOT NULL, -- organisational domain of the recipients
  recipients INTEGER NOT NULL, sent INTEGER NOT NULL, deferred INTEGER NOT NULL, bounced INTEGER NOT NULL, refused INTEGER NOT NULL,
  PRIMARY KEY (hour_us, receiver)) WITHOUT ROWID;

-- The hour at hand, whole.
CREATE TABLE hour_now (
  what TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, -- principal, receiver
  hour_us INTEGER NOT NULL, messages INTEGER NOT NULL, recipients INTEGER NOT NULL, sent INTEGER NOT NULL, deferred INTEGER NOT NULL,
  bounced INTEGER NOT NULL, refused INTEGER NOT NULL, PRIMARY KEY (what, kind, id)) WITHOUT ROWID;
-- What a principal did in each hour of a day that is over (analyzer/hours.h).
CREATE TABLE principal_day (kind TEXT NOT NULL, id TEXT NOT NULL, day INTEGER NOT NULL, hours BLOB NOT NULL, PRIMARY KEY (kind, id, day)) WITHOUT ROWID;

-- Whom we judge. state is the detectors' memory (analyzer/principal.h).
CREATE TABLE principal (
  kind TEXT NOT NULL, id TEXT NOT NULL, customer TEXT NOT NULL DEFAULT '',
  score INTEGER NOT NULL DEFAULT 0, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
  messages INTEGER NOT NULL DEFAULT 0, recipients INTEGER NOT NULL DEFAULT 0,
  bounced INTEGER NOT NULL DEFAULT 0, case_id INTEGER, state BLOB NOT NULL,
  today BLOB NOT NULL DEFAULT x'',           -- hours of the day at hand (analyzer/hours.h)
  PRIMARY KEY (kind, id)); -- with rowid: a row of a kilobyte would spill into a page of its own otherwise
CREATE INDEX principal_score ON principal (score);
CREATE INDEX principal_customer ON principal (customer);
-- Global memory of the analyzer in pieces: contact filters (pages), population histograms, watermarks.
CREATE TABLE memory (key TEXT NOT NULL, page INTEGER NOT NULL, bytes INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (key, page));

CREATE TABLE acase (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL,  -- stolen-account script-compromise infected-host list-hygiene …
  runner_up TEXT NOT NULL DEFAULT '',
  principal_kind TEXT NOT NULL, principal_id TEXT NOT NULL, customer TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL,                          -- open acknowledged closed false-positive
  level TEXT NOT NULL,                          -- suspected likely confirmed
  severity TEXT NOT NULL,                       -- low medium high critical
  score INTEGER NOT NULL, peak_score INTEGER NOT NULL, threshold INTEGER NOT NULL,
  first_seen_us INTEGER NOT NULL,               -- first abusive event counted for it
  opened_us INTEGER NOT NULL, updated_us INTEGER NOT NULL, closed_us INTEGER,
  reopened INTEGER NOT NULL DEFAULT 0,
  messages INTEGER NOT NULL DEFAULT 0, recipients INTEGER NOT NULL DEFAULT 0, -- since first_seen
  sentence TEXT NOT NULL, also TEXT NOT NULL DEFAULT '[]', counter_evidence TEXT NOT NULL DEFAULT '',
  guards TEXT NOT NULL DEFAULT '[]', utc_offset_s INTEGER NOT NULL DEFAULT 0,
  positive_us INTEGER NOT NULL DEFAULT 0, below_us INTEGER NOT NULL DEFAULT 0, -- last new evidence; below the closing score since
  lines INTEGER NOT NULL DEFAULT 0);            -- evidence lines taken over so far
CREATE INDEX acase_state ON acase (state, updated_us);
CREATE INDEX acase_principal ON acase (principal_kind, principal_id);
CREATE INDEX acase_customer ON acase (customer);
CREATE TABLE case_detector (
  case_id INTEGER NOT NULL, name TEXT NOT NULL, score INTEGER NOT NULL, since_us INTEGER NOT NULL, why TEXT NOT NULL,
  PRIMARY KEY (case_id, name)) WITHOUT ROWID;
CREATE TABLE case_score (               -- for the chart: the highest of each 5 minutes
  case_id INTEGER NOT NULL, bucket_us INTEGER NOT NULL, detector TEXT NOT NULL, score INTEGER NOT NULL,
  PRIMARY KEY (case_id, bucket_us, detector)) WITHOUT ROWID;
CREATE TABLE case_evidence (
  case_id INTEGER NOT NULL, seq INTEGER NOT NULL, at_us INTEGER NOT NULL, detector TEXT NOT NULL, line TEXT NOT NULL,
  PRIMARY KEY (case_id, seq)) WITHOUT ROWID;
CREATE TABLE case_source (
  case_id INTEGER NOT NULL, ip TEXT NOT NULL, name TEXT NOT NULL DEFAULT '', country TEXT NOT NULL DEFAULT '', asn INTEGER NOT NULL DEFAULT 0,
  first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, messages INTEGER NOT NULL,
  PRIMARY KEY (case_id, ip)) WITHOUT ROWID;
CREATE TABLE case_domain (
  case_id INTEGER NOT NULL, domain TEXT NOT NULL, recipients INTEGER NOT NULL, refused INTEGER NOT NULL,
  PRIMARY KEY (case_id, domain)) WITHOUT ROWID;
CREATE TABLE case_event (               -- what happened to the case, and who did it
  case_id INTEGER NOT NULL, seq INTEGER NOT NULL, at_us INTEGER NOT NULL, -- event time; wall time for people's actions
  actor TEXT NOT NULL,                  -- 'abusewatch', or the name of a user
  what TEXT NOT NULL,                   -- opened level reopened closed acknowledged note notified notify-failed false-positive
  text TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (case_id, seq)) WITHOUT ROWID;
CREATE TABLE notification (
  id INTEGER PRIMARY KEY, case_id INTEGER NOT NULL, at_us INTEGER NOT NULL,
  kind TEXT NOT NULL,                   -- open rise reminder desk
  recipient TEXT NOT NULL, language TEXT NOT NULL DEFAULT 'en',
  status TEXT NOT NULL,                 -- queued sent failed suppressed
  tries INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', message_id TEXT NOT NULL DEFAULT '', done_us INTEGER);
CREATE INDEX notification_case ON notification (case_id, at_us);
CREATE INDEX notification_queue ON notification (status, id);
