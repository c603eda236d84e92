-- The hour at hand: what came to it from commit to commit, so that one adds to the end and does not write all over the table; sums are what counts. Now and
-- then, and when the hour is another one, it is written as a whole (analyzer/store_rollup.c).
CREATE TABLE hour_grown (
  what TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, -- principal, receiver
  hour_us INTEGER NOT NULL, messages INTEGER NOT NULL, recipients INTEGER NOT NULL, sent INTEGER NOT NULL, deferred INTEGER NOT NULL,
  bounced INTEGER NOT NULL, refused INTEGER NOT NULL);
INSERT INTO hour_grown SELECT what, kind, id, hour_us, messages, recipients, sent, deferred, bounced, refused FROM hour_now;
DROP TABLE hour_now;
ALTER TABLE hour_grown RENAME TO hour_now;
-- Contacts that are in no page of memory yet: 8 bytes each (analyzer/contacts.h).
CREATE TABLE contact_new (pairs BLOB NOT NULL);
-- What a collector was in the middle of. Not in input, whose row every commit writes.
CREATE TABLE input_snapshot (source TEXT PRIMARY KEY, snapshot BLOB NOT NULL);
INSERT INTO input_snapshot SELECT source, snapshot FROM input WHERE snapshot IS NOT NULL;
CREATE TABLE input_bare (
  source TEXT PRIMARY KEY, applied_seq INTEGER NOT NULL DEFAULT 0,
  counters TEXT NOT NULL DEFAULT '{}',      -- obs_counters as JSON
  path TEXT, last_event_us INTEGER NOT NULL DEFAULT 0, heard_us INTEGER NOT NULL DEFAULT 0 -- wall time of the last frame
) WITHOUT ROWID;
INSERT INTO input_bare SELECT source, applied_seq, counters, path, last_event_us, heard_us FROM input;
DROP TABLE input;
ALTER TABLE input_bare RENAME TO input;
-- Principals are found however they are written, as their keys are made: an account that was written in two ways was begun anew for the other one. Where there
-- are two, the one with a case stays, or the newer one.
CREATE TABLE principal_named (
  kind TEXT NOT NULL, id TEXT NOT NULL COLLATE NOCASE, customer TEXT NOT NULL DEFAULT '',
  score INTEGER NOT NULL DEFAULT 0, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
  messages INTEGER NOT NULL DEFAULT 0, recipients INTEGER NOT NULL DEFAULT 0,
  bounced INTEGER NOT NULL DEFAULT 0, case_id INTEGER, state BLOB NOT NULL,
  today BLOB NOT NULL DEFAULT x'',           -- hours of the day at hand (analyzer/hours.h)
  PRIMARY KEY (kind, id)); -- with rowid: a row of a kilobyte would spill into a page of its own otherwise
INSERT OR IGNORE INTO principal_named SELECT kind, id, customer, score, first_us, last_us, messages, recipients, bounced, case_id, state, today
  FROM principal ORDER BY case_id IS NULL, last_us DESC, rowid;
DROP TABLE principal;
ALTER TABLE principal_named RENAME TO principal;
CREATE INDEX principal_score ON principal (score);
CREATE INDEX principal_customer ON principal (customer);
