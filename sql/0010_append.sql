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
ALTER TABLE input DROP COLUMN snapshot;
-- Principals are named in lower case, as their keys are made: of an account that was written in two ways one half was not found again.
UPDATE OR IGNORE principal SET id = lower(id) WHERE id <> lower(id);
UPDATE OR IGNORE principal_hour SET id = lower(id) WHERE id <> lower(id);
UPDATE OR IGNORE principal_day SET id = lower(id) WHERE id <> lower(id);
UPDATE hour_now SET id = lower(id) WHERE what = 'principal';
UPDATE acase SET principal_id = lower(principal_id) WHERE principal_id <> lower(principal_id);
UPDATE OR IGNORE policy_finding SET id = lower(id) WHERE id <> lower(id);
