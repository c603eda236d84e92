-- The domains whose second MX we are (analyzer/backup.h).
CREATE TABLE backup_domain (
  domain TEXT PRIMARY KEY, primary_mx TEXT NOT NULL, lifetime_s INTEGER NOT NULL, customer TEXT NOT NULL DEFAULT '',
  health BLOB NOT NULL) WITHOUT ROWID;      -- struct backup_health
CREATE TABLE backup_outage (
  domain TEXT NOT NULL, begin_us INTEGER NOT NULL, end_us INTEGER, -- NULL: it lasts
  failures INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (domain, begin_us)) WITHOUT ROWID;
-- What the primary said about recipients: the newest word counts.
CREATE TABLE backup_recipient (
  domain TEXT NOT NULL, recipient TEXT NOT NULL, valid INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, answers INTEGER NOT NULL,
  PRIMARY KEY (domain, recipient)) WITHOUT ROWID;
CREATE INDEX backup_recipient_last ON backup_recipient (last_us);
-- A service is in trouble; nobody does harm. Each once an episode.
CREATE TABLE service_alert (
  id INTEGER PRIMARY KEY, domain TEXT NOT NULL, kind TEXT NOT NULL, -- outage over expiry-48h expiry-24h expiry-6h never-answers slow-drain
  subject_us INTEGER NOT NULL, at_us INTEGER NOT NULL, customer TEXT NOT NULL DEFAULT '', text TEXT NOT NULL, utc_offset_s INTEGER NOT NULL DEFAULT 0,
  UNIQUE (domain, kind, subject_us));
CREATE INDEX service_alert_at ON service_alert (at_us);
-- A letter is about a case (alert_id 0), or about an alert (case_id 0).
ALTER TABLE notification ADD COLUMN alert_id INTEGER NOT NULL DEFAULT 0;
CREATE INDEX notification_alert ON notification (alert_id) WHERE alert_id <> 0;
